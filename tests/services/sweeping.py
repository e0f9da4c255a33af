"""Sweeps, for the tests of the services, in one word each."""

from collections.abc import Iterable
from typing import Any

from lackey.domain.run import RunState
from lackey.domain.sweep import Point, PointCounts, Sweep
from lackey.services.dispatch.claiming import Claim
from lackey.services.idempotency import Once
from lackey.services.runs.scheduling import Wanted
from lackey.services.sweeps import again, changing, making, reading
from lackey.services.sweeps.care import Care
from lackey.services.sweeps.making import WantedSweep
from tests.services.lab import Lab

QUEUED, RUNNING, SUCCEEDED = RunState.QUEUED, RunState.RUNNING, RunState.SUCCEEDED
FAILED, CANCELLED, LOST = RunState.FAILED, RunState.CANCELLED, RunState.LOST


def points(*values: Any) -> list[Point]:
    return [{"n": str(value)} for value in values]


def wanted(made: Iterable[Point], max_running: int | None = None, **of_runs: Any) -> WantedSweep:
    rows = list(made)
    named = lambda: [(f"points.{number}", point) for number, point in enumerate(rows)]  # noqa: E731
    return WantedSweep(Wanted("heat/explicit", **of_runs), named, max_running, hold=False)


def make(lab: Lab, count: int = 3, by: str = "anna", once: Once | None = None, **more: Any) -> Sweep:
    return making.make(lab.database, wanted(points(*range(count)), **more), by, lab.clock, once)


def counts(lab: Lab, sweep: Sweep) -> dict[RunState, int]:
    return whole(lab, sweep).states


def whole(lab: Lab, sweep: Sweep) -> PointCounts:
    return reading.one(lab.database, sweep.id, lab.clock()).counts


def care(lab: Lab) -> None:
    """Let the scheduler do all there is to do."""
    known = Care()
    for _ in range(10_000):
        if not known.tick(lab.database, lab.clock()):
            return
    raise AssertionError("it never comes to an end")


def begun(lab: Lab, claims: list[Claim]) -> list[Claim]:
    for claim in claims:
        lab.begin(claim)
    return claims


def left(lab: Lab) -> tuple[int, int]:
    """How many sweeps and points there are, be they complete or not."""
    with lab.database.read() as connection:
        return tuple(
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for table in ("sweep", "sweep_point")
        )


def cancel(lab: Lab, sweep: Sweep) -> None:
    changing.cancel(lab.database, sweep.id, "bob", lab.clock())


def rerun(lab: Lab, sweep: Sweep, *states: RunState, by: str = "anna", once: Once | None = None) -> int:
    wanted_states = frozenset(states or {FAILED, CANCELLED, LOST, RunState.TIMED_OUT})
    return again.run_again(lab.database, sweep.id, wanted_states, by, lab.clock, once)
