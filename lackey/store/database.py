"""The database: engines, and the one way to write.

`Database.write` runs a use case as one transaction: on SQLite together with others (`group_commit`), on PostgreSQL on a
connection of its own.
"""

import math
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Dialect, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InvalidatePoolError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from lackey.domain.refusals import Unavailable, invalid
from lackey.store.clock import Clock, SharedClock, host_clock
from lackey.store.compiled import say, send_waiting
from lackey.store.group_commit import GroupCommit
from lackey.store.reading import ReadingConnections, end_statements
from lackey.store.waiting_writes import Changed, waiting

T = TypeVar("T")
Work = Callable[[Connection], T]

_TRIES = 20
_TRIES_AT_LEAST = 3
# All in all less than the 30 s for which the recommended curl waits: for a turn among lackey's writers, and then for
# SQLite's lock, which a stranger may hold.
TURN_SECONDS = 10.0
BUSY_SECONDS = 15
_LOOK_AGAIN_SECONDS = 0.01
# A checkpoint waits for the disk three times, within a commit, and writes each page once that has changed since
# the one before; so it comes less often than SQLite's own 1,000 would have it. Readers look for a page in one table for
# each 4,096, of which the first holds somewhat fewer (https://www.sqlite.org/walformat.html, section 2.2).
_CHECKPOINT_PAGES = 4_000
# https://www.sqlite.org/rescode.html: what a full disk, a lock or a missing file says, and a mistake of ours does not.
_AWAY_CODES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
# PostgreSQL, appendix A: serialization_failure, deadlock_detected; unique_violation and foreign_key_violation, where
# another one has written or removed the same at the same time. The same transaction may pass next time.
_TRY_AGAIN_STATES = {"40001", "40P01", "23505", "23503"}
# What psycopg does not call operational: read_only_sql_transaction (a standby, or a server that is being looked after)
# and idle_in_transaction_session_timeout.
_AWAY_STATES = {"25006": "it can only be read for now", "25P03": "a transaction stood still for too long"}
# A database host that vanishes without a word must hold nobody for minutes: seconds, but for the last, which counts in
# milliseconds (libpq's connection parameters). What the URL says of them comes first.
IMPATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# Whoever stands still within a transaction (its process is stopped, its host has vanished) keeps what it locked from
# all others, until the server itself ends its session; and nobody waits for a lock or a statement for ever.
LIMITS = {
    "idle_in_transaction_session_timeout": timedelta(seconds=10),
    "lock_timeout": timedelta(seconds=15),
    "statement_timeout": timedelta(seconds=25),
}
# A process has so many connections to PostgreSQL for writing and for reading. Whoever finds none free waits: the server
# answers sooner than it would serve as many backends as there are threads. It syncs once for all who commit meanwhile,
# so more may write: on a disk that takes 5 ms for it, eight write 1.6 times as much as four.
_WRITING = 8
_READING = 4
_POOL_SECONDS = 10.0
_RESTED_SECONDS = 1.0
# PostgreSQL: any number will do, as long as nothing else in the same database uses it.
_TRYING_AGAIN = 0x7472796167


class NotUnique(Exception):
    """Something that has to be unique is there already."""


@contextmanager
def unique() -> Iterator[None]:
    """Turn a broken unique constraint into NotUnique. On PostgreSQL the transaction is spoilt then, so let it fail."""
    try:
        yield
    except IntegrityError as error:
        raise NotUnique from error


