"""Ids that are given out after others came in with theirs."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Connection, text

from lackey.store import sequences
from lackey.store.database import Database, Work
from tests.clock import Clock
from tests.store.rows import add_project
from tests.waiting import wait_until

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


class Undone(Exception):
    """Something else went wrong."""


def test_ids_go_on_from_the_highest_one(database: Database, clock: Clock) -> None:
    def work(connection: Connection, highest: object) -> None:
        sequences.move_past(connection, "project", highest)
        if isinstance(highest, int):
            add_project(connection, clock(), f"p{highest}", id=highest)

    for highest in (40, 7, None):
        database.write(partial(work, highest=highest))
    assert database.write(lambda connection: add_project(connection, clock(), "next")) == 41


def test_ids_are_as_before_when_it_fails(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> None:
        sequences.move_past(connection, "project", 40)
        raise Undone

    with pytest.raises(Undone):
        database.write(work)
    assert database.write(lambda connection: add_project(connection, clock(), "next")) == 1


@pytest.fixture
def shared(postgresql_url: str) -> Iterator[Database]:
    """A database that several can write at once."""
    database = Database(postgresql_url)
    yield database
    database.close()


def hold_up(database: Database, highest: int, other: Work[int], clock: Clock) -> int:
    """Move past `highest` and have `other` wait for the end of that; what `other` returns."""

    def somebody_waits() -> bool:
        with database.read() as connection:
            return bool(connection.execute(_WAITING).scalar_one())

    def work(connection: Connection) -> Future[int]:
        sequences.move_past(connection, "project", highest)
        future = pool.submit(database.write, other)
        wait_until(somebody_waits)
        add_project(connection, clock(), f"p{highest}", id=highest)
        return future

    with ThreadPoolExecutor(1) as pool:
        return database.write(work).result(30)


def test_who_wants_an_id_meanwhile_waits_and_gets_a_higher_one(shared: Database, clock: Clock) -> None:
    assert hold_up(shared, 40, lambda connection: add_project(connection, clock(), "next"), clock) == 41


def test_who_moves_it_meanwhile_never_moves_it_back(shared: Database, clock: Clock) -> None:
    def other(connection: Connection) -> int:
        sequences.move_past(connection, "project", 40)
        return add_project(connection, clock(), "next")

    assert hold_up(shared, 100, other, clock) == 101
