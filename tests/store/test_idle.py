"""Whether there is anything to do: what makes a scheduler look at all of it again."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from lackey.domain.run import RunState
from lackey.store import attempts, dependencies, schedules
from lackey.store.database import Database
from lackey.store.idle import next_task
from tests.clock import Clock
from tests.statements import asked_of
from tests.store.rows import add_application, add_project, add_run

MINUTE = timedelta(seconds=60)
TO_DO: dict[str, dict[str, Any]] = {
    "one waits in the queue": {"state": RunState.QUEUED},
    "one runs and reports": {"state": RunState.RUNNING, "launched": False, "silence": 60.0},
    "one is due": {"state": RunState.SCHEDULED},
    "one should have started by now": {"state": RunState.SCHEDULED, "launched": False, "start_grace": 60.0},
    "a scheduler of the version before has one": {"state": RunState.RUNNING, "ticket": "t", "ticket_open": True},
    "one is lost, and its ticket is open": {"state": RunState.LOST, "ticket": "t", "ticket_open": True},
}


@pytest.mark.parametrize("values", TO_DO.values(), ids=TO_DO)
def test_there_is_something_to_do_now_where(database: Database, clock: Clock, values: dict[str, Any]) -> None:
    database.write(lambda connection: add_run(connection, clock(), **values))
    with database.read() as connection:
        assert next_task(connection, clock()) == clock()


def test_there_is_something_to_do_while_an_attempt_is_open_whatever_its_run_says(
    database: Database, clock: Clock
) -> None:
    run = database.write(lambda connection: add_run(connection, clock(), state=RunState.FAILED, ended_at=clock()))
    attempt = {"run_id": run.id, "number": 1, "ticket": "t", "scheduler": "h1", "executor": "local", "by": "anna"}
    more: dict[str, Any] = {
        "application_id": None,
        "share": "lab",
        "cpus": 1,
        "memory_bytes": None,
        "gpus": [],
        "host": "h1",
    }
    database.write(lambda connection: attempts.add_all(connection, [{**attempt, **more, "claimed_at": clock()}]))
    with database.read() as connection:
        assert next_task(connection, clock()) == clock()
    database.write(lambda connection: attempts.close(connection, "t", "ended", clock()))
    with database.read() as connection:
        assert next_task(connection, clock()) is None


def test_there_is_something_to_do_while_some_were_not_told_what_they_waited_for(
    database: Database, clock: Clock
) -> None:
    run = database.write(lambda connection: add_run(connection, clock(), state=RunState.FAILED, ended_at=clock()))
    database.write(lambda connection: dependencies.note(connection, run.id, 0))
    with database.read() as connection:
        assert next_task(connection, clock()) == clock()


def test_what_waits_for_its_time_or_for_others_is_nothing_to_do_before_that(database: Database, clock: Clock) -> None:
    rested: list[dict[str, Any]] = [
        {"state": RunState.SUCCEEDED, "ended_at": clock()},
        {"state": RunState.LOST, "ended_at": clock()},
        {"state": RunState.SCHEDULED, "unmet": 1},
        {"state": RunState.SCHEDULED, "launched": False},
        {"state": RunState.SCHEDULED, "launched": False, "start_grace": 5.0, "scheduled_at": clock() + MINUTE},
    ]
    for values in rested:
        database.write(lambda connection, values=values: add_run(connection, clock(), **values))  # type: ignore[misc]
    with database.read() as connection:
        assert next_task(connection, clock()) is None
    for minutes in (3, 2):
        at = clock() + minutes * MINUTE
        database.write(lambda connection, at=at: add_run(connection, clock(), state="scheduled", scheduled_at=at))  # type: ignore[misc]
    with database.read() as connection:
        assert next_task(connection, clock()) == clock() + 2 * MINUTE
        assert next_task(connection, clock() + 2 * MINUTE) == clock() + 2 * MINUTE


def test_a_schedule_is_to_do_when_it_is_to_fire_and_not_while_it_is_paused(database: Database, clock: Clock) -> None:
    def add(connection: Connection) -> int:
        application_id = add_application(connection, clock(), add_project(connection, clock()))
        usual = {"parameters": {}, "cron": "* * * * *", "timezone": "UTC", "overlap": "skip", "catch_up": "latest"}
        times = {"created_at": clock(), "next_at": clock() + MINUTE, "passed_at": None}
        return schedules.add(
            connection, {"application_id": application_id, "by": "anna", "paused": False, **usual, **times}
        )

    schedule_id = database.write(add)
    with database.read() as connection:
        assert next_task(connection, clock()) == clock() + MINUTE
        assert next_task(connection, clock() + 2 * MINUTE) == clock() + 2 * MINUTE
    database.write(lambda connection: schedules.stop(connection, schedule_id))
    with database.read() as connection:
        assert next_task(connection, clock() + 2 * MINUTE) is None


def test_on_sqlite_it_is_asked_by_indexes_that_hold_nothing_of_what_merely_waits(
    sqlite: Database, clock: Clock
) -> None:
    with asked_of(sqlite) as asked, sqlite.read() as connection:
        next_task(connection, clock())
        (statement,) = asked
        given = (None,) * statement.count("?")
        plan = [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)]
    looked = {step for step in plan if step.startswith(("SCAN", "SEARCH"))}
    assert not {"SCAN run", "SCAN attempt"} & looked, plan
    assert any("ix_run_due" in step for step in looked), plan
    assert any("ix_run_expected" in step for step in looked), plan
    assert any("ix_schedule_next_at" in step for step in looked), plan
