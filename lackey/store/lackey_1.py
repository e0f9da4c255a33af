"""Reading the SQLite database of lackey 1.0, which comes from outside and is never written.

It is opened `mode=ro`. On a medium that can't be written SQLite may not open a database in WAL mode that way, since it
wants to make a file beside it; if nothing lies beside that it would need (`-wal`, `-journal`), it is opened
`immutable` then. All is read as of one moment. https://www.sqlite.org/security.html says what to look at, and to
switch off, in a database from elsewhere.
"""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from lackey.domain.refusals import NotImportable

COLUMNS = {
    "project": ("id", "name", "title", "description", "directory"),
    "application": ("id", "name", "description", "directory", "command", "project_id"),
    "run": ("id", "directory", "command", "schedule", "token", "raw_log", "start", "end", "application_id"),
}
BUSY_SECONDS = 20.0
_CANNOT_WRITE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


class OldDatabase:
    """The rows, the lowest id first, as they are: a value may be of any type. Every method raises NotImportable."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows of `project` or `application`."""
        with _explained(self.path):
            for values in self._connection.execute(f"SELECT {_listed(COLUMNS[table])} FROM {table} ORDER BY id"):
                yield dict(zip(COLUMNS[table], values, strict=True))

    def runs(self) -> Iterator[dict[str, Any]]:
        """The rows of `run`. `row` is what `log` wants; `log_size` the log's length in bytes, None if there is none.

        A log that is neither text nor blob has its type in place of its length.
        """
        columns = tuple(column for column in COLUMNS["run"] if column != "raw_log")
        query = f"SELECT {_listed(columns)}, typeof(raw_log), rowid FROM run ORDER BY id"
        with _explained(self.path):
            for *values, kind, row in self._connection.execute(query):
                yield {**dict(zip(columns, values, strict=True)), "row": row, "log_size": self._log_size(kind, row)}

    def _log_size(self, kind: str, row: int) -> int | str | None:
        if kind not in ("text", "blob"):
            return None if kind == "null" else kind
        with self._connection.blobopen("run", "raw_log", row, readonly=True) as log:
            return len(log)

    def log(self, row: int, limit: int) -> tuple[bytes, bytes]:
        """The first and the last bytes of a run's log, `limit` together at most; all of it, if that is enough."""
        with _explained(self.path), self._connection.blobopen("run", "raw_log", row, readonly=True) as log:
            if len(log) <= limit:
                return log.read(), b""
            head = log.read(limit // 2)
            log.seek(len(log) - (limit - limit // 2))
            return head, log.read()

    def highest_id(self, table: str) -> Any:
        """The highest id in a table; None if it is empty. As with all values here, it need not be a number."""
        with _explained(self.path):
            return self._connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0]


@contextmanager
def opened(path: Path) -> Iterator[OldDatabase]:
    """The database in this file, looked at as a whole. Raises NotImportable if it is none of lackey 1.0's."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise NotImportable(f"{path.name} is no file")
    with _explained(path):
        connection = _connect(path)
    with closing(connection):
        with _explained(path):
            connection.text_factory = lambda text: text.decode(errors="surrogateescape")
            connection.execute("BEGIN")
            _check_tables(path, connection)
            _check_whole(path, connection)
        yield OldDatabase(path, connection)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return _open(f"{path.absolute().as_uri()}?mode=ro")
    except sqlite3.OperationalError as error:
        beside = [Path(f"{path}{suffix}") for suffix in ("-wal", "-journal")]
        needed = [each.name for each in beside if each.exists() and each.stat().st_size]
        if error.sqlite_errorcode & 0xFF not in _CANNOT_WRITE:
            raise
        if needed:
            raise NotImportable(
                f"{path.name} can't be read without what lies beside it ({', '.join(needed)}), and that not where "
                "nothing can be written; copy them together to another disk, and import the copy"
            ) from error
        return _open(f"{path.absolute().as_uri()}?mode=ro&immutable=1")


def _open(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
            connection.execute(f"PRAGMA {pragma}")
        # The first thing that needs the file itself.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _check_tables(path: Path, connection: sqlite3.Connection) -> None:
    # Views and virtual tables have no root page, and could make up rows for ever.
    tables = connection.execute("SELECT lower(name) FROM sqlite_master WHERE type = 'table' AND rootpage > 0")
    known = {name for (name,) in tables}
    for table, columns in COLUMNS.items():
        if table not in known:
            raise NotImportable(f"{path.name} is no database of lackey 1.0: it has no table {table}")
        there = {str(row[1]).lower() for row in connection.execute(f"PRAGMA table_info({table})")}
        if missing := [column for column in columns if column not in there]:
            raise NotImportable(
                f"{path.name} is no database of lackey 1.0: its table {table} has no {', '.join(missing)}"
            )


def _check_whole(path: Path, connection: sqlite3.Connection) -> None:
    (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    if encoding != "UTF-8":
        raise NotImportable(
            f"{path.name} holds its texts in {encoding}, not in UTF-8; import a copy: sqlite3 FILE .dump | sqlite3 COPY"
        )
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise NotImportable(f"{path.name} is damaged ({found}); import a backup, or what sqlite3 FILE .recover gives")


def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_NOTADB:
            raise NotImportable(f"{path.name} is no SQLite database") from error
        raise NotImportable(f"{path.name} can't be read: {error}") from error
