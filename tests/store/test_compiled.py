"""Statements on the driver's cursor: the same values come and go, and what goes wrong is said as by SQLAlchemy."""

import pytest
from sqlalchemy import bindparam, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from lackey.domain.refusals import Unavailable
from lackey.store import runs
from lackey.store.compiled import Compiled
from lackey.store.database import Database, NotUnique, unavailable, unique
from lackey.store.models import RunRow, TokenRow
from tests.clock import Clock
from tests.store.rows import add_run

_RUN = RunRow.metadata.tables[RunRow.__tablename__]
_TOKEN = TokenRow.metadata.tables[TokenRow.__tablename__]
CHANGE = Compiled(update(_RUN).where(_RUN.c.id == bindparam("wanted_id")))
ONE = select(_RUN).where(_RUN.c.id == bindparam("wanted_id"))


def test_what_was_written_is_read_as_by_sqlalchemy(database: Database, clock: Clock) -> None:
    values = {
        "told": {"a": [1, None]},
        "marks": ["é"],
        "held": True,
        "time_limit": 0.1,
        "heard_at": clock(),
        "host": "n",
    }
    run_id = database.write(lambda connection: add_run(connection, clock()).id)
    assert database.write(lambda connection: CHANGE.run(connection, {**values, "wanted_id": run_id})) == 1
    with database.read() as connection:
        [row] = Compiled(ONE).rows(connection, {"wanted_id": run_id})
        expected = connection.execute(ONE, {"wanted_id": run_id}).mappings().one()
    assert row == list(expected.values())
    assert {name: expected[name] for name in values} == values


def test_a_changed_run_is_what_is_read_of_it(database: Database, clock: Clock) -> None:
    run = database.write(lambda connection: add_run(connection, clock()))
    values = {"marks": ["a"], "progress": {"x": 0.5}, "told": None, "started_at": clock(), "cpu_seconds": 2.5}
    changed = database.write(lambda connection: runs.change(connection, run, values))
    with database.read() as connection:
        assert runs.get(connection, run.id) == changed


def test_a_statement_has_values_of_its_own_beside_those_that_are_given(database: Database, clock: Clock) -> None:
    ids = [database.write(lambda connection: add_run(connection, clock()).id) for _ in range(3)]
    statement = Compiled(select(_RUN.c.id).where(_RUN.c.id > bindparam("known")).order_by(_RUN.c.id).limit(1).offset(1))
    with database.read() as connection:
        assert statement.rows(connection, {"known": ids[0]}) == [[ids[2]]]
        assert statement.rows(connection, {"known": ids[1]}) == []


def test_a_broken_constraint_a_mistake_and_an_absence_are_told_apart(database: Database, clock: Clock) -> None:
    run_id = database.write(lambda connection: add_run(connection, clock()).id)
    token = {"digest": b"x", "run_id": run_id}
    add = Compiled(insert(_TOKEN).inline())

    def twice() -> None:
        with unique():
            database.write(lambda connection: add.run_each(connection, [token, token]))

    with pytest.raises((NotUnique, Unavailable)):
        twice()
    with pytest.raises(IntegrityError), database.writer.begin() as connection:
        add.run_each(connection, [token, token])
    with pytest.raises(DBAPIError, match="nowhere"), unavailable(), database.read() as connection:
        Compiled(text("SELECT 1 FROM nowhere")).rows(connection, {})


def test_a_connection_that_was_cut_off_is_not_used_again(postgresql_url: str) -> None:
    database, other = Database(postgresql_url), Database(postgresql_url)
    ask = Compiled(select(func.pg_backend_pid()))
    cut = Compiled(select(func.pg_terminate_backend(bindparam("pid"))))
    with pytest.raises(Unavailable), database.read() as connection, other.read() as beside:
        [[pid]] = ask.rows(connection, {})
        assert cut.rows(beside, {"pid": pid}) == [[True]]
        ask.rows(connection, {})
    with database.read() as connection:
        assert ask.rows(connection, {}) != [[pid]]
    database.close()
    other.close()
