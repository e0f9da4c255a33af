"""What is wrong with a share, from what was found on it."""

import errno
from dataclasses import replace
from typing import Any

import pytest

from lackey.domain.paths import Share
from lackey.domain.share_health import Away, AwayKind, Look, ShareHealth, troubles

GIB = 1 << 30
LAB = Share("lab", "/srv/lab")
WELL = Look(
    at=0.0,
    user="anna",
    mounted=True,
    read_error=None,
    write_error=None,
    free_bytes=500 * GIB,
    total_bytes=1000 * GIB,
    clock_difference_seconds=0.5,
    latency_seconds=0.01,
)


def wrong(**found: Any) -> list[str]:
    """What is told of a share that is well but for this."""
    return [trouble.what for trouble in troubles(LAB, ShareHealth(None, replace(WELL, **found)))]


def test_of_a_share_that_is_well_or_not_looked_at_yet_nothing_is_told() -> None:
    assert wrong() == []
    assert troubles(LAB, ShareHealth(None, None)) == []


@pytest.mark.parametrize("kind", ["missing", "unmounted", "closed", "hangs", "failed", "unread"])
def test_of_a_share_that_is_away_that_alone_is_told_with_what_to_do(kind: AwayKind) -> None:
    health = ShareHealth(Away(kind, "It is away."), replace(WELL, write_error=errno.EROFS), looking_seconds=99)
    (trouble,) = troubles(LAB, health)
    assert (trouble.what, trouble.grave) == ("It is away.", True)
    assert trouble.mend.endswith(".")


@pytest.mark.parametrize(
    ("free", "total", "told"),
    [
        (2 * GIB, 1000 * GIB, False),
        (GIB - 1, 1000 * GIB, True),
        (0, 1000 * GIB, True),
        # A small one with room, one without, and one that does not say how large it is.
        (GIB // 2, GIB, False),
        (GIB // 50, GIB, True),
        (0, 0, False),
    ],
)
def test_a_share_is_nearly_full_by_what_is_left_of_it(free: int, total: int, told: bool) -> None:
    assert bool(wrong(free_bytes=free, total_bytes=total)) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(None, ""), (2.0, ""), (-2.0, ""), (2.1, "2.1 s ahead of"), (-3600.0, "3600.0 s behind")]
)
def test_a_clock_is_off_from_two_seconds_on(seconds: float | None, told: str) -> None:
    assert told in "".join(wrong(clock_difference_seconds=seconds))
    assert bool(wrong(clock_difference_seconds=seconds)) == bool(told)


@pytest.mark.parametrize(
    ("code", "grave", "mend"),
    [
        (errno.EROFS, True, "remount,rw"),
        (errno.ENOSPC, True, "Remove"),
        (errno.EDQUOT, True, "quota"),
        (errno.EIO, True, "dmesg"),
        # The top may be closed to simulations where they lie below it.
        (errno.EACCES, False, "directories below"),
    ],
)
def test_why_nothing_can_be_written_decides_what_to_do(code: int, grave: bool, mend: str) -> None:
    (trouble,) = troubles(LAB, ShareHealth(None, replace(WELL, write_error=code)))
    assert trouble.grave == grave and mend in trouble.mend and "anna" in trouble.what


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(wrong(read_error=errno.EACCES, write_error=errno.EACCES, free_bytes=0, clock_difference_seconds=9)) == 4


def test_what_is_known_of_a_share_travels_as_json() -> None:
    for health in (ShareHealth(None, WELL, 1.5), ShareHealth(Away("hangs", "It hangs."), None)):
        assert ShareHealth.from_json(health.to_json()) == health
