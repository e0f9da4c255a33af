"""The clock that all hosts of one PostgreSQL database share."""

import time
from datetime import timedelta
from unittest.mock import patch

from lackey.store.database import Database

HOUR = 3600.0


def test_the_shared_clock_goes_on_while_the_host_is_suspended(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    before, real = database.clock(), time.clock_gettime
    # The server is elsewhere, and the host has slept too short a time for it to be asked again.
    with patch("time.clock_gettime", lambda which: real(which) + (5 if which == time.CLOCK_BOOTTIME else 0)):
        passed = database.clock() - before
    assert timedelta(seconds=5) <= passed < timedelta(seconds=9)
    database.close()


def test_a_host_that_slept_for_an_hour_asks_for_the_time_at_once(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    before, real = database.clock(), time.clock_gettime
    told = before + timedelta(seconds=2 * HOUR)
    with (
        patch("time.clock_gettime", lambda which: real(which) + (HOUR if which == time.CLOCK_BOOTTIME else 0)),
        patch("lackey.store.clock.server_time", lambda _: told),
    ):
        assert timedelta() <= database.clock() - told < timedelta(seconds=9)
    database.close()
