"""What is left of launches whose guards are gone is looked for, and ended, a few launches at a time."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lackey.executors.local import leftovers
from lackey.executors.local.leftovers import Leftovers
from lackey.executors.local.processes import boot_id
from lackey.executors.local.tickets import Command, Owner
from tests.waiting import wait_until

# No process has a pid beyond pid_max, 4194304 at most (proc(5)).
NOBODY = 1 << 23
GONE = Owner("here", 1, "uid", "ticket", "host", boot_id(), NOBODY, 1, Command(NOBODY, 1, "heat", 0.0))


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Leftovers]:
    monkeypatch.setattr(leftovers, "SPARE_SECONDS", 1.0)
    looking = Leftovers(None)
    yield looking
    looking.close()


def test_tickets_that_nobody_asks_for_again_keep_no_others_waiting(looking: Leftovers) -> None:
    for number in range(leftovers.AT_ONCE):
        assert looking.end(replace(GONE, ticket=f"restored{number}"), None, 0.0) is None
    wait_until(lambda: asked(looking) is not None)


def asked(looking: Leftovers) -> int | None:
    try:
        return looking.end(GONE, None, 0.0)
    except OSError:  # it was not in time on a busy machine, and is begun again when it is asked for again
        return None
