"""Connections to SQLite for reading, of which a few are kept open and ready.

SQLAlchemy's way to a connection from its pool, and back, takes twice as long as the question that a report asks.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

# The others go back to the pool, where those wait who find neither one here nor there.
_KEPT_AT_MOST = 4


class ReadingConnections:
    """Safe to share between threads; make it after a fork."""

    def __init__(self, engine: Engine) -> None:
        """`engine` commits by itself, so between two statements a connection holds no snapshot."""
        self._engine = engine
        self._kept: list[Connection] = []

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """A connection. After an error it is given back to the pool, which ends what may have been left open."""
        try:
            connection = self._kept.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if len(self._kept) >= _KEPT_AT_MOST or connection.invalidated:
            connection.close()
            return
        if connection.in_transaction():
            connection.rollback()
        end_statements(connection.info)
        self._kept.append(connection)

    def close(self) -> None:
        """Give those that are kept back to the pool."""
        while self._kept:
            self._kept.pop().close()


def end_statements(info: dict[object, object]) -> None:
    """End every statement of a connection that is given back; `info` is what SQLAlchemy has noted of it.

    One whose rows were not all fetched, because a row could not be read, keeps its snapshot for as long as anything
    keeps the error: whoever had the connection next would read what was true then (https://www.sqlite.org/isolation.html).
    """
    cursors = info.pop("cursors", ())
    for cursor in cursors:  # type: ignore[attr-defined]
        cursor.close()
