"""A share that is taken out of the configuration holds its runs, and nothing runs anywhere else in its place."""

from pathlib import Path

import pytest

from lackey.cli.checks.database import unconfigured
from lackey.domain.run import RunState
from lackey.settings import load
from tests.stage import Stage, until

WHY = "waits for share lab: it is not in the configuration"


def without_lab(stage: Stage) -> str:
    """Take the share out of lackey.toml; what was there before."""
    before = stage.configuration.read_text()
    start, end = before.index('[[share]]\nname = "lab"'), before.index('[[share]]\nname = "attic"')
    stage.configuration.write_text(before[:start] + before[end:])
    return before


@pytest.mark.parametrize("local", [{"slots": 1}])
def test_runs_of_a_share_that_is_not_configured_wait_hold_no_slot_and_start_when_it_is_again(stage: Stage) -> None:
    application, elsewhere = stage.add("heat", "pwd > ran"), stage.add("waves", share="attic")
    stage.stop_schedulers()
    queued = stage.schedule(application)
    before = without_lab(stage)
    stage.start_scheduler()
    new = stage.schedule(application)
    for run_id in (queued, new):
        until(lambda run_id=run_id: stage.get(run_id).reason == WHY, "its reason")  # type: ignore[misc]
    assert stage.until_ended(stage.schedule(elsewhere)).state is RunState.SUCCEEDED
    assert [(one.about, one.what) for one in unconfigured(load(stage.configuration))] == [
        ("share lab", "it is not in the configuration, and 2 runs wait for it")
    ]
    stage.cancel(new)
    assert stage.get(new).state is RunState.CANCELLED
    assert stage.get(queued).state is RunState.QUEUED
    assert not (stage.place / "lab/heat/ran").exists() and not Path("/lackey-runs").exists()
    stage.stop_schedulers()
    stage.configuration.write_text(before)
    stage.start_scheduler()
    assert stage.until_ended(queued).state is RunState.SUCCEEDED
    assert stage.told("lab/heat", "ran") == f"{stage.place}/lab/heat\n"
    assert stage.get(new).state is RunState.CANCELLED


def test_a_run_that_goes_on_when_its_share_is_taken_out_is_followed_to_its_end(stage: Stage) -> None:
    application = stage.add("heat", "echo > ready; while [ ! -e go ]; do sleep 0.02; done; exit 3")
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    stage.until_running(run_id)
    stage.stop_schedulers()
    without_lab(stage)
    stage.start_scheduler()
    (stage.place / "lab/heat/go").touch()
    run = stage.until_ended(run_id)
    assert (run.state, run.exit_code) == (RunState.FAILED, 3)
