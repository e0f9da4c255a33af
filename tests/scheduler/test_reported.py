"""Runs that only report: what their silence comes to. All counts from receipt, by the service's clock."""

from lackey.domain.evidence import Stop
from lackey.domain.run import RunState
from lackey.services.runs import reporting
from lackey.services.runs.reporting import ReportedProgress
from tests.stage import Stage, now


def report(stage: Stage, **limits: float) -> int:
    """A reported run with these limits in seconds; its id."""
    return stage.schedule(None, launch=False, name="by hand", instead=limits)


def started(stage: Stage, **limits: float) -> int:
    """A reported run that has told its start, with a clock that is far off."""
    run_id = report(stage, **limits)
    reporting.start(stage.database, run_id, 1369312595.0, "node1", now())
    return run_id


def test_a_reported_run_that_falls_silent_is_lost_and_when_heard_again_runs(stage: Stage) -> None:
    run_id = started(stage, silence=0.5)
    assert stage.get(run_id).state is RunState.RUNNING
    lost = stage.until_state(run_id, RunState.LOST)
    assert (lost.reason, lost.outcome_source) == ("silent: not heard from for 0.5 s", "inferred")
    reporting.progress(stage.database, run_id, ReportedProgress(now().timestamp(), fraction=0.5), now())
    again = stage.get(run_id)
    assert (again.state, again.ended_at, again.reason) == (RunState.RUNNING, None, None)
    stage.until_state(run_id, RunState.LOST)
    reporting.stop(stage.database, run_id, Stop(0, None, now().timestamp()), None, None, 1024, now())
    assert stage.get(run_id).state is RunState.SUCCEEDED


def test_a_reported_run_that_does_not_start_within_its_grace_is_lost(stage: Stage) -> None:
    run_id = report(stage, start_grace=0.3)
    assert stage.get(run_id).state is RunState.SCHEDULED
    lost = stage.until_state(run_id, RunState.LOST)
    assert lost.reason == "silent: no start was reported within 0.3 s of its time"
    reporting.start(stage.database, run_id, None, "node1", now())
    assert stage.get(run_id).state is RunState.RUNNING


def test_a_reported_run_that_is_silent_past_its_time_limit_is_timed_out(stage: Stage) -> None:
    run_id = started(stage, time_limit=0.5)
    timed_out = stage.until_state(run_id, RunState.TIMED_OUT)
    assert (timed_out.reason, timed_out.outcome_source) == ("silent past its time limit of 0.5 s", "inferred")
    reporting.stop(stage.database, run_id, Stop(3, None, now().timestamp()), None, None, 1024, now())
    assert (stage.get(run_id).state, stage.get(run_id).exit_code) == (RunState.FAILED, 3)


def test_a_reported_run_without_limits_may_take_its_time(stage: Stage) -> None:
    patient, hasty = started(stage), started(stage, silence=0.5)
    stage.until_state(hasty, RunState.LOST)
    assert stage.get(patient).state is RunState.RUNNING
