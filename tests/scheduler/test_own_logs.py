"""Runs that remove what lackey keeps of them: the log is put back at their end, or it is said that it is gone."""

import os
import signal

import pytest

from lackey.domain.run import Run, RunState
from tests.nursery import Process
from tests.stage import Stage, until


def kept(stage: Stage, application: str) -> Run:
    """A run of the application, once its log was taken in."""
    run_id = stage.schedule(application)
    stage.until_ended(run_id)
    until(lambda: stage.get(run_id).log_kept, "its log")
    return stage.get(run_id)


PUT_BACK = "the run removed its own log.txt; what it wrote up to its end was put back"


@pytest.mark.parametrize(
    "removal",
    [
        'rm "$LACKEY_RUN_DIR/log.txt"',
        'mv "$LACKEY_RUN_DIR/log.txt" old.txt',
        'rm -rf "$LACKEY_RUN_DIR"',
        "rm -rf *",
    ],
)
def test_a_log_that_its_own_run_removes_is_put_back_and_the_run_says_so(stage: Stage, removal: str) -> None:
    run = kept(stage, stage.add("heat", f"echo before; {removal}; echo after"))
    assert (run.state, run.marks) == (RunState.SUCCEEDED, ["log-gone"])
    assert stage.log(run) == "before\nafter\n"
    assert run.file_size == len("before\nafter\n")
    assert stage.history(run.id)[-1] == PUT_BACK
    assert (stage.run_directory(run) / "run.json").exists()


def test_a_log_is_put_back_with_what_was_left_behind_wrote_at_its_end(stage: Stage) -> None:
    last = "sh -c 'trap \"echo last; exit\" TERM; echo > begun; while :; do sleep 0.1; done'"
    command = f'rm "$LACKEY_RUN_DIR/log.txt"; {last} & while [ ! -e begun ]; do sleep 0.01; done; echo first'
    run = kept(stage, stage.add("heat", command))
    assert (run.left_behind >= 1, run.marks) == (True, ["left-behind", "log-gone"])
    assert stage.log(run).startswith("first\n") and stage.log(run).endswith("last\n")


def test_a_log_that_its_own_run_replaces_lies_beside_the_other_one(stage: Stage) -> None:
    command = 'echo mine; rm "$LACKEY_RUN_DIR/log.txt"; echo other > "$LACKEY_RUN_DIR/log.txt"; echo more'
    run = kept(stage, stage.add("heat", command))
    name = f"log-{run.uid[:8]}.txt"
    assert (stage.log(run), (stage.run_directory(run) / name).read_text()) == ("other\n", "mine\nmore\n")
    assert run.marks == ["log-gone"]
    assert stage.history(run.id)[-1].endswith(f"is in {name}")


def test_a_long_log_that_its_own_run_replaces_is_waited_for(stage: Stage) -> None:
    command = 'head -c 300000000 /dev/zero; rm "$LACKEY_RUN_DIR/log.txt"; echo other > "$LACKEY_RUN_DIR/log.txt"'
    run = kept(stage, stage.add("heat", command))
    assert (stage.log(run), run.marks) == ("other\n", ["log-gone"])


def test_a_log_that_its_run_has_emptied_or_moved_to_begin_another_is_its_own_affair(stage: Stage) -> None:
    command = 'cd "$LACKEY_RUN_DIR"; echo one; mv log.txt log.1; exec > log.txt; echo two'
    run = kept(stage, stage.add("heat", command))
    assert (stage.log(run), run.marks) == ("two\n", [])
    assert (stage.run_directory(run) / "log.1").read_text() == "one\n"


def test_a_log_longer_than_is_copied_keeps_head_and_tail(stage: Stage) -> None:
    command = 'rm "$LACKEY_RUN_DIR/log.txt"; echo first; head -c 300000000 /dev/zero; echo last'
    run = kept(stage, stage.add("heat", command))
    log = (stage.run_directory(run) / "log.txt").read_bytes()
    assert log.startswith(b"first\n") and log.endswith(b"last\n")
    assert b"\n[lackey: 31564555 bytes left out]\n" in log
    assert len(log) < 270_000_000


@pytest.mark.parametrize("local", [{"kill_grace": 0.1}])
def test_a_log_that_nobody_could_put_back_is_said_to_be_gone(stage: Stage) -> None:
    run_id = stage.schedule(stage.add("heat", 'echo > begun; rm "$LACKEY_RUN_DIR/log.txt"; sleep 60'))
    run = stage.until_running(run_id)
    until(lambda: not (stage.run_directory(run) / "log.txt").exists(), "the removal")
    stage.cancel(run_id)
    owner = stage.owner(run)
    os.kill(owner.pid, signal.SIGKILL)
    assert owner.command is not None
    Process(owner.command.command_pid).kill()
    stage.until_ended(run_id)
    until(lambda: stage.get(run_id).log_kept, "that it is looked for no more", within_seconds=90)
    assert "log-gone" in stage.get(run_id).marks
    assert "its log.txt was removed, and what it wrote is gone" in stage.history(run_id)
