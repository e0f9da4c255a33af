"""Edges between runs, as the database is asked for them."""

from typing import Any

from sqlalchemy import event, insert, text

from lackey.store import dependencies
from lackey.store.database import Database
from lackey.store.models import DependencyRow
from tests.clock import Clock
from tests.store.rows import add_run

MANY = 3_000


def test_where_nearly_all_wait_for_one_run_it_is_found_by_an_index_whether_any_wait_for_another(
    database: Database, clock: Clock
) -> None:
    first, second, *_ = database.write(lambda connection: [add_run(connection, clock()) for _ in range(9)])
    edge = {"run_id": second.id, "on_run_id": first.id, "wants": "succeeded", "outcome": None}
    with database.writer.begin() as connection:
        connection.execute(insert(DependencyRow), [edge] * MANY)
        connection.execute(text("ANALYZE"))
    asked: list[tuple[str, Any]] = []
    with database.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
        assert dependencies.awaited_among(connection, [second.id, first.id]) == [first.id]
        assert dependencies.undecided_of_settled(connection, clock()) == []
        how = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        for statement, values in list(asked):
            plan = "\n".join(str(step[-1]) for step in connection.exec_driver_sql(f"{how} {statement}", values))
            assert "Seq Scan on dependency" not in plan and "SCAN dependency" not in plan, plan
            assert "ix_dependency_" in plan, plan


def test_how_it_is_found_out_whether_any_wait_is_planned_once(postgresql_url: str, clock: Clock) -> None:
    database = Database(postgresql_url)
    known = database.write(lambda connection: [add_run(connection, clock()).id for _ in range(50)])
    edge = {"run_id": known[1], "on_run_id": known[0], "wants": "succeeded", "outcome": None}
    with database.writer.begin() as connection:
        connection.execute(insert(DependencyRow), [edge] * MANY)
        connection.execute(text("ANALYZE"))
    with database.read() as connection:
        for run_id in known[1:]:
            assert dependencies.awaited_among(connection, [run_id]) == []
        plans = (
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%FROM dependency%'"
        )
        [[once, each_time]] = connection.execute(text(plans))
    database.close()
    assert once > 30 and each_time < 10
