"""The database: engines, and the one way to write.

`Database.write` runs a use case as one transaction. On SQLite there can be only one writer at a time, and what costs
is the sync at each commit, so the threads of a process gather: whoever holds the writer's place carries out what the
others have handed in meanwhile, each use case in a savepoint of its own, and one commit serves them all. Each is
answered after that commit. Between processes a lock on a file beside the database hands over at once, where SQLite's
own busy handler would sleep. On PostgreSQL each use case is a transaction on a connection of its own.
"""

import fcntl
import os
import sqlite3
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from lackey.domain.refusals import Unavailable, invalid
from lackey.store.clock import Clock, SharedClock, host_clock

T = TypeVar("T")
Work = Callable[[Connection], T]

_GATHERED_AT_MOST = 64
_TRIES = 20
_BUSY_SECONDS = 20
# https://www.sqlite.org/rescode.html: what a full disk, a lock or a missing file says, and a mistake of ours does not.
_AWAY_CODES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
# PostgreSQL, appendix A: serialization_failure and deadlock_detected; the same transaction may pass next time.
_TRY_AGAIN_STATES = {"40001", "40P01"}
# read_only_sql_transaction: a standby, or a server that is being looked after; psycopg does not call it operational.
_READ_ONLY_STATE = "25006"
# A database host that vanishes without a word must hold nobody for minutes: seconds, but for the last, which counts in
# milliseconds (libpq's connection parameters). What the URL says of them comes first.
_IMPATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# PostgreSQL: any number will do, as long as nothing else in the same database uses it.
_TRYING_AGAIN = 0x7472796167


class Changed(Exception):
    """A guarded UPDATE found the row changed since it was read; the use case is tried again from its start."""


class Taken(Exception):
    """Something that has to be unique is there already."""


@contextmanager
def unique() -> Iterator[None]:
    """Turn a broken unique constraint into Taken. On PostgreSQL the transaction is spoilt then, so let it fail."""
    try:
        yield
    except IntegrityError as error:
        raise Taken from error


@dataclass
class _Handed:
    """A use case that waits for the writer's place, and what came of it."""

    work: Work[Any]
    done: bool = False
    result: Any = None
    error: BaseException | None = None


class Database:
    """Connections to one database. Safe to share between threads; make it after a fork, not before.

    `clock` gives the time that all hosts of this database agree on.
    """

    def __init__(self, url: str) -> None:
        """`url`: an SQLAlchemy URL, `sqlite:///file` or `postgresql+psycopg://…`. Raises Invalid if it is none."""
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.writer, self.reader = _sqlite_engine(url), _sqlite_engine(url, reading=True)
            event.listen(self.writer, "begin", _begin_immediate)
        else:
            self.writer, self.reader = _engine(self.url), _engine(self.url, reading=True)
        self.clock: Clock = host_clock if self.is_sqlite else SharedClock(self.read)
        self._handed: deque[_Handed] = deque()
        self._writers_place = threading.Lock()
        self._lock_file: int | None = None

    @property
    def shown(self) -> str:
        """The URL as it may be shown: without passwords."""
        secret = {name: "***" for name in self.url.query if "password" in name}
        return self.url.update_query_dict(secret).render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for statements that only read, each seeing what is committed.

        Raises Unavailable while the database can't be reached.
        """
        with unavailable(), self.reader.connect() as connection:
            yield connection

    def write(self, work: Work[T]) -> T:
        """Carry out `work` as one transaction and return what it returns; when this returns it is on disk.

        `work` may be called again, so it must have no effect but on the connection. Raises what `work` raises, with
        nothing written; Unavailable while the database can't be reached.
        """
        for number in range(_TRIES):
            try:
                with unavailable():
                    return self._gather(work) if self.is_sqlite else self._transact(work, again=number > 0)
            except Changed:
                continue
        raise Unavailable("many changed the same thing at once; try again")

    def close(self) -> None:
        """Give all connections back."""
        self.writer.dispose()
        self.reader.dispose()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _transact(self, work: Work[T], again: bool) -> T:
        try:
            with self.writer.begin() as connection:
                if again:
                    # Those who got in each other's way take turns, so that they don't do so again.
                    connection.execute(text("SELECT pg_advisory_xact_lock(:it)"), {"it": _TRYING_AGAIN})
                return work(connection)
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state in _TRY_AGAIN_STATES:
                raise Changed from error
            if state == _READ_ONLY_STATE:
                raise Unavailable("the database can only be read for now") from error
            raise

    def _gather(self, work: Work[T]) -> T:
        mine = _Handed(work)
        self._handed.append(mine)
        while not mine.done:
            with self._writers_place:
                if not mine.done:
                    self._carry_out([self._handed.popleft() for _ in range(min(len(self._handed), _GATHERED_AT_MOST))])
        if mine.error is not None:
            raise mine.error
        result: T = mine.result
        return result

    def _carry_out(self, works: list[_Handed]) -> None:
        try:
            with self._between_processes(), self.writer.begin() as connection:
                for handed in works:
                    if len(works) == 1:
                        handed.result = handed.work(connection)
                    else:
                        _attempt(connection, handed)
        except BaseException as error:
            for handed in works:
                handed.error = handed.error or error
        finally:
            for handed in works:
                handed.done = True

    @contextmanager
    def _between_processes(self) -> Iterator[None]:
        if self._lock_file is None:
            self._lock_file = _open_lock_file(Path(self.url.database or ""))
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)


def _open_lock_file(database: Path) -> int:
    """The file `<database>-writer`, for whoever may use the database: its owner and mode are those of the database.

    SQLite does so with its own files beside it (findCreateFileMode in os_unix.c). Else a scheduler that is root would
    lock the web service out.
    """
    path, flags = database.with_name(f"{database.name}-writer"), os.O_RDWR | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o660)
    except FileExistsError:
        return os.open(path, flags)
    with suppress(OSError):  # there is no database yet
        known = database.stat()
        os.fchmod(descriptor, stat.S_IMODE(known.st_mode))
        if os.geteuid() == 0:
            os.fchown(descriptor, known.st_uid, known.st_gid)
    return descriptor


def _attempt(connection: Connection, handed: _Handed) -> None:
    """One of several use cases in a transaction: if it fails, what it wrote is taken back and the others stand."""
    savepoint = connection.begin_nested()
    try:
        handed.result = handed.work(connection)
    except Exception as error:
        handed.error = error
        savepoint.rollback()
    else:
        savepoint.commit()


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn a database that can't be reached, or can't write, into Unavailable; mistakes of ours stay as they are."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        code = getattr(error.orig, "sqlite_errorcode", None)
        if code is not None and code & 0xFF not in _AWAY_CODES:
            raise
        raise Unavailable(f"the database is not available: {type(error.orig).__name__}") from error
    except (PoolTimeout, OSError) as error:
        raise Unavailable("the database is not available") from error


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):  # which may show the password
        raise invalid("database.url", "is no URL of the form that SQLAlchemy knows") from None


def _engine(url: URL, reading: bool = False) -> Engine:
    level: Any = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True} if reading else {"pool_size": 16}
    unsaid = {name: value for name, value in _IMPATIENCE.items() if name not in url.query}
    return create_engine(url, pool_pre_ping=True, connect_args=unsaid, **level)


def _sqlite_engine(url: str, reading: bool = False) -> Engine:
    level: Any = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True} if reading else {}
    engine = create_engine(
        url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}, pool_size=16, **level
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    # BEGIN is ours to say: the module's own would be deferred, and a deferred writer fails where it should wait.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
