"""An older copy of the database is restored: what ran in between has run once, and what came of it is recorded."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lackey.domain.run import Run, RunState
from lackey.services.admin import health
from lackey.services.runs import reporting
from tests.faults import hosts
from tests.scheduler.test_packing import PACKING, marks, until_packed
from tests.stage import Stage, now, until

COMMAND = "echo $LACKEY_RUN_ID >> ../ran; {}while [ ! -e ../go ]; do sleep 0.05; done; exit 3"
LINE = 'echo "$LACKEY_TOKEN" > ../token; '


def copied(stage: Stage) -> Path:
    """A copy of the database, as a backup makes it."""
    path = stage.place / "copy.sqlite3"
    with closing(sqlite3.connect(stage.database_file)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return path


def restore(stage: Stage, copy: Path) -> None:
    """Put the copy in the place of the database, as an admin does: with the scheduler stopped."""
    stage.stop_schedulers()
    stage.remove_database()
    shutil.copy(copy, stage.database_file)


def ran(stage: Stage) -> list[str]:
    file = stage.place / "lab/ran"
    return file.read_text().split() if file.exists() else []


def go(stage: Stage) -> None:
    (stage.place / "lab/go").touch()


def until_ran_once(stage: Stage, run_id: int) -> Run:
    run = stage.until_ended(run_id)
    assert (run.state, run.exit_code, run.outcome_source) == (RunState.FAILED, 3, "observed"), stage.history(run_id)
    assert ran(stage) == [str(run_id)]
    return run


def plainly(stage: Stage) -> str:
    return stage.add("heat", COMMAND.format(""))


def where_the_plain_directory_is_a_strangers(stage: Stage) -> str:
    application = plainly(stage)
    (stage.place / "lab/heat/lackey-runs/1").mkdir(parents=True)
    return application


def and_remove_their_own_directory(stage: Stage) -> str:
    return stage.add("heat", COMMAND.format('rm -r "$LACKEY_RUN_DIR"; '))


def and_are_in_their_own_directory(stage: Stage) -> str:
    return stage.add("heat", COMMAND.replace("../", "../../../").format(""), workdir="run")


KINDS = [
    plainly,
    where_the_plain_directory_is_a_strangers,
    and_remove_their_own_directory,
    and_are_in_their_own_directory,
]


@pytest.mark.parametrize("ended", [False, True], ids=["that_still_runs", "that_has_ended"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_a_restored_database_takes_for_queued_is_not_run_again(
    stage: Stage, kind: Callable[[Stage], str], ended: bool
) -> None:
    run_id = stage.schedule(kind(stage))
    copy = copied(stage)
    stage.start_scheduler()
    stage.until_running(run_id)
    if ended:
        go(stage)
        until_ran_once(stage, run_id)
    restore(stage, copy)
    assert stage.get(run_id).state is RunState.QUEUED
    stage.start_scheduler()
    if not ended:
        stage.until_running(run_id)
        go(stage)
    until_ran_once(stage, run_id)
    # Once more: the same copy again.
    restore(stage, copy)
    stage.start_scheduler()
    until_ran_once(stage, run_id)


@pytest.mark.parametrize("kind", [plainly, and_remove_their_own_directory])
def test_a_run_whose_mark_is_packed_is_not_run_again_by_a_restored_database(
    stage: Stage, kind: Callable[[Stage], str]
) -> None:
    run_id = stage.schedule(kind(stage))
    copy = copied(stage)
    go(stage)
    stage.start_scheduler(PACKING)
    until_ran_once(stage, run_id)
    until_packed(stage, run_id)
    # The second time with one that packs nothing, so that what it finds is what there was.
    for scheduler in (PACKING, "tests.nursery:schedule"):
        restore(stage, copy)
        assert stage.get(run_id).state is RunState.QUEUED
        stage.start_scheduler(scheduler)
        until_ran_once(stage, run_id)
    assert not (stage.data_dir / "tickets" / (stage.get(run_id).ticket or "none")).exists()


def test_a_run_that_was_lost_and_whose_mark_is_packed_stays_lost_in_a_restored_database(stage: Stage) -> None:
    run_id = stage.schedule(plainly(stage))
    copy = copied(stage)
    stage.start_scheduler(PACKING)
    owner = stage.owner(stage.until_running(run_id))
    assert owner.command is not None
    for pid in (owner.pid, owner.command.command_pid):
        os.kill(pid, 9)
    assert stage.until_ended(run_id).state is RunState.LOST
    until_packed(stage, run_id)
    restore(stage, copy)
    stage.start_scheduler(PACKING)
    assert stage.until_ended(run_id).state is RunState.LOST
    assert ran(stage) == [str(run_id)]


def test_while_a_run_is_at_work_that_a_restored_database_does_not_know_its_mark_is_not_packed(stage: Stage) -> None:
    empty = copied(stage)
    run_id = stage.schedule(plainly(stage))
    copy = copied(stage)
    stage.start_scheduler(PACKING)
    stage.until_running(run_id)
    ticket = stage.get(run_id).ticket or "none"
    restore(stage, empty)
    stage.start_scheduler(PACKING)
    other = stage.schedule(stage.add("other"))
    stage.until_ended(other)
    until(lambda: marks(stage) == [ticket], "the packing of the other one")
    go(stage)
    until(lambda: marks(stage) == [], "its end and its packing")
    restore(stage, copy)
    stage.start_scheduler(PACKING)
    until_ran_once(stage, run_id)


def test_a_run_that_was_given_back_before_it_ran_is_not_run_again_by_a_restored_database(stage: Stage) -> None:
    application = plainly(stage)
    (stage.place / "lab").rename(stage.place / "gone")
    run_id = stage.schedule(application)
    copy = copied(stage)
    stage.start_scheduler("tests.scheduler.test_shares:schedule")
    until(lambda: stage.get(run_id).attempts >= 3, "attempts that come to nothing")
    (stage.place / "gone").rename(stage.place / "lab")
    run = stage.until_running(run_id)
    go(stage)
    until_ran_once(stage, run_id)
    restore(stage, copy)
    stage.start_scheduler("tests.scheduler.test_shares:schedule")
    assert until_ran_once(stage, run_id).ticket == run.ticket


def test_a_run_that_a_restored_database_finds_at_work_can_report_and_be_cancelled(stage: Stage) -> None:
    application = stage.add("heat", COMMAND.format(LINE))
    run_id = stage.schedule(application)
    copy = copied(stage)
    stage.start_scheduler()
    stage.until_running(run_id)
    until(lambda: (stage.place / "lab/token").exists(), "its token")
    token = (stage.place / "lab/token").read_text().strip()
    restore(stage, copy)
    stage.start_scheduler()
    stage.until_running(run_id)
    reporting.authenticate(stage.database, run_id, token)
    reporting.start(stage.database, run_id, None, None, now())
    stage.cancel(run_id)
    assert stage.until_ended(run_id).state is RunState.CANCELLED
    assert ran(stage) == [str(run_id)]


def test_a_run_that_was_lost_stays_lost_and_is_not_run_again_by_a_restored_database(stage: Stage) -> None:
    run_id = stage.schedule(plainly(stage))
    copy = copied(stage)
    stage.start_scheduler()
    owner = stage.owner(stage.until_running(run_id))
    assert owner.command is not None
    for pid in (owner.pid, owner.command.command_pid):
        os.kill(pid, 9)
    assert stage.until_ended(run_id).state is RunState.LOST
    restore(stage, copy)
    stage.start_scheduler()
    assert stage.until_ended(run_id).state is RunState.LOST
    assert ran(stage) == [str(run_id)]


@pytest.mark.parametrize("ended", [False, True], ids=["that_still_runs", "that_has_ended"])
@pytest.mark.parametrize("kind", [plainly, where_the_plain_directory_is_a_strangers])
def test_a_run_that_ran_on_another_host_is_left_to_it_by_a_restored_database(
    stage: Stage, kind: Callable[[Stage], str], ended: bool
) -> None:
    check_it_is_left_to_its_host(stage, stage.schedule(kind(stage)), ended)


def test_a_run_whose_directory_has_no_name_that_another_host_expects_is_left_to_its_host(stage: Stage) -> None:
    run_id = stage.schedule(where_the_plain_directory_is_a_strangers(stage))
    # What is left of an attempt where nothing can be removed, say.
    (stage.place / f"lab/heat/lackey-runs/{run_id}-{stage.get(run_id).uid[:8]}").mkdir()
    check_it_is_left_to_its_host(stage, run_id, ended=True)


def check_it_is_left_to_its_host(stage: Stage, run_id: int, ended: bool) -> None:
    first = hosts.start(stage, "h1")
    hosts.until_it_leads(stage, first)
    until(lambda: len(health.schedulers(stage.database, now())) == 1, "its heartbeat")
    copy = copied(stage)
    ticket = stage.until_running(run_id).ticket
    if ended:
        go(stage)
        until_ran_once(stage, run_id)
    restore(stage, copy_before(copy, run_id))
    second = hosts.start(stage, "h2")
    hosts.until_it_leads(stage, second)
    until(lambda: stage.get(run_id).ticket == ticket, "the earlier launch is taken up again")
    hosts.start(stage, "h1")
    if not ended:
        stage.until_running(run_id)
        go(stage)
    assert until_ran_once(stage, run_id).host == "h1"


def copy_before(copy: Path, run_id: int) -> Path:
    """The copy, with the run as it was before it was claimed."""
    with closing(sqlite3.connect(copy)) as database:
        database.execute(
            "UPDATE run SET state = 'queued', ticket = NULL, ticket_open = 0, attempts = 0, host = NULL, handle = NULL,"
            " evidence = '{}', claimed_at = NULL, run_directory = NULL, started_at = NULL WHERE id = ?",
            (run_id,),
        )
        database.commit()
    return copy
