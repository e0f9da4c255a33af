"""NOTIFY and LISTEN on PostgreSQL: tells the schedulers of other hosts that there is something to do.

Commits that notify take turns, so only what cannot wait for a poll is made known. On SQLite all are on one host, where
the scheduler is woken by a datagram.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text

from lackey.domain.refusals import Unavailable
from lackey.store.database import Database, unavailable

_NOTIFY = text("SELECT pg_notify('lackey', '')")
_LISTEN = text("LISTEN lackey")


def send(connection: Connection) -> None:
    """Let all schedulers of this database know, when this transaction is committed."""
    if connection.dialect.name == "postgresql":
        connection.execute(_NOTIFY)


@contextmanager
def listening(database: Database) -> Iterator[Callable[[float], bool]]:
    """A function that waits for word, for so many seconds at most, and tells whether some has come.

    Raises Unavailable, and so does the function when the connection is lost; what is sent meanwhile is not heard.
    """
    with unavailable(), database.reader.connect() as connection:
        driver: Any = connection.connection.driver_connection
        # Not the pool's any more: it is held as long as the scheduler lives, and goes on listening.
        connection.detach()
        connection.execute(_LISTEN)
        broken: Any = connection.dialect.loaded_dbapi.Error
        ready = select.poll()
        ready.register(driver.fileno(), select.POLLIN)

        def wait(seconds: float) -> bool:
            # By itself psycopg waits a tenth of a second at a time.
            ready.poll(seconds * 1000)
            try:
                return any(True for _ in driver.notifies(timeout=0, stop_after=1))
            except broken as error:
                raise Unavailable(f"the database is not available: {type(error).__name__}") from error

        yield wait
