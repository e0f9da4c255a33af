"""Runs as they are stored and listed."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from lackey.domain.refusals import NotFound
from lackey.domain.run import ACTIVE, FINAL, Run, RunState
from lackey.domain.run_list import Cursor, Order
from lackey.store import run_lists, runs, words
from lackey.store.database import Database
from lackey.store.runs import Filter
from tests.clock import Clock
from tests.store.rows import add_application, add_project, add_run


def made(database: Database, clock: Clock, **values: Any) -> Run:
    return database.write(lambda connection: add_run(connection, clock(), **values))


def listed(database: Database, wanted: Filter, before_id: int | None = None, limit: int = 100) -> list[int]:
    cursor = None if before_id is None else Cursor(before_id, before_id)
    with database.read() as connection:
        return [run.id for run in run_lists.page(connection, wanted, Order.ID, True, cursor, limit).runs]


def test_a_run_is_read_as_it_was_written(database: Database, clock: Clock) -> None:
    moment = clock() + timedelta(microseconds=123456)
    run = made(
        database,
        clock,
        state=RunState.SCHEDULED,
        scheduled_at=moment,
        parameters={"n": "64", "Größe": "\u2028"},
        evidence={"start_ts": -1e300},
        after=[1, 2],
        progress={"ts": 1.5},
        log_size=1 << 40,
        time_limit=0.1,
    )
    with database.read() as connection:
        assert runs.get(connection, run.id) == runs.find(connection, run.id) == run
    assert (run.state, run.scheduled_at, run.parameters["Größe"]) == (RunState.SCHEDULED, moment, "\u2028")
    assert (run.evidence, run.after, run.progress) == ({"start_ts": -1e300}, [1, 2], {"ts": 1.5})
    assert (run.log_size, run.time_limit, run.revision) == (1 << 40, 0.1, 0)


def test_a_time_far_away_is_kept_to_the_microsecond(database: Database, clock: Clock) -> None:
    for year in (1, 9999):
        moment = clock().replace(year=year, microsecond=999999)
        assert made(database, clock, started_at=moment).started_at == moment


def test_ids_never_come_again(sqlite: Database, clock: Clock) -> None:
    first = made(sqlite, clock)
    sqlite.write(lambda connection: connection.exec_driver_sql("DELETE FROM run") and None)
    assert made(sqlite, clock).id > first.id


def test_there_is_no_such_run(database: Database) -> None:
    with database.read() as connection:
        assert runs.find(connection, 1) is None
        with pytest.raises(NotFound, match="no run 1"):
            runs.get(connection, 1)


def test_a_change_writes_what_is_named_and_raises_the_revision(database: Database, clock: Clock) -> None:
    run = made(database, clock)
    changed = database.write(lambda connection: runs.change(connection, run, {"held": True, "reason": "held"}))
    assert (changed.held, changed.reason, changed.revision, changed.name) == (True, "held", 1, run.name)


def test_a_run_is_found_by_the_ticket_it_has_now_while_that_is_open(database: Database, clock: Clock) -> None:
    run = made(database, clock, ticket="t1", ticket_open=True)

    def work(connection: Connection) -> None:
        assert runs.with_open_ticket(connection, "t1") == run
        again = runs.change(connection, run, {"ticket": "t2"})
        assert runs.with_open_ticket(connection, "t1") is None
        assert runs.with_open_ticket(connection, "t2") == again
        runs.change(connection, again, {"ticket_open": False})
        assert runs.with_open_ticket(connection, "t2") is None

    database.write(work)


def test_runs_are_listed_newest_first_a_page_at_a_time(database: Database, clock: Clock) -> None:
    ids = [made(database, clock).id for _ in range(5)]
    assert listed(database, Filter()) == ids[::-1]
    assert listed(database, Filter(), limit=2) == [ids[4], ids[3]]
    assert listed(database, Filter(), before_id=ids[3], limit=2) == [ids[2], ids[1]]


def test_runs_are_narrowed_to_all_that_was_asked_for(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> tuple[int, int]:
        project = add_project(connection, clock())
        return project, add_application(connection, clock(), project)

    project, application = database.write(work)
    early = made(database, clock, project_id=project, application_id=application)
    late = made(database, clock, scheduled_at=clock() + timedelta(hours=2), project_id=project, by="bob")
    done = made(database, clock, state=RunState.SUCCEEDED, ended_at=clock())
    hour = clock() + timedelta(hours=1)
    assert listed(database, Filter(project_id=project)) == [late.id, early.id]
    assert listed(database, Filter(application_id=application)) == [early.id]
    assert listed(database, Filter(by="bob")) == listed(database, Filter(since=hour)) == [late.id]
    assert listed(database, Filter(until=hour)) == [done.id, early.id]
    assert listed(database, Filter(states=FINAL)) == [done.id]
    assert listed(database, Filter(states=ACTIVE)) == [late.id, early.id]
    assert listed(database, Filter(states=ACTIVE | {RunState.SUCCEEDED}, by="anna")) == [done.id, early.id]
    assert listed(database, Filter(project_id=project, by="carol")) == []


def test_words_narrow_a_list_too(database: Database, clock: Clock) -> None:
    one, two = made(database, clock), made(database, clock, by="bob")

    def work(connection: Connection) -> None:
        for run in (one, two):
            words.index(connection, run.id, "heat explicit")

    database.write(work)
    assert listed(database, Filter(text="explicit heat")) == [two.id, one.id]
    assert listed(database, Filter(text="explicit", by="bob")) == [two.id]


def test_children_states_and_counts_are_known(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> None:
        project = add_project(connection, clock())
        application = add_application(connection, clock(), project)
        of = {"project_id": project, "application_id": application}
        parent = add_run(connection, clock(), **of, state=RunState.FAILED)
        add_run(connection, clock(), **of, parent_id=parent.id, cause="retry")
        assert [child.cause for child in runs.children(connection, parent.id, 10)] == ["retry"]
        assert runs.existing(connection, [parent.id, 999]) == {parent.id}
        assert runs.existing(connection, []) == set()
        assert runs.count_of(connection, project_id=project) == (2, 1)
        assert runs.count_of(connection, application_id=application) == (2, 1)
        assert runs.count_of(connection, application_id=application + 1) == (0, 0)

    database.write(work)
