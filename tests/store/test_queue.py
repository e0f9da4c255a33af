"""What the scheduler asks of the database."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event

from lackey.domain.run import Run, RunState
from lackey.store import queue, runs
from lackey.store.database import Database
from tests.clock import Clock
from tests.store.rows import add_application, add_project, add_run


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
        queue.candidates(connection, "local", 0, 10)
        queue.count_candidates(connection, "local")
        queue.open_tickets(connection)
        queue.places_taken(connection, "local")
        queue.followed_by_reports(connection, clock())
        queue.logs_to_keep(connection, "host", "", 10)
        runs.with_open_ticket(connection, "t")
        for statement, given in list(asked):
            plan = [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)]
            assert "SCAN run" not in plan, statement
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


def test_candidates_come_by_priority_then_age(database: Database, clock: Clock, make: Any) -> None:
    ordinary, older, urgent = make(0), make(-60), make(0, priority=5)
    later = make(0)
    with database.read() as connection:
        order = [candidate.run_id for candidate, _ in queue.candidates(connection, "local", 0, 10)]
        assert order == [urgent.id, older.id, ordinary.id, later.id]
        page = [candidate.run_id for candidate, _ in queue.candidates(connection, "local", 1, 2)]
        assert page == [older.id, ordinary.id]


def test_no_candidate_is_claimed_held_cancelled_or_of_another_executor(
    database: Database, clock: Clock, make: Any
) -> None:
    make(ticket="t", ticket_open=True)
    make(held=True)
    make(cancel_requested_at=clock())
    make(executor="slurm")
    make(state=RunState.RUNNING)
    with database.read() as connection:
        assert queue.candidates(connection, "local", 0, 10) == []


def test_a_candidate_brings_the_limit_of_its_application_and_its_reason(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> int:
        application = add_application(connection, clock(), add_project(connection, clock()), max_running=3)
        add_run(connection, clock(), application_id=application, share="lab", reason="waits")
        return application

    application = database.write(work)
    with database.read() as connection:
        ((candidate, reason),) = queue.candidates(connection, "local", 0, 10)
    assert (candidate.application_id, candidate.max_running, candidate.share) == (application, 3, "lab")
    assert reason == "waits"


def test_places_are_taken_by_tickets_that_are_open_whatever_the_state(database: Database, make: Any) -> None:
    make(ticket="a", ticket_open=True, host="h1", share="lab")
    make(ticket="b", ticket_open=True, host="h2", state=RunState.SUCCEEDED)
    make(ticket="c", ticket_open=False, host="h1", state=RunState.SUCCEEDED)
    with database.read() as connection:
        assert sorted(queue.places_taken(connection, "local"), key=str) == [(None, "", "h2"), (None, "lab", "h1")]
        assert queue.places_taken(connection, "slurm") == []


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


def test_logs_to_keep_are_those_of_ended_runs_of_this_host(database: Database, make: Any) -> None:
    ended = make(state=RunState.FAILED, log_kept=False, host="h1")
    make(state=RunState.FAILED, log_kept=False, host="h2")
    make(state=RunState.FAILED, log_kept=True, host="h1")
    make(state=RunState.FAILED, log_kept=False, host="h1", ticket="t", ticket_open=True)
    with database.read() as connection:
        assert ids(queue.logs_to_keep(connection, "h1", "", 10)) == [ended.id]
