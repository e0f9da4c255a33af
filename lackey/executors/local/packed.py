"""Marks of tickets under which nothing can run any more, packed into one file: `tickets/packed.sqlite3`.

A mark has to tell for ever that its ticket was taken: an older copy of the database, put in place years later, draws
the very tickets again for what has run since, and must find out what came of them. But a directory with its files for
each launch would use up a disk's inodes. So what a mark holds becomes a row here, some hundred bytes long, and is read
where a directory would be. Nothing is ever taken out: it is far less than what the database keeps of the same run.

A mark is in its directory, or here, or for a moment in both; at no moment in neither. Whoever makes a mark makes the
directory first and then looks here, so that of one that was packed and one that is too late only the first counts.
"""

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

FILE = "packed.sqlite3"
NAMES = ("owner", "token", "kill", "receipt", "log")

_BUSY_SECONDS = 5.0
_CREATE = "CREATE TABLE IF NOT EXISTS mark (ticket TEXT PRIMARY KEY, {}) WITHOUT ROWID".format(
    ", ".join(f'"{name}" BLOB' for name in NAMES)
)
_FIND = "SELECT {} FROM mark WHERE ticket = ?".format(", ".join(f'"{name}"' for name in NAMES))
_ADD = f"INSERT OR REPLACE INTO mark VALUES ({', '.join('?' * (1 + len(NAMES)))})"


class Packed:
    """The file in a directory of marks. All methods raise OSError where it can't be read or written."""

    def __init__(self, tickets: Path) -> None:
        """Nothing is opened yet."""
        self._path = tickets / FILE

    def find(self, ticket: str) -> dict[str, bytes] | None:
        """What the files of a packed mark hold, by their names; None if this one is not packed."""
        if not self._path.exists():
            return None
        with _readable(), closing(self._open("ro")) as database:
            row = database.execute(_FIND, (ticket,)).fetchone()
        return None if row is None else {name: held for name, held in zip(NAMES, row, strict=True) if held is not None}

    def add(self, marks: Mapping[str, Mapping[str, bytes]]) -> None:
        """Pack marks, given by their tickets; survives a power failure. One that is packed already is replaced."""
        rows = [(ticket, *(held.get(name) for name in NAMES)) for ticket, held in marks.items()]
        with _readable(), closing(self._open("rwc")) as database:
            database.execute("PRAGMA synchronous = EXTRA")
            with database:
                database.execute(_CREATE)
                database.executemany(_ADD, rows)

    def _open(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_SECONDS)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(errno.EBADMSG, f"the packed marks can't be used: {error}") from error
