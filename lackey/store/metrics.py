"""Figures that runs report: one for each place, the latest."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from lackey.store.models import MetricRow


@dataclass(frozen=True)
class Metric:
    """A figure. `ts` is unix seconds; `step` the simulation's own count, if it gave one."""

    name: str
    value: float
    ts: float
    step: float | None = None

    @property
    def place(self) -> str:
        """What another value has to share with this one to take its place: 1 is 1.0, and -0.0 is 0.0."""
        return f"step {self.step + 0.0!r}" if self.step is not None else f"ts {self.ts + 0.0!r}"


def put(connection: Connection, run_id: int, metrics: list[Metric]) -> None:
    """Keep the figures. For one place the latest `ts` wins, of two with one `ts` the greater: in any order the same."""
    statement = _keep_the_latest(connection.dialect.name)
    rows = [
        {"run_id": run_id, "name": m.name, "place": m.place, "step": m.step, "ts": m.ts, "value": m.value}
        for m in metrics
    ]
    for row in rows:
        connection.execute(statement, row)


@cache
def _keep_the_latest(dialect: str) -> Insert:
    make: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = make(MetricRow.metadata.tables[MetricRow.__tablename__])
    new = statement.excluded
    later = or_(new.ts > MetricRow.ts, (new.ts == MetricRow.ts) & (new.value > MetricRow.value))
    kept: Insert = statement.on_conflict_do_update(
        index_elements=["run_id", "name", "place"], set_={"ts": new.ts, "value": new.value}, where=later
    )
    return kept


def of_run(connection: Connection, run_id: int, name: str | None, after: int, limit: int) -> list[Metric]:
    """The run's figures, by name, then step, then time; `after` are passed over."""
    statement = select(MetricRow.name, MetricRow.value, MetricRow.ts, MetricRow.step).where(MetricRow.run_id == run_id)
    if name is not None:
        statement = statement.where(MetricRow.name == name)
    order = (MetricRow.name, func.coalesce(MetricRow.step, MetricRow.ts), MetricRow.place)
    return [Metric(*row) for row in connection.execute(statement.order_by(*order).offset(after).limit(limit))]
