"""When runs start, where, and in which order."""

import json
from datetime import timedelta

import pytest

from lackey.domain.run import RunState
from lackey.services.runs import listing, scheduling
from lackey.services.runs.queries import Search
from tests.stage import Stage, now

WAIT = "echo > begun; while [ ! -e go ]; do sleep 0.02; done"


def test_a_due_run_starts_in_the_directory_that_share_and_application_say(stage: Stage) -> None:
    run = stage.until_ended(stage.schedule(stage.add("heat", "pwd -P; echo oops >&2")))
    assert (run.state, run.exit_code, run.outcome_source) == (RunState.SUCCEEDED, 0, "observed")
    assert run.run_directory == f"heat/lackey-runs/{run.id}"
    assert stage.log(run) == f"{stage.place}/lab/heat\noops\n"
    assert run.queued_at and run.started_at and run.ended_at
    assert run.queued_at <= run.started_at <= run.ended_at


def test_a_run_with_a_directory_of_its_own_starts_there(stage: Stage) -> None:
    run = stage.until_ended(stage.schedule(stage.add("heat", "pwd -P", workdir="run")))
    assert stage.log(run) == f"{stage.run_directory(run)}\n"


def test_a_run_gets_its_parameters_as_they_are(stage: Stage) -> None:
    hostile = "$(touch pwned) `touch pwned`; touch pwned & \"'\\ \n*?"
    application = stage.add("heat", "printf %s {n}", parameters=[{"name": "n"}])
    run = stage.until_ended(stage.schedule(application, parameters={"n": hostile}))
    assert stage.log(run) == hostile
    assert json.loads((stage.run_directory(run) / "parameters.json").read_text()) == {"n": hostile}
    assert not list(stage.place.rglob("pwned"))


def test_a_run_starts_at_its_time_and_not_before(stage: Stage) -> None:
    application = stage.add("heat", "date +%s.%N")
    at = now() + timedelta(seconds=0.7)
    run_id = stage.schedule(application, at=at)
    assert stage.get(run_id).state is RunState.SCHEDULED
    run = stage.until_ended(run_id)
    assert run.started_at is not None and run.started_at >= at
    assert float(stage.log(run)) >= at.timestamp()


@pytest.mark.parametrize("local", [{"slots": 2}])
def test_no_more_runs_at_once_than_there_are_slots(stage: Stage) -> None:
    application = stage.add("heat", "echo + >> count; sleep 0.2; echo - >> count")
    for run_id in [stage.schedule(application) for _ in range(6)]:
        assert stage.until_ended(run_id).state is RunState.SUCCEEDED
    alive = most = 0
    for sign in (stage.place / "lab/heat/count").read_text().split():
        alive += 1 if sign == "+" else -1
        most = max(most, alive)
    assert (alive, most) == (0, 2)


@pytest.mark.parametrize("local", [{"cpus": 3, "memory": "1 GiB", "gpus": ["x", "y"]}])
def test_runs_share_what_there_is_and_find_what_they_were_given(stage: Stage) -> None:
    said = 'echo "$LACKEY_CPUS $LACKEY_MEMORY_BYTES $CUDA_VISIBLE_DEVICES"; echo > said; sleep 0.5'
    large = stage.add("large", said, cpus=2, memory_bytes=1 << 20, gpus=1)
    other = stage.add("other", said, cpus=2, memory_bytes=1 << 20, gpus=1)
    first = stage.schedule(large)
    stage.told(large, "said")
    second = stage.schedule(other)
    assert stage.get(second).reason == "waits for 2 cpus: 1 of 3 free"
    ended = [stage.until_ended(run_id) for run_id in (first, second)]
    assert [stage.log(run) for run in ended] == ["2 1048576 x\n"] * 2
    assert ended[1].started_at and ended[0].ended_at and ended[1].started_at >= ended[0].ended_at


@pytest.mark.parametrize("local", [{"slots": 1}])
def test_a_run_without_a_slot_says_what_it_waits_for_and_starts_when_one_is_free(stage: Stage) -> None:
    application = stage.add("heat", WAIT)
    first = stage.schedule(application)
    stage.until_running(first)
    second = stage.schedule(application)
    assert stage.get(second).state is RunState.QUEUED
    assert stage.get(second).reason == "waits for a free slot"
    (stage.place / "lab/heat/go").touch()
    assert stage.until_ended(second).state is RunState.SUCCEEDED
    ended, started = stage.get(first).ended_at, stage.get(second).started_at
    assert ended and started and ended <= started


def test_an_application_runs_no_more_often_at_once_than_it_allows_and_keeps_no_other_waiting(stage: Stage) -> None:
    narrow = stage.add("narrow", WAIT, max_running=1)
    stage.until_running(stage.schedule(narrow))
    second = stage.schedule(narrow)
    assert stage.until_ended(stage.schedule(stage.add("wide"))).state is RunState.SUCCEEDED
    assert stage.get(second).state is RunState.QUEUED
    assert stage.get(second).reason == "waits for another run of its application: at most 1 at a time"
    (stage.place / "lab/narrow/go").touch()
    assert stage.until_ended(second).state is RunState.SUCCEEDED


