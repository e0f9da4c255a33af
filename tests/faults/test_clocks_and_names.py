"""A host's clock is put forward, or the host gets another name, while runs run and no scheduler does."""

import os
import time
from typing import Any
from unittest.mock import patch

import pytest

from lackey.domain.run import RunState
from tests import nursery as born
from tests.faults.hosts import clock_ahead
from tests.stage import Stage, until

WAITS = "echo > ready; while [ ! -e go ]; do sleep 0.02; done; exit 3"
AHEAD_SECONDS = 3600.0


def schedule_an_hour_ahead() -> int:
    """Be a scheduler whose host's clock was put forward."""
    real = time.time
    with patch("time.time", lambda: real() + AHEAD_SECONDS), clock_ahead(AHEAD_SECONDS):
        return born.schedule()


def schedule_under_another_name() -> int:
    """Be a scheduler whose host has got another name."""
    with patch("socket.gethostname", lambda: os.environ["TEST_HOST"]):
        return born.schedule()


def running(stage: Stage, **changes: Any) -> int:
    application = stage.add("heat", WAITS, **changes)
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    stage.until_running(run_id)
    return run_id


def test_a_clock_that_was_put_forward_times_no_run_out(stage: Stage) -> None:
    stage.start_scheduler()
    run_id = running(stage, time_limit=600.0)
    stage.stop_schedulers()
    stage.start_scheduler("tests.faults.test_clocks_and_names:schedule_an_hour_ahead")
    assert stage.until_ended(stage.schedule(stage.add("other"))).state is RunState.SUCCEEDED
    (stage.place / "lab/heat/go").touch()
    run = stage.until_ended(run_id)
    assert (run.state, run.exit_code) == (RunState.FAILED, 3)


def test_a_limit_that_passes_while_no_scheduler_runs_ends_the_run_all_the_same(stage: Stage) -> None:
    stage.start_scheduler()
    run_id = running(stage, time_limit=3.0)
    stage.stop_schedulers()
    began = stage.owner(stage.get(run_id)).command
    assert began is not None
    until(lambda: began.lasted_seconds > 3.0, "the limit")
    stage.start_scheduler()
    assert stage.until_ended(run_id).state is RunState.TIMED_OUT


def test_a_limit_ends_a_command_whose_guard_was_killed_too(stage: Stage) -> None:
    stage.start_scheduler()
    run_id = running(stage, time_limit=3.0)
    os.kill(stage.owner(stage.get(run_id)).pid, 9)
    stage.stop_schedulers()
    stage.start_scheduler("tests.faults.test_clocks_and_names:schedule_an_hour_ahead")
    run = stage.until_ended(run_id)
    assert (run.state, run.outcome_source) == (RunState.TIMED_OUT, "observed")


@pytest.mark.parametrize("ends", ["while_away", "later"])
def test_runs_of_a_host_that_gets_another_name_are_followed_to_their_end(stage: Stage, ends: str) -> None:
    call = "tests.faults.test_clocks_and_names:schedule_under_another_name"
    stage.start_scheduler(call, TEST_HOST="before")
    run_id = running(stage)
    stage.stop_schedulers()
    if ends == "while_away":
        (stage.place / "lab/heat/go").touch()
        until(lambda: bool(list(stage.data_dir.glob("tickets/*/receipt"))), "its receipt")
    stage.start_scheduler(call, TEST_HOST="after")
    assert stage.until_ended(stage.schedule(stage.add("other"))).host == "after"
    (stage.place / "lab/heat/go").touch()
    run = stage.until_ended(run_id)
    assert (run.state, run.exit_code, run.host) == (RunState.FAILED, 3, "before")
    until(lambda: stage.get(run_id).log_kept, "its log")
    assert not any("lost" in text for text in stage.history(run_id))


def test_a_run_of_a_host_that_got_another_name_can_be_cancelled(stage: Stage) -> None:
    call = "tests.faults.test_clocks_and_names:schedule_under_another_name"
    stage.start_scheduler(call, TEST_HOST="before")
    run_id = running(stage)
    stage.stop_schedulers()
    stage.start_scheduler(call, TEST_HOST="after")
    stage.cancel(run_id)
    assert stage.until_ended(run_id).state is RunState.CANCELLED
