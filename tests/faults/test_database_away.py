"""The database is away for a while: the scheduler waits and goes on, and no outcome is lost."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from lackey.domain.run import RunState
from tests import nursery as born
from tests.faults.crowd import Crowd
from tests.full_disk import fill
from tests.nursery import Nursery
from tests.stage import Stage, until

AWAY = "the database is not available: OperationalError; trying again"
IMPATIENT = "tests.faults.test_database_away:schedule"


def schedule() -> int:
    """Be a scheduler that waits for a lock no longer than a moment."""
    with patch("lackey.store.database.BUSY_SECONDS", 0.2):
        return born.schedule()


@contextmanager
def locked(stage: Stage) -> Iterator[None]:
    """Within the block, somebody else writes into the database and does not come to an end."""
    with closing(sqlite3.connect(stage.database_file, isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        yield
        somebody.execute("ROLLBACK")


def test_outcomes_arrive_that_came_about_while_the_database_was_locked(stage: Stage) -> None:
    stage.start_scheduler(IMPATIENT)
    crowd = Crowd.scheduled(stage)
    crowd.until_running()
    waiting = stage.schedule(stage.add("late"))
    with locked(stage):
        crowd.release("0")
        crowd.release("3")
        until(lambda: len(list(stage.data_dir.glob("tickets/*/receipt"))) == len(crowd.runs), "the receipts")
        until(lambda: stage.log_says(AWAY), "a failed attempt")
    crowd.check()
    assert stage.until_ended(waiting).state is RunState.SUCCEEDED


def test_a_scheduler_that_finds_the_database_locked_waits_for_it(stage: Stage) -> None:
    run_id = stage.schedule(stage.add("heat"))
    with locked(stage):
        stage.start_scheduler(IMPATIENT)
        until(lambda: stage.log_says(AWAY), "a failed attempt")
    assert stage.until_ended(run_id).state is RunState.SUCCEEDED


@pytest.fixture
def cramped(nursery: Nursery, tmp_path: Path) -> Iterator[Stage]:
    """An installation whose database has a small disk of its own."""
    disk = tmp_path / "database"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "lackey-test", disk], check=True)
    stage = Stage(nursery, tmp_path, slots=20)
    yield stage
    stage.close()
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_outcomes_arrive_that_came_about_while_the_database_s_disk_was_full(cramped: Stage) -> None:
    cramped.start_scheduler()
    crowd = Crowd.scheduled(cramped)
    crowd.until_running()
    ballast = cramped.place / "database/ballast"
    fill(ballast)
    crowd.release("0")
    crowd.release("3")
    until(lambda: cramped.log_says(AWAY), "a failed attempt")
    ballast.unlink()
    crowd.check()
