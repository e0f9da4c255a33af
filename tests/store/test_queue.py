"""What the scheduler asks of the database."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from lackey.domain.run import Run, RunState
from lackey.store import attempts, queue, runs
from lackey.store.database import Database
from tests.clock import Clock
from tests.store.rows import add_run


@pytest.fixture
def make(database: Database, clock: Clock) -> Any:
    def made(seconds: float = 0, **values: Any) -> Run:
        at = clock() + timedelta(seconds=seconds)
        return database.write(lambda connection: add_run(connection, clock(), scheduled_at=at, **values))

    return made


def ids(runs: list[Run]) -> list[int]:
    return [run.id for run in runs]


def test_on_sqlite_nothing_that_the_scheduler_asks_again_and_again_looks_through_all_runs(
    sqlite: Database, clock: Clock
) -> None:
    asked: list[tuple[str, Any]] = []
    event.listen(sqlite.reader, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    with sqlite.read() as connection:
        queue.due(connection, clock(), 10)
        queue.due(connection, clock(), 10, (clock(), 1))
        queue.next_due(connection, clock())
        attempts.followed(connection, "local", "h1")
        attempts.of_others(connection, "h1")
        attempts.of_older_version(connection, clock())
        attempts.still_needed(connection, ["t"])
        attempts.close(connection, "t", "void", clock())
        queue.followed_by_reports(connection, clock())
        queue.logs_to_keep(connection, "host", "", "lab", 0, 10)
        runs.with_open_ticket(connection, "t")
        for statement, given in list(asked):
            plan = [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)]
            assert not {"SCAN run", "SCAN attempt"} & set(plan), statement
            # Of those that wait for others, or for their time, there may be very many.
            assert "unmet = 0" not in statement or any("ix_run_due" in step for step in plan), statement


def test_due_are_launched_runs_whose_time_has_come_the_earliest_first(
    database: Database, clock: Clock, make: Any
) -> None:
    late, early = make(-1, state=RunState.SCHEDULED), make(-5, state=RunState.SCHEDULED)
    make(-9, state=RunState.SCHEDULED, launched=False)
    make(-9, state=RunState.SCHEDULED, unmet=1)
    make(1, state=RunState.SCHEDULED, unmet=1)
    make(-9, state=RunState.QUEUED)
    make(-9, state=RunState.CANCELLED, ended_at=clock())
    coming = make(7, state=RunState.SCHEDULED)
    make(9, state=RunState.SCHEDULED)
    with database.read() as connection:
        first, second = queue.due(connection, clock(), 10)
        assert [first.run_id, second.run_id] == [early.id, late.id]
        assert queue.due(connection, clock(), 10, (first.scheduled_at, first.run_id)) == [second]
        assert queue.next_due(connection, clock()) == coming.scheduled_at
        assert queue.next_due(connection, clock() + timedelta(seconds=60)) is None


def test_followed_by_reports_is_what_can_fall_silent_and_has_no_process_here(
    database: Database, clock: Clock, make: Any
) -> None:
    silent = make(state=RunState.RUNNING, silence=60.0)
    limited = make(state=RunState.RUNNING, time_limit=60.0)
    expected = make(state=RunState.SCHEDULED, launched=False, start_grace=60.0)
    make(state=RunState.RUNNING)
    make(state=RunState.RUNNING, silence=60.0, ticket="t", ticket_open=True)
    make(state=RunState.LOST, silence=60.0, ended_at=clock())
    with database.read() as connection:
        assert sorted(ids(queue.followed_by_reports(connection, clock()))) == [silent.id, limited.id, expected.id]


def test_logs_to_keep_are_those_of_ended_runs_of_this_host_on_this_share(database: Database, make: Any) -> None:
    due = {"state": RunState.FAILED, "log_kept": False, "host": "h1", "share": "lab"}
    first, second = make(**due), make(**due)
    others: list[dict[str, Any]] = [{"host": "h2"}, {"log_kept": True}, {"share": "attic"}]
    for other in [*others, {"ticket": "t", "ticket_open": True}]:
        make(**{**due, **other})
    with database.read() as connection:
        found = queue.logs_to_keep(connection, "h1", "", "lab", 0, 10)
        assert [one.run_id for one in found] == [first.id, second.id]
        assert queue.logs_to_keep(connection, "h1", "", "lab", 0, 1) == found[:1]
        assert queue.logs_to_keep(connection, "h1", "", "lab", first.id, 10) == found[1:]
