"""Executors: pausing them, letting them go on, and how they are."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from lackey.domain.policy import ShareState
from lackey.domain.refusals import NotFound
from lackey.domain.resources import Capacity, Demand
from lackey.domain.run import RunState
from lackey.services.admin import executors
from lackey.services.dispatch import share_states
from lackey.services.runs import cancelling, overview, scheduling
from lackey.store.database import Database
from tests.clock import Clock
from tests.processes import in_processes
from tests.services.lab import Lab

WHY = "the executor local is paused by anna since 2026-03-05 12:00 UTC"


def pause(lab: Lab, by: str = "anna") -> None:
    executors.pause(lab.database, "local", by, lab.clock())


def resume(lab: Lab) -> None:
    executors.resume(lab.database, "local", "anna")


def test_nothing_new_is_launched_on_a_paused_executor_and_what_waits_says_why(lab: Lab) -> None:
    before = lab.schedule()
    pause(lab)
    assert lab.reason(before.id) == WHY, "at once, before any scheduler has looked"
    after = lab.schedule(priority=9)
    assert lab.claim() == []
    assert {lab.reason(run.id) for run in (before, after)} == {WHY}


def test_however_many_wait_all_say_why_and_none_does_any_more_once_it_goes_on(lab: Lab) -> None:
    waiting = [lab.schedule().id for _ in range(201)]
    lab.beat(slots=1)
    pause(lab)
    assert {lab.reason(run_id) for run_id in waiting} == {WHY}
    resume(lab)
    assert [claim.run.id for claim in lab.claim(slots=1)] == waiting[:1]
    assert {lab.reason(run_id) for run_id in waiting[1:]} == {"waits for a free slot"}


def test_what_runs_goes_on_reports_and_is_cancelled_as_ever(lab: Lab) -> None:
    claim, other = lab.launched(), lab.launched()
    waits = lab.schedule()
    pause(lab)
    assert lab.claim() == []
    assert lab.end(claim).state is RunState.SUCCEEDED
    asked = cancelling.cancel(lab.database, other.run.id, "bob", lab.clock())
    assert (asked.state, asked.cancel_requested_at) == (RunState.RUNNING, lab.clock())
    assert cancelling.cancel(lab.database, waits.id, "bob", lab.clock()).state is RunState.CANCELLED
    script = lab.reported()
    lab.start(script.id)
    assert lab.stop(script.id, 0).state is RunState.SUCCEEDED


def test_a_run_that_is_held_for_another_cause_keeps_that_cause(lab: Lab) -> None:
    held = lab.schedule()
    scheduling.change(lab.database, held.id, {"hold": True}, "bob", lab.clock())
    pause(lab)
    assert lab.reason(held.id) == "held on request, until it is released"
    resume(lab)
    assert lab.reason(held.id) == "held on request, until it is released"


def test_a_share_that_is_away_is_told_of_again_once_the_executor_goes_on(lab: Lab) -> None:
    run = lab.schedule()
    lab.beat()
    share_states.publish(lab.database, "h1", {"lab": ShareState("its share lab is away", True)}, lab.clock())
    pause(lab)
    assert lab.reason(run.id) == WHY
    resume(lab)
    assert lab.reason(run.id) == "its share lab is away"


def test_the_first_pause_stands_until_it_is_ended_and_ending_none_is_no_fault(lab: Lab) -> None:
    pause(lab)
    lab.clock.forward(60)
    pause(lab, "bob")
    (paused,) = executors.paused(lab.database)
    assert (paused.by, paused.since) == ("anna", lab.clock() - timedelta(seconds=60))
    for _ in range(2):
        resume(lab)
    assert executors.paused(lab.database) == []
    pause(lab, "bob")
    assert [one.by for one in executors.paused(lab.database)] == ["bob"]


def test_who_paused_and_who_resumed_is_in_the_log_of_the_service(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for by in ("anna", "bob"):
        pause(lab, by)
    executors.resume(lab.database, "local", "carla")
    said = [record.getMessage() for record in caplog.records if record.name == "lackey.services.admin.executors"]
    assert said == ["executor local: paused by anna", "executor local: resumed by carla"]


def test_an_executor_that_is_not_there_is_refused(lab: Lab) -> None:
    with pytest.raises(NotFound, match="no executor slurm; there are: local"):
        executors.pause(lab.database, "slurm", "anna", lab.clock())
    with pytest.raises(NotFound):
        executors.resume(lab.database, "slurm", "anna")
    with pytest.raises(NotFound):
        executors.named(lab.database, "slurm", lab.clock())


def test_an_executor_tells_its_slots_what_takes_them_and_what_waits(lab: Lab) -> None:
    lab.beat(slots=99, host="h2", leads=False)
    lab.beat(slots=2, cpus=8)
    for _ in range(2):
        lab.launched()
    lab.schedule()
    cancelling.cancel(lab.database, lab.schedule().id, "bob", lab.clock())
    (local,) = executors.listing(lab.database, lab.clock())
    assert (local.name, local.capacity, local.waiting) == ("local", Capacity(8, slots=2), 1)
    assert [(one.by, one.demand) for one in local.taken] == [("anna", Demand(1))] * 2
    assert local.served_by is not None and local.served_by.name == "h1"
    assert (local.trouble, local.paused) == (None, None)
    later = executors.named(lab.database, "local", lab.clock.forward(60))
    assert (later.capacity, later.served_by) == (None, None)
    assert "No scheduler" in (later.trouble or "") and "lackey scheduler" in (later.mend or "")


def test_what_goes_on_now_changes_when_an_executor_is_paused_though_nothing_waits(lab: Lab) -> None:
    before = overview.fingerprint(lab.database, lab.clock())
    pause(lab)
    assert [one.why for one in overview.overview(lab.database, lab.clock()).paused] == [WHY]
    assert overview.fingerprint(lab.database, lab.clock()) != before
    resume(lab)
    assert overview.overview(lab.database, lab.clock()).paused == []


@pytest.mark.parametrize("attempt", range(3))
def test_no_run_is_claimed_once_a_pause_is_answered(lab: Lab, attempt: int) -> None:
    runs = [lab.schedule().id for _ in range(30)]

    def claim_all() -> None:
        for slots in range(1, 31):
            lab.claim(slots=slots)

    def claimed() -> set[int]:
        return {run_id for run_id in runs if lab.run(run_id).ticket is not None}

    with ThreadPoolExecutor(1) as pool:
        claiming = pool.submit(claim_all)
        pause(lab)
        at_the_pause = claimed()
        claiming.result()
    assert claimed() == at_the_pause
    assert {lab.reason(run_id) for run_id in set(runs) - at_the_pause} <= {WHY}


def pause_in_process(place: tuple[str, str]) -> None:
    url, by = place
    database = Database(url)
    executors.pause(database, "local", by, Clock()())
    database.close()


def test_of_those_who_pause_at_once_one_is_named_and_all_succeed(database_url: str) -> None:
    in_processes(pause_in_process, [(database_url, f"user {number}") for number in range(4)])
    database = Database(database_url)
    assert len(executors.paused(database)) == 1
    database.close()
