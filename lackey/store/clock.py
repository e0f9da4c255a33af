"""The clock that all hosts of one database share: the database's own.

Silence is told by comparing times that different hosts wrote, and their clocks may be minutes apart.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from lackey.domain.refusals import Unavailable

Clock = Callable[[], datetime]

_ASK_EVERY_SECONDS = 10.0
_ASK_AGAIN_SECONDS = 1.0


def host_clock() -> datetime:
    """The time by this host's clock, aware, in UTC."""
    return datetime.now(UTC)


class SharedClock:
    """Asks for the time now and then, and counts on from the answer by a clock that nobody can set.

    That clock goes on while the host is suspended (clock_gettime(2): CLOCK_BOOTTIME), as the database's does elsewhere.

    While there has been no answer yet, this host's clock has to do. Safe to share between threads.
    """

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        """`read` gives a connection to the database, or raises Unavailable."""
        self._read = read
        self._known: tuple[float, datetime] | None = None
        self._ask_at = 0.0

    def __call__(self) -> datetime:
        """The time, aware, in UTC."""
        asked = _elapsed()
        if asked >= self._ask_at:
            self._ask_at = asked + _ASK_EVERY_SECONDS  # before the answer is here, so that only one thread asks
            try:
                with self._read() as connection:
                    told = server_time(connection)
                self._known = ((asked + _elapsed()) / 2, told)
            except Unavailable:
                self._ask_at = asked + _ASK_AGAIN_SECONDS
        if self._known is None:
            return host_clock()
        at, told = self._known
        return told + timedelta(seconds=_elapsed() - at)


def _elapsed() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def server_time(connection: Connection) -> datetime:
    """PostgreSQL: the time by the server's clock, aware, in UTC."""
    told: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return told.astimezone(UTC)
