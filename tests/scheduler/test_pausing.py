"""Pausing an executor under a scheduler at work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lackey import wake
from lackey.domain.run import RunState
from lackey.services.admin import executors
from tests.nursery import Nursery
from tests.stage import Stage, now, until

WAIT = "echo > begun; while [ ! -e go ]; do sleep 0.02; done"


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, nursery: Nursery, tmp_path: Path) -> Iterator[Stage]:
    """A scheduler with one slot, on each database."""
    url = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else None
    stage = Stage(nursery, tmp_path, database_url=url, slots=1)
    stage.start_scheduler()
    yield stage
    stage.close()


def pause(stage: Stage) -> None:
    executors.pause(stage.database, "local", "anna", now())


def resume(stage: Stage) -> None:
    executors.resume(stage.database, "local", "anna")
    wake.send(stage.data_dir)


def is_paused(stage: Stage, run_id: int) -> bool:
    run = stage.get(run_id)
    said = (run.reason or "").startswith("the executor local is paused by anna since ")
    return said and (run.state, run.ticket) == (RunState.QUEUED, None)


def test_what_runs_goes_on_to_its_end_and_what_waits_starts_by_itself_when_the_pause_is_over(stage: Stage) -> None:
    running = stage.schedule(stage.add("long", WAIT))
    stage.until_running(running)
    pause(stage)
    waiting = stage.schedule(stage.add("heat"))
    until(lambda: is_paused(stage, waiting), "the reason")
    (stage.place / "lab/long/go").touch()
    assert stage.until_ended(running).state is RunState.SUCCEEDED
    # Its slot is free now. A scheduler that has seen what is scheduled after that has looked at the other one as well.
    later = stage.schedule("lab/heat")
    until(lambda: is_paused(stage, later), "the reason")
    assert is_paused(stage, waiting)
    resume(stage)
    for run_id in (waiting, later):
        assert stage.until_ended(run_id).state is RunState.SUCCEEDED


def test_a_pause_outlives_the_scheduler(stage: Stage) -> None:
    pause(stage)
    stage.stop_schedulers()
    waiting = stage.schedule(stage.add("heat"))
    stage.start_scheduler()
    until(lambda: is_paused(stage, waiting), "the reason")
    resume(stage)
    assert stage.until_ended(waiting).state is RunState.SUCCEEDED


def test_a_running_run_is_cancelled_on_a_paused_executor(stage: Stage) -> None:
    running = stage.schedule(stage.add("long", WAIT))
    stage.until_running(running)
    pause(stage)
    stage.cancel(running)
    assert stage.until_ended(running).state is RunState.CANCELLED


def has_one_slot(stage: Stage) -> bool:
    capacity = executors.named(stage.database, "local", now()).capacity
    return capacity is not None and capacity.slots == 1


def test_the_scheduler_tells_how_many_slots_it_has(stage: Stage) -> None:
    until(lambda: has_one_slot(stage), "the heartbeat")
