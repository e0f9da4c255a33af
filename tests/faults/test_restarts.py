"""The scheduler is killed, and its database is another one when it comes back: each command runs once all the same."""

import sqlite3
from pathlib import Path

import pytest

from lackey.domain.run import RunState
from tests.faults.crowd import SIZE, Crowd
from tests.stage import Stage, until


def test_runs_go_on_without_their_scheduler_and_all_outcomes_arrive_when_it_is_back(stage: Stage) -> None:
    crowd = Crowd.scheduled(stage)
    scheduler = stage.start_scheduler()
    crowd.until_running()
    scheduler.kill()
    crowd.release("3")
    receipts = stage.data_dir / "tickets"
    until(lambda: len(list(receipts.glob("*/receipt"))) == SIZE // 2, "half of the receipts")
    stage.start_scheduler()
    for run_id in [run_id for run_id, code in crowd.runs.items() if code == "3"]:
        assert stage.until_ended(run_id).exit_code == 3
    for run_id in [run_id for run_id, code in crowd.runs.items() if code == "0"]:
        assert stage.get(run_id).state is RunState.RUNNING
    crowd.release("0")
    crowd.check()


def test_a_scheduler_that_is_killed_again_and_again_starts_nothing_twice(stage: Stage) -> None:
    crowd = Crowd.scheduled(stage)
    crowd.release("0")
    crowd.release("3")
    for begun in (1, 4, 7, 11, 16):
        scheduler = stage.start_scheduler()
        until(lambda begun=begun: len(crowd.begun()) >= begun, "some of them")  # type: ignore[misc]
        scheduler.kill()
    stage.start_scheduler()
    crowd.check()


def test_of_two_hundred_runs_that_are_ordered_at_once_each_runs_once_though_the_scheduler_is_killed_amid_them(
    stage: Stage,
) -> None:
    application = stage.add("burst", "echo $LACKEY_RUN_ID >> ran; exit $(( LACKEY_RUN_ID % 2 * 3 ))")
    runs = [stage.schedule(application) for _ in range(200)]
    file = stage.place / "lab/burst/ran"

    def ran() -> list[int]:
        return [int(word) for word in file.read_text().split()] if file.exists() else []

    for begun in (40, 80, 120, 160):
        scheduler = stage.start_scheduler()
        until(lambda begun=begun: len(ran()) >= begun, "some of them")  # type: ignore[misc]
        scheduler.kill()
    stage.start_scheduler()
    for run_id in runs:
        run = stage.until_ended(run_id)
        expected = (RunState.FAILED, 3) if run_id % 2 else (RunState.SUCCEEDED, 0)
        assert (run.state, run.exit_code) == expected, stage.history(run_id)
    assert sorted(ran()) == runs


def copied(stage: Stage) -> Path:
    """A copy of the database, as a backup makes it."""
    path = stage.place / "copy.sqlite3"
    with sqlite3.connect(stage.database_file) as source, sqlite3.connect(path) as target:
        source.backup(target)
    source.close()
    target.close()
    return path


@pytest.mark.parametrize("ended", [False, True], ids=["that_still_run", "that_have_ended"])
def test_runs_are_taken_up_again_by_a_database_that_was_copied_before_they_began(stage: Stage, ended: bool) -> None:
    crowd = Crowd.scheduled(stage)
    copy = copied(stage)
    scheduler = stage.start_scheduler()
    crowd.until_running()
    if ended:
        crowd.release("0")
        crowd.release("3")
        crowd.check()
    scheduler.kill()
    stage.remove_database()
    copy.rename(stage.database_file)
    assert {stage.get(run_id).state for run_id in crowd.runs} == {RunState.QUEUED}
    stage.start_scheduler()
    if not ended:
        crowd.until_running()
        crowd.release("0")
        crowd.release("3")
    crowd.check()


def test_a_new_database_over_an_old_share_starts_its_runs_once_and_takes_nothing_of_the_old_for_theirs(
    stage: Stage,
) -> None:
    old = Crowd.scheduled(stage)
    scheduler = stage.start_scheduler()
    old.until_running()
    logs = {run_id: stage.run_directory(stage.get(run_id)) / "log.txt" for run_id in old.runs}
    scheduler.kill()
    old.release("3")
    stage.remove_database()
    stage.database = stage.found()
    application = stage.add("crowd", "echo new; echo $LACKEY_RUN_ID >> new; exit 5")
    stage.start_scheduler()
    for run_id in old.runs:
        assert stage.schedule(application) == run_id, "the id has come before"
        run = stage.until_ended(run_id)
        assert (run.state, run.exit_code) == (RunState.FAILED, 5)
        assert run.run_directory == f"crowd/lackey-runs/{run_id}-{run.uid[:8]}"
        assert stage.log(run) == "new\n"
        assert logs[run_id].read_text() == ""
    assert sorted(map(int, stage.told(application, "new").split())) == sorted(old.runs)
    old.release("0")
    assert old.begun() == {str(run_id): 1 for run_id in old.runs}
