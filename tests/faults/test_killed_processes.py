"""Guards, commands and launchers are killed: what is not known is never a success."""

import os
import signal

import psutil
import pytest

from lackey.domain.evidence import Stop
from lackey.domain.run import RunState
from lackey.services.runs import reporting
from tests.stage import Stage, alive, now, until

COMMAND = "echo > ready; while [ ! -e go ]; do sleep 0.05; done; echo > done"


def until_unguarded(stage: Stage) -> int:
    """A run whose guard was killed; its id. The command is not harmed."""
    application = stage.add("heat", COMMAND)
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    os.kill(stage.owner(stage.until_running(run_id)).pid, signal.SIGKILL)
    until(lambda: stage.unguarded(stage.get(run_id)), "the guard's end")
    return run_id


def test_a_run_whose_guard_was_killed_runs_as_long_as_its_command_and_is_then_lost(stage: Stage) -> None:
    stage.start_scheduler()
    run_id = until_unguarded(stage)
    # That another run passes through shows that the scheduler has looked.
    assert stage.until_ended(stage.schedule(stage.add("other"))).state is RunState.SUCCEEDED
    assert stage.get(run_id).state is RunState.RUNNING
    (stage.place / "lab/heat/go").touch()
    assert stage.told("lab/heat", "done")
    lost = stage.until_ended(run_id)
    assert (lost.state, lost.reason) == (RunState.LOST, "its process is gone and left no outcome")
    assert (lost.exit_code, lost.outcome_source) == (None, "inferred")


@pytest.mark.parametrize(("code", "state"), [(0, RunState.SUCCEEDED), (3, RunState.FAILED)])
def test_a_lost_run_is_corrected_by_its_own_report(stage: Stage, code: int, state: RunState) -> None:
    stage.start_scheduler()
    run_id = until_unguarded(stage)
    (stage.place / "lab/heat/go").touch()
    stage.until_state(run_id, RunState.LOST)
    reporting.stop(stage.database, run_id, Stop(code, None, now().timestamp()), None, None, 1024, now())
    run = stage.get(run_id)
    assert (run.state, run.exit_code, run.outcome_source) == (state, code, "reported")
    assert any(text.startswith("lost → ") for text in stage.history(run_id))


def test_a_report_from_a_run_whose_guard_was_killed_is_its_outcome(stage: Stage) -> None:
    stage.start_scheduler()
    run_id = until_unguarded(stage)
    reporting.stop(stage.database, run_id, Stop(0, None, now().timestamp()), None, None, 1024, now())
    (stage.place / "lab/heat/go").touch()
    assert stage.until_ended(run_id).state is RunState.SUCCEEDED


def test_a_run_whose_guard_was_killed_is_cancelled_all_the_same(stage: Stage) -> None:
    stage.start_scheduler()
    run_id = until_unguarded(stage)
    command = stage.owner(stage.get(run_id)).command
    assert command is not None
    stage.cancel(run_id)
    assert stage.until_ended(run_id).state is RunState.CANCELLED
    assert not alive(command.command_pid)
    assert not (stage.place / "lab/heat/done").exists()


@pytest.mark.parametrize("while_away", [False, True], ids=["at_work", "away"])
def test_a_run_whose_guard_and_command_were_killed_is_lost(stage: Stage, while_away: bool) -> None:
    """As when the host's memory runs out."""
    scheduler = stage.start_scheduler()
    application = stage.add("heat", COMMAND)
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    owner = stage.owner(stage.until_running(run_id))
    if while_away:
        scheduler.kill()
    assert owner.command is not None
    for pid in (owner.pid, owner.command.command_pid):
        os.kill(pid, signal.SIGKILL)
    if while_away:
        stage.start_scheduler()
    assert stage.until_ended(run_id).state is RunState.LOST
    assert not stage.get(run_id).ticket_open, "its slot is free"


def test_a_killed_launcher_harms_no_run_and_is_replaced_for_the_next(stage: Stage) -> None:
    scheduler = stage.start_scheduler()
    application = stage.add("heat", COMMAND)
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    launcher = next(
        child
        for child in psutil.Process(scheduler.pid).children()
        if "lackey.executors.local.launcher" in child.cmdline()
    )
    launcher.kill()
    others = [stage.schedule(stage.add(f"other{n}", "echo >> ran")) for n in range(3)]
    for n, other in enumerate(others):
        assert stage.until_ended(other).state is RunState.SUCCEEDED
        assert (stage.place / f"lab/other{n}/ran").read_text() == "\n"
    (stage.place / "lab/heat/go").touch()
    assert stage.until_ended(run_id).state is RunState.SUCCEEDED


LEAVING = """
left() { setsid sh -c 'echo $$ >> ../left; while :; do sleep 0.1; done'; }
stubborn() { setsid sh -c 'trap "" TERM; echo $$ >> ../left; while :; do sleep 0.1; done'; }
sh -c 'echo $$ >> ../left; while :; do sleep 0.1; done' & left & stubborn & env -i sleep 61 & echo $! >> ../left
echo > ready; while :; do sleep 0.1; done
"""


def with_leftovers(stage: Stage) -> tuple[int, list[int]]:
    """A run whose guard and command were killed, and what has outlived them."""
    application = stage.add("heat", LEAVING, retries=1)
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    left = stage.place / "lab/left"
    until(lambda: left.exists() and len(left.read_text().split()) == 4, "its processes")
    owner = stage.owner(stage.until_running(run_id))
    assert owner.command is not None
    for pid in (owner.pid, owner.command.command_pid):
        os.kill(pid, signal.SIGKILL)
    return run_id, [int(pid) for pid in left.read_text().split()]


def test_what_outlives_a_guard_and_its_command_is_ended_before_the_run_is_lost(stage: Stage) -> None:
    stage.start_scheduler()
    bystander = stage.schedule(stage.add("other", COMMAND))
    stage.told("lab/other", "ready")
    run_id, left = with_leftovers(stage)
    stage.until_state(run_id, RunState.LOST)
    assert not any(alive(pid) for pid in left)
    assert any("processes that its command left behind were ended" in text for text in stage.history(run_id))
    assert stage.get(bystander).state is RunState.RUNNING
    (stage.place / "lab/other/go").touch()
    assert stage.until_ended(bystander).state is RunState.SUCCEEDED


def keep_some_alive() -> int:
    """Be a scheduler that finds something that nobody can end, as long as there is a file `keep`."""
    from pathlib import Path
    from unittest.mock import patch

    from lackey.executors.local.leftovers import Leftovers
    from tests import nursery as born

    end = Leftovers.end

    def refuse(self: Leftovers, *given: object) -> int | None:
        if Path(os.environ["KEEP"]).exists():
            raise OSError("it has left processes that can't be ended: 1")
        return end(self, *given)  # type: ignore[arg-type]

    with patch.object(Leftovers, "end", refuse):
        return born.schedule()


def test_while_something_can_t_be_ended_nothing_is_concluded_and_the_run_says_so(stage: Stage) -> None:
    keep = stage.place / "keep"
    keep.touch()
    stage.start_scheduler("tests.faults.test_killed_processes:keep_some_alive", KEEP=str(keep))
    run_id, left = with_leftovers(stage)
    until(lambda: "can't be ended" in (stage.get(run_id).reason or ""), "the reason")
    assert stage.get(run_id).state is RunState.RUNNING and all(alive(pid) for pid in left)
    keep.unlink()
    stage.until_state(run_id, RunState.LOST)
    assert not any(alive(pid) for pid in left)
