"""What is written is kept together or not at all, and in its order; whoever asks sees it, sent or not."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection

from lackey.domain.refusals import Unavailable
from lackey.domain.run import Event, Run
from lackey.store import events, logs, runs
from lackey.store.database import Database
from tests.clock import Clock
from tests.store.rows import add_run


def texts(connection: Connection, run: Run) -> list[str]:
    """Of the run's history, the first first."""
    return [event.text for _, event in reversed(events.of_run(connection, run.id, None, 9))]


@pytest.fixture
def run(database: Database, clock: Clock) -> Run:
    return database.write(lambda connection: add_run(connection, clock()))


def test_where_a_run_has_changed_meanwhile_nothing_is_kept_of_what_stood_on_it(
    database: Database, clock: Clock, run: Run
) -> None:
    database.write(lambda connection: runs.change(connection, run, {"priority": 1}))

    def late(connection: Connection) -> None:
        logs.put(connection, run.id, "stop", 0, b"log")
        runs.change(connection, run, {"priority": 2})
        events.add(connection, Event(run.id, clock(), "k", "b", "late"))

    with pytest.raises(Unavailable, match="at once"):
        database.write(late)
    with database.read() as connection:
        assert runs.get(connection, run.id).priority == 1
        assert texts(connection, run) == []
        assert logs.content(connection, run.id, "stop", 0, 9) == b""


def test_changes_and_lines_of_history_stay_in_their_order(database: Database, clock: Clock, run: Run) -> None:
    def several(connection: Connection) -> Run:
        known = run
        for number in range(3):
            events.add(connection, Event(run.id, clock(), "k", "b", f"before {number}"))
            known = runs.change(connection, known, {"priority": number, "told": {"é": [number, None]}})
            events.add(connection, Event(run.id, clock(), "k", "b", f"after {number}", {"n": number}))
        return known

    changed = database.write(several)
    with database.read() as connection:
        assert runs.get(connection, run.id) == changed
        assert texts(connection, run) == [f"{when} {number}" for number in range(3) for when in ("before", "after")]


def test_who_asks_in_the_same_transaction_sees_what_it_has_written(database: Database, clock: Clock, run: Run) -> None:
    def asks(connection: Connection) -> None:
        changed = runs.change(connection, run, {"priority": 7})
        assert runs.get(connection, run.id) == changed
        events.add(connection, Event(run.id, clock(), "k", "b", "told"))
        assert texts(connection, run) == ["told"]

    database.write(asks)
    with database.read() as connection:
        assert texts(connection, run) == ["told"]


def test_of_a_use_case_that_raises_nothing_is_sent(database: Database, clock: Clock, run: Run) -> None:
    def fails(connection: Connection) -> None:
        runs.change(connection, run, {"priority": 7})
        events.add(connection, Event(run.id, clock(), "k", "b", "told"))
        raise LookupError

    with pytest.raises(LookupError):
        database.write(fails)
    database.write(lambda connection: runs.change(connection, run, {"priority": 8}))
    with database.read() as connection:
        assert runs.get(connection, run.id).priority == 8 and texts(connection, run) == []


def test_whoever_has_asked_nothing_yet_holds_up_nobody_who_writes_the_same(postgresql_url: str, clock: Clock) -> None:
    database = Database(postgresql_url)
    run = database.write(lambda connection: add_run(connection, clock()))
    tries: list[int] = []

    def slow(connection: Connection) -> Run:
        latest = runs.get(connection, run.id) if tries else run
        tries.append(latest.priority)
        changed = runs.change(connection, latest, {"priority": latest.priority + 1})
        events.add(connection, Event(run.id, clock(), "k", "b", "slow"))
        if len(tries) == 1:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(database.write, lambda other: runs.change(other, run, {"priority": 10})).result(30)
        return changed

    assert database.write(slow).priority == 11
    with database.read() as connection:
        assert texts(connection, run) == ["slow"]
    database.close()
