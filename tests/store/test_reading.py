"""Reading: each question sees what is committed by then, however many ask at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text

from lackey.store.database import Database
from tests.clock import Clock
from tests.store.rows import add_run
from tests.store.test_writing import priority, raise_priority

READERS = 12


@pytest.fixture
def run_id(database: Database, clock: Clock) -> int:
    return database.write(lambda connection: add_run(connection, clock()).id)


def test_rows_that_nobody_fetched_keep_nobody_in_the_past(database: Database, run_id: int, clock: Clock) -> None:
    database.write(lambda connection: add_run(connection, clock()))
    with database.read() as connection:
        rows = connection.execute(text("SELECT id FROM run"))
        assert rows.fetchone() is not None
    database.write(raise_priority(run_id))
    assert priority(database, run_id) == 1


def test_many_who_read_at_once_have_a_connection_each_and_read_on_afterwards(sqlite: Database, clock: Clock) -> None:
    run_id = sqlite.write(lambda connection: add_run(connection, clock()).id)
    together = Barrier(READERS)

    def read(_: int) -> int:
        with sqlite.read() as connection:
            together.wait(30)
            return id(connection.connection.dbapi_connection)

    with ThreadPoolExecutor(READERS) as pool:
        for _ in range(3):
            assert len(set(pool.map(read, range(READERS)))) == READERS
    sqlite.write(raise_priority(run_id))
    assert priority(sqlite, run_id) == 1
    sqlite.close()
    assert priority(sqlite, run_id) == 1, "a database that was closed is opened again"