@pytest.mark.parametrize("local", [{"slots": 1}])
def test_the_higher_priority_goes_first_and_then_the_older(stage: Stage) -> None:
    stage.until_running(stage.schedule(stage.add("first", WAIT)))
    application = stage.add("heat", "echo {name} >> order", parameters=[{"name": "name"}])
    waiting = [
        stage.schedule(application, parameters={"name": name}, priority=priority)
        for name, priority in [("old", 0), ("younger", 0), ("urgent", 5), ("late", -1), ("also", 5)]
    ]
    (stage.place / "lab/first/go").touch()
    for run_id in waiting:
        stage.until_ended(run_id)
    assert (stage.place / "lab/heat/order").read_text().split() == ["urgent", "also", "old", "younger", "late"]


@pytest.mark.parametrize("local", [{"slots": 1}, {"cpus": 2, "slots": 8}], ids=["one-at-a-time", "two-at-a-time"])
def test_one_run_of_another_user_in_the_midst_of_many_starts_among_the_first(stage: Stage) -> None:
    stage.stop_schedulers()
    heat, mesh = stage.add("heat"), stage.add("mesh")
    many = [stage.schedule(heat) for _ in range(30)]
    single = stage.schedule(mesh, by="bob")
    many += [stage.schedule(heat) for _ in range(30)]
    stage.start_scheduler()
    began = stage.until_ended(single).started_at
    ended = [stage.until_ended(run_id).ended_at for run_id in many]
    assert began is not None
    assert sum(end is not None and end < began for end in ended) < len(many) / 10


@pytest.mark.parametrize("local", [{"slots": 1}])
def test_a_held_run_lets_others_pass_and_starts_when_it_is_released(stage: Stage) -> None:
    stage.until_running(stage.schedule(stage.add("first", WAIT)))
    application = stage.add("heat")
    held, other = stage.schedule(application), stage.schedule(application)
    scheduling.change(stage.database, held, {"hold": True}, "anna", now())
    assert stage.get(held).reason == "held on request, until it is released"
    (stage.place / "lab/first/go").touch()
    assert stage.until_ended(other).state is RunState.SUCCEEDED
    assert stage.get(held).state is RunState.QUEUED
    scheduling.change(stage.database, held, {"hold": False}, "anna", now())
    assert stage.until_ended(held).state is RunState.SUCCEEDED


def test_a_run_waits_for_another_to_succeed(stage: Stage) -> None:
    first = stage.schedule(stage.add("first", WAIT))
    second = stage.schedule(stage.add("second"), after=(first,))
    stage.until_running(first)
    assert stage.get(second).state is RunState.SCHEDULED
    assert stage.get(second).reason == f"waits for run {first} to succeed"
    (stage.place / "lab/first/go").touch()
    run = stage.until_ended(second)
    assert run.state is RunState.SUCCEEDED
    ended = stage.get(first).ended_at
    assert ended and run.started_at and ended <= run.started_at


def test_a_run_whose_predecessor_fails_is_cancelled_and_says_so(stage: Stage) -> None:
    first = stage.schedule(stage.add("first", "exit 3"))
    application = stage.add("second", "echo > ran")
    second = stage.schedule(application, after=(first,))
    third = stage.schedule(application, after=(second,))
    run = stage.until_ended(second)
    assert (run.state, run.reason) == (RunState.CANCELLED, f"run {first}, which it waited for, is failed")
    assert stage.until_ended(third).state is RunState.CANCELLED
    assert not (stage.place / "lab/second/ran").exists()


def test_a_failed_run_with_retries_is_run_again_as_a_new_run_that_names_it(stage: Stage) -> None:
    application = stage.add("heat", "echo {n}; exit 3", parameters=[{"name": "n"}], retries=1)
    failed = stage.until_ended(stage.schedule(application, parameters={"n": "64"}))
    retry_id = failed.id + 1
    retry = stage.get(retry_id)
    assert (retry.parent_id, retry.cause, retry.state) == (failed.id, "retry", RunState.SCHEDULED)
    assert failed.ended_at is not None and retry.scheduled_at > failed.ended_at
    scheduling.change(stage.database, retry_id, {"at": now()}, "anna", now())
    retried = stage.until_ended(retry_id)
    assert (retried.state, retried.exit_code, stage.log(retried)) == (RunState.FAILED, 3, "64\n")
    assert [run.id for run in listing.page(stage.database, Search(), None, 10).runs] == [retry_id, failed.id]


def test_a_run_that_was_made_while_nobody_schedules_starts_later(stage: Stage) -> None:
    stage.stop_schedulers()
    run_id = stage.schedule(stage.add("heat"))
    assert stage.get(run_id).state is RunState.QUEUED
    stage.start_scheduler()
    assert stage.until_ended(run_id).state is RunState.SUCCEEDED