class Database:
    """Connections to one database. Safe to share between threads; make it after a fork, not before.

    `clock` gives the time that all hosts of this database agree on.
    """

    def __init__(self, url: str) -> None:
        """`url`: an SQLAlchemy URL, `sqlite:///file` or `postgresql+psycopg://…`. Raises Invalid if it is none."""
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            file = Path(self.url.database or "")
            self.writer, self.reader = _sqlite_engine(url, file), _sqlite_engine(url, file, reading=True)
            event.listen(self.writer, "begin", _begin_immediate)
        else:
            self.writer, self.reader = _engine(self.url), _engine(self.url, reading=True)
        self._readers = ReadingConnections(self.reader) if self.is_sqlite else None
        self.clock: Clock = host_clock if self.is_sqlite else SharedClock(self.read)
        self._group_commit = GroupCommit(self.writer, Path(self.url.database or ""))

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
        with unavailable(), self._readers.one() if self._readers else self.reader.connect() as connection:
            yield connection

    def write(self, work: Work[T], patience_seconds: float | None = None) -> T:
        """Carry out `work` as one transaction and return what it returns; when this returns it is on disk.

        `patience_seconds`: for so long it waits for its turn among lackey's own writers; None: `TURN_SECONDS`.

        `work` may be called again, so it must have no effect but on the connection. Raises what `work` raises, with
        nothing written; Unavailable while the database can't be reached, or others don't let it be written.
        """
        deadline = time.monotonic() + (TURN_SECONDS if patience_seconds is None else patience_seconds)
        for number in range(_TRIES):
            if number >= _TRIES_AT_LEAST and time.monotonic() >= deadline:
                break
            try:
                with unavailable():
                    if self.is_sqlite:
                        return self._group_commit.write(work, deadline)
                    return self._transact(work, again=number > 0)
            except Changed:
                continue
        raise Unavailable("many changed the same thing at once; try again")

    def close(self) -> None:
        """Give all connections back."""
        if self._readers:
            self._readers.close()
        self.writer.dispose()
        self.reader.dispose()
        self._group_commit.close()

    def _transact(self, work: Work[T], again: bool) -> T:
        try:
            with self.writer.begin() as connection:
                if again:
                    # Those who got in each other's way take turns, so that they don't do so again.
                    connection.execute(text("SELECT pg_advisory_xact_lock(:it)"), {"it": _TRYING_AGAIN})
                with waiting(connection):
                    return work(connection)
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state in _TRY_AGAIN_STATES:
                raise Changed from error
            if state in _AWAY_STATES:
                raise Unavailable(f"the database is not available: {_AWAY_STATES[state]}") from error
            raise


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
    level: Any = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True} if reading else {}
    unsaid = {name: value for name, value in IMPATIENCE.items() if name not in url.query}
    engine = create_engine(
        url,
        connect_args=unsaid,
        pool_size=_READING if reading else _WRITING,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_use_lifo=True,
        **level,
    )
    event.listen(engine, "checkin", _note_rest)
    event.listen(engine, "checkout", lambda connection, record, _: _look_after(engine.dialect, connection, record))
    event.listen(engine, "before_cursor_execute", lambda connection, *_: send_waiting(connection))
    # Whoever reads holds no locks that others wait for; but nobody waits for an answer that long.
    names = ["statement_timeout"] if reading else [*LIMITS]
    event.listen(engine, "connect", lambda connection, _: _limit(connection, names))
    return engine


def _note_rest(_: object, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _look_after(dialect: Dialect, connection: Any, record: ConnectionPoolEntry) -> None:
    """Ask whether a connection that has rested is still there. To ask each time would cost each report two answers."""
    if time.monotonic() - record.info.get("rests_since", math.inf) < _RESTED_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error:
        raise InvalidatePoolError from None


def _limit(connection: Any, names: Iterable[str]) -> None:
    # No startup options: PgBouncer refuses those.
    for name in names:
        limit = LIMITS[name]
        connection.execute(f"SET {name} = '{limit // timedelta(milliseconds=1)}ms'")
    connection.commit()


def take_your_time(connection: Connection) -> None:
    """Lift the limits on this transaction: it is a long one, as a migration is, and whoever waits for it shall."""
    if connection.dialect.name == "postgresql":
        for name in LIMITS:
            connection.execute(text(f"SET LOCAL {name} = 0"))


def _sqlite_engine(url: str, file: Path, reading: bool = False) -> Engine:
    level: Any = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True} if reading else {}
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=16,
        pool_timeout=_POOL_SECONDS,
        pool_use_lifo=True,  # so that few of them hold pages
        **level,
    )
    event.listen(engine, "do_connect", lambda *_: _make_private(file))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "before_cursor_execute", _note_cursor)
    event.listen(engine, "checkin", _end_statements)
    return engine


def _make_private(file: Path) -> None:
    """Make the database's file, if it is not there, before SQLite does, who would let everybody read it.

    A group that may write in its directory may use it, too. What SQLite makes beside it is of the same mode.
    """
    with suppress(OSError):  # SQLite says it better
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            place = file.parent.stat()
            if place.st_mode & stat.S_IWGRP and place.st_gid == os.fstat(descriptor).st_gid:
                os.fchmod(descriptor, 0o660)
        finally:
            os.close(descriptor)


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    # BEGIN is ours to say: the module's own would be deferred, and a deferred writer fails where it should wait.
    connection.isolation_level = None
    _use_wal(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", f"wal_autocheckpoint={_CHECKPOINT_PAGES}"):
        connection.execute(f"PRAGMA {pragma}")


def _note_cursor(connection: Connection, cursor: sqlite3.Cursor, *_: object) -> None:
    # Weakly: a transaction may have a hundred thousand statements, and keeps none that is over.
    connection.info.setdefault("cursors", WeakSet()).add(cursor)


def _end_statements(_: object, record: ConnectionPoolEntry) -> None:
    end_statements(record.info)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Of several that open a new file at once SQLite tells all but one at once that it is locked, whatever the timeout.

    Once a file has this journal, it keeps it, and nothing is locked.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(_LOOK_AGAIN_SECONDS)


def _begin_immediate(connection: Connection) -> None:
    say(connection, "BEGIN IMMEDIATE")
