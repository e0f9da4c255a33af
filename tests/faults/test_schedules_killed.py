"""Schedulers and the database are killed at ticks: each time is dealt with once, by a ledger that the runs write."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lackey.domain.refusals import Unavailable
from lackey.domain.run import Run
from lackey.domain.schedule import Tick
from lackey.services.runs import listing
from lackey.services.runs.queries import Search
from lackey.services.schedules import changing, reading
from tests.faults.schedules import AT, EPOCH, fast_clock
from tests.nursery import Nursery
from tests.postgres import Cluster, cluster
from tests.stage import Stage, until

SCHEDULES = 4
MINUTE = timedelta(minutes=1)
KILLS = [(AT[0], 1), (AT[1], 1), (AT[0], 3), (AT[1], 6), (AT[0], 2), (AT[1], 3)]


class Minutely:
    """Schedules that fire each minute, which lasts a second; each run writes a line into the ledger."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.began = stage, time.monotonic()
        self.application = stage.add("ledger", "echo $LACKEY_RUN_ID >> ran")
        values: dict[str, Any] = {"application": self.application, "parameters": {}, "cron": "* * * * *"}
        values |= {"timezone": "Europe/Zurich", "overlap": "allow", "catch_up": "latest", "paused": False}
        self.ids = [changing.add(stage.database, values, "anna", EPOCH).id for _ in range(SCHEDULES)]

    def start(self, killed: str = AT[2], ticks: int = 0) -> Any:
        """A scheduler that is killed then, at its nth tick."""
        given = {"LACKEY_TEST_BEGAN": str(self.began), "LACKEY_TEST_KILLED": killed, "LACKEY_TEST_TICKS": str(ticks)}
        return self.stage.start_scheduler("tests.faults.schedules:schedule_fast", **given)

    def history(self) -> dict[int, list[Tick]]:
        """What came of the times of each."""
        every = {one: reading.ticks(self.stage.database, one, None, 10_000) for one in self.ids}
        return {one: [tick for _, tick in found] for one, found in every.items()}

    def until_it_ticks(self, times: int = SCHEDULES) -> None:
        """Until so many more were dealt with."""
        known: list[int] = []

        def ticked() -> bool:
            try:
                known.append(sum(len(ticks) for ticks in self.history().values()))
            except Unavailable:
                return False
            return known[-1] >= known[0] + times

        until(ticked, "ticks")

    def check(self) -> None:
        """Each minute was dealt with once, and each run that was made for one has run once."""
        for one in self.ids:
            changing.change(self.stage.database, one, {"paused": True}, fast_clock(self.began))
        runs = {run.id: run for run in self._runs()}
        for run_id in runs:
            self.stage.until_ended(run_id)
        made: Counter[int | None] = Counter()
        for ticks in self.history().values():
            reached = EPOCH
            for tick in reversed(ticks):
                assert tick.due_at == reached + MINUTE, "none is lost, and none comes twice"
                reached = tick.last_due_at or tick.due_at
                assert tick.count == 1 + (reached - tick.due_at) // MINUTE
            made += Counter(tick.run_id for tick in ticks if tick.came_to in ("made", "caught_up"))
        assert made == dict.fromkeys(runs, 1)
        assert Counter(self.stage.told(self.application, "ran").split()) == {str(run_id): 1 for run_id in runs}

    def _runs(self) -> list[Run]:
        return listing.page(self.stage.database, Search(), None, 10_000, counted=False).runs


def test_a_scheduler_that_is_killed_at_ticks_loses_none_and_makes_none_twice(stage: Stage) -> None:
    minutely = Minutely(stage)
    for killed, ticks in KILLS:
        assert minutely.start(killed, ticks).ended(30), "it is killed at that tick"
    minutely.start()
    minutely.until_it_ticks()
    minutely.check()


@pytest.fixture
def durable() -> Iterator[Cluster]:
    """A server of its own, to which a commit is a commit."""
    with cluster(durable=True) as server:
        yield server


def test_a_database_that_is_killed_at_ticks_loses_none_and_makes_none_twice(
    nursery: Nursery, tmp_path: Path, durable: Cluster
) -> None:
    stage = Stage(nursery, tmp_path, database_url=durable.create(), slots=20)
    try:
        minutely = Minutely(stage)
        scheduler = minutely.start()
        for _ in range(5):
            minutely.until_it_ticks()
            durable.kill()
            until(lambda: _answers(minutely, durable), "the database")
        scheduler.kill()
        minutely.start()
        minutely.until_it_ticks()
        minutely.check()
    finally:
        stage.close()


def _answers(minutely: Minutely, server: Cluster) -> bool:
    """It may not start before all of its processes of before have ended."""
    server.start_if_down()
    try:
        minutely.history()
    except Unavailable:
        return False
    return True
