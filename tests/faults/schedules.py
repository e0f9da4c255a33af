"""Schedulers for whom a minute passes each second, and who kill themselves at a tick; a ledger of what has run."""

import os
import signal
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

FASTER = 60.0
EPOCH = datetime(2026, 3, 5, 12, tzinfo=UTC)
AT = ("before the commit", "after the commit", "never")


def fast_clock(began: float) -> datetime:
    """The time, where it was `EPOCH` at this monotonic second, for all processes of this host."""
    return EPOCH + timedelta(seconds=(time.monotonic() - began) * FASTER)


def schedule_fast() -> int:
    """Be a scheduler with that clock, which is killed `LACKEY_TEST_KILLED`, at its nth tick (`LACKEY_TEST_TICKS`)."""
    from lackey.services.schedules import firing
    from tests.nursery import schedule

    began, killed = float(os.environ["LACKEY_TEST_BEGAN"]), os.environ["LACKEY_TEST_KILLED"]
    made, left = firing.make, [int(os.environ["LACKEY_TEST_TICKS"])]
    dealt_with = firing._fire

    def die(when: str) -> None:
        if when == killed:
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def make(*given: Any) -> int:
        run_id = made(*given)
        die(AT[0])
        return run_id

    def fire(*given: Any) -> None:
        dealt_with(*given)
        die(AT[1])

    def clock() -> datetime:
        return fast_clock(began)

    with ExitStack() as patched:
        patched.enter_context(patch.object(firing, "make", make))
        patched.enter_context(patch.object(firing, "_fire", fire))
        patched.enter_context(patch("lackey.store.database.host_clock", clock))
        patched.enter_context(patch("lackey.store.database.SharedClock", lambda _: clock))
        return schedule()
