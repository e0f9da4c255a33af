"""Two schedulers on one database, by mistake: one works, the other waits for its end."""

import signal
from datetime import timedelta
from unittest.mock import patch

import pytest

from lackey.app import make_app
from lackey.domain.run import RunState
from lackey.services.admin import health
from lackey.settings import load
from tests import nursery as born
from tests.faults.crowd import Crowd
from tests.faults.hosts import freezing, until_it_is_frozen
from tests.stage import Stage, now, until
from tests.web.client import Api, Clock


def test_of_two_schedulers_of_one_data_directory_one_stands_by_and_takes_over(stage: Stage) -> None:
    first = stage.start_scheduler()
    until(lambda: stage.log_says("claims runs"))
    stage.start_scheduler()
    until(lambda: stage.log_says("this one stands by"))
    crowd = Crowd.scheduled(stage)
    crowd.until_running()
    first.kill()
    until(lambda: stage.log_says("this one takes over"))
    crowd.release("0")
    crowd.release("3")
    crowd.check()
    assert stage.until_ended(stage.schedule(stage.add("next"))).state is RunState.SUCCEEDED


def test_of_two_schedulers_with_directories_of_their_own_one_stands_by_and_takes_over(stage: Stage) -> None:
    first = stage.start_scheduler()
    until(lambda: stage.log_says("claims runs"))
    second = str(stage.configure("second.toml", "var2", slots=30))
    stage.start_scheduler(LACKEY_CONFIG=second)
    until(lambda: stage.log_says("this scheduler stands by"))
    crowd = Crowd.scheduled(stage)
    crowd.until_running()
    assert health.troubles(stage.database, now()) == []
    first.kill()
    next_run = stage.until_ended(stage.schedule(stage.add("next")))
    assert next_run.state is RunState.SUCCEEDED
    assert (stage.place / "var2/tickets" / (next_run.ticket or "")).exists()
    # The second can't see how the first one's runs go, so it leaves them alone.
    assert {stage.get(run_id).state for run_id in crowd.runs} == {RunState.RUNNING}
    crowd.release("0")
    crowd.release("3")
    stage.start_scheduler()
    crowd.check()


def schedule() -> int:
    """Be a scheduler for which two seconds of silence are long."""
    with (
        patch("lackey.services.dispatch.silence.SCHEDULER_IS_SILENT", timedelta(seconds=2)),
        patch("lackey.services.admin.health.BEAT_EVERY", timedelta(seconds=0.1)),
    ):
        return born.schedule()


def test_what_a_scheduler_launched_that_fell_silent_is_lost_and_found_again_when_it_is_back(stage: Stage) -> None:
    impatient = "tests.faults.test_two_schedulers:schedule"
    first = stage.start_scheduler(impatient)
    application = stage.add("heat", "echo >> ran; while [ ! -e go ]; do sleep 0.05; done")
    run_id = stage.schedule(application)
    stage.until_running(run_id)
    first.kill()
    second = stage.start_scheduler(impatient, LACKEY_CONFIG=str(stage.configure("second.toml", "var2")))
    lost = stage.until_state(run_id, RunState.LOST)
    assert lost.reason and "has not been heard from since" in lost.reason
    stage.start_scheduler(impatient)
    stage.until_state(run_id, RunState.RUNNING)
    (stage.place / "lab/heat/go").touch()
    assert stage.until_ended(run_id).state is RunState.SUCCEEDED
    assert stage.told(application, "ran") == "\n"
    assert not second.ended()


def test_the_run_of_a_silent_scheduler_is_neither_retried_nor_followed_by_others_until_its_end_is_known(
    stage: Stage,
) -> None:
    impatient = "tests.faults.test_two_schedulers:schedule"
    first = stage.start_scheduler(impatient)
    waits = "while [ ! -e go ]; do sleep 0.05; done"
    application = stage.add("heat", f"echo >> ran; {waits}; [ -e again ] || {{ echo > again; exit 3; }}")
    run_id = stage.schedule(application, instead={"retries": 1, "retry_wait": 0.1})
    later = stage.schedule(stage.add("mesh"), after=(run_id,))
    stage.until_running(run_id)
    first.kill()
    stage.start_scheduler(impatient, LACKEY_CONFIG=str(stage.configure("second.toml", "var2")))
    stage.until_state(run_id, RunState.LOST)
    other = stage.schedule(stage.add("other"))
    stage.until_ended(other)
    assert stage.get(later).state is RunState.SCHEDULED, "nobody knows yet whether it has ended"
    assert stage.schedule(stage.add("next")) == other + 1, "there is no retry among them"
    stage.start_scheduler(impatient)
    (stage.place / "lab/heat/go").touch()
    assert (stage.until_ended(run_id).state, stage.get(run_id).exit_code) == (RunState.FAILED, 3)
    assert stage.until_ended(other + 2).state is RunState.SUCCEEDED
    assert (stage.get(other + 2).parent_id, stage.get(other + 2).cause) == (run_id, "retry")
    assert stage.until_ended(later).state is RunState.SUCCEEDED
    assert stage.told(application, "ran") == "\n\n", "once each"


def schedule_and_freeze() -> int:
    """Be a scheduler that stops itself within its first claim."""
    with freezing():
        return born.schedule()


@pytest.mark.parametrize("what", [signal.SIGCONT, signal.SIGKILL], ids=["goes on", "is killed"])
def test_while_a_scheduler_is_frozen_within_its_claim_reports_are_told_to_come_again_and_then_all_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, what: signal.Signals
) -> None:
    monkeypatch.setattr("lackey.store.database.TURN_SECONDS", 1.0)
    settings = load(stage.configuration)
    api = Api(make_app(settings), stage.database, settings, Clock(now()))
    reported = api.reported_run()
    application = stage.add("heat", "echo $LACKEY_RUN_ID >> ran")
    runs = [stage.schedule(application) for _ in range(3)]
    first = stage.start_scheduler("tests.faults.test_two_schedulers:schedule_and_freeze")
    until_it_is_frozen(first)
    stage.start_scheduler(LACKEY_CONFIG=str(stage.configure("second.toml", "var2")))
    told = api.report("start", reported)
    assert told.status_int == 503 and told.headers["Retry-After"], told.text
    assert {stage.get(run_id).ticket for run_id in runs} == {None}
    first.send(what)
    until(lambda: api.report("start", reported).status_int == 200, "the report")
    runs.append(stage.schedule(application))
    assert {stage.until_ended(run_id).state for run_id in runs} == {RunState.SUCCEEDED}
    assert sorted(map(int, stage.told(application, "ran").split())) == runs
    marks = stage.place / ("var" if what is signal.SIGCONT else "var2") / "tickets"
    assert all((marks / (stage.get(run_id).ticket or "none")).is_dir() for run_id in runs)
