"""Logs are taken in for each share apart: one that is away, or is not configured any more, holds up its own alone."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.scheduler.test_unconfigured_shares import without_lab
from tests.stage import Stage, until

MANY = 60


def taken_in(stage: Stage, run_id: int) -> None:
    stage.until_ended(run_id)
    until(lambda: stage.get(run_id).log_kept, "its log")


def ended_at_once(stage: Stage, run_id: int) -> list[int]:
    """Runs that have ended as this one has, and whose logs, in the same place, are still to be taken in."""
    with closing(sqlite3.connect(stage.database_file, timeout=20)) as connection, connection:
        names = [f'"{row[1]}"' for row in connection.execute("PRAGMA table_info(run)") if row[1] != "id"]
        columns = ", ".join(names)
        connection.execute("UPDATE run SET log_kept = 0, file_size = NULL WHERE id = ?", (run_id,))
        connection.executemany(
            f"INSERT INTO run ({columns}) SELECT {columns} FROM run WHERE id = ?", [(run_id,)] * MANY
        )
        return [row[0] for row in connection.execute("SELECT id FROM run WHERE NOT log_kept")]


def move_away(stage: Stage) -> Callable[[], None]:
    (stage.place / "lab").rename(stage.place / "away")

    def put_back() -> None:
        (stage.place / "away").rename(stage.place / "lab")

    return put_back


def take_out(stage: Stage) -> Callable[[], None]:
    before = without_lab(stage)

    def put_back() -> None:
        stage.stop_schedulers()
        stage.configuration.write_text(before)
        stage.start_scheduler()

    return put_back


@pytest.mark.parametrize("lose", [move_away, take_out])
def test_the_many_logs_of_a_share_that_is_away_keep_no_other_shares_from_being_taken_in(
    stage: Stage, lose: Callable[[Stage], Callable[[], None]]
) -> None:
    on_lab = stage.schedule(stage.add("heat", "echo said"))
    taken_in(stage, on_lab)
    stage.stop_schedulers()
    due = ended_at_once(stage, on_lab)
    assert len(due) > MANY
    find = lose(stage)
    stage.start_scheduler()
    on_attic = stage.schedule(stage.add("waves", "echo said", share="attic"))
    taken_in(stage, on_attic)
    assert not any(stage.get(run_id).log_kept for run_id in due)
    find()
    for run_id in due:
        taken_in(stage, run_id)
    assert {stage.get(run_id).file_size for run_id in due} == {5}


def test_logs_that_may_yet_be_put_back_keep_no_others_of_their_share_waiting(stage: Stage) -> None:
    on_lab = stage.schedule(stage.add("heat", "echo said"))
    taken_in(stage, on_lab)
    stage.stop_schedulers()
    due = ended_at_once(stage, on_lab)
    (stage.run_directory(stage.get(on_lab)) / "log.txt").unlink()
    with closing(sqlite3.connect(stage.database_file, timeout=20)) as connection, connection:
        connection.execute("UPDATE run SET settled_at = settled_at + 3600000000 WHERE NOT log_kept")
    stage.start_scheduler()
    later = stage.schedule(stage.add("waves", "echo said"))
    taken_in(stage, later)
    assert not any(stage.get(run_id).log_kept for run_id in due)
