"""Figures that runs report: one for each place, the latest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, and_, case, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from lackey.domain.limits import METRIC_NAMES, METRIC_POINTS
from lackey.store.models import MetricRow

# Along what a figure is drawn.
_WHERE = func.coalesce(MetricRow.step, MetricRow.ts)
_NUMBER = case((MetricRow.is_nan, None), else_=MetricRow.value)


@dataclass(frozen=True)
class Metric:
    """A figure, which may be infinite or NaN. `ts` is unix seconds; `step` the simulation's count, if it gave one."""

    name: str
    value: float
    ts: float
    step: float | None = None

    @property
    def place(self) -> str:
        """What another value has to share with this one to take its place: 1 is 1.0, and -0.0 is 0.0."""
        return f"step {self.step + 0.0!r}" if self.step is not None else f"ts {self.ts + 0.0!r}"


@dataclass(frozen=True)
class Summary:
    """A figure of a run at a glance: how many values it has, and which. `has_steps`: some of them stand at a step.

    `least` and `greatest` are of those that are numbers; NaN if none is.
    """

    name: str
    count: int
    has_steps: bool
    last: float
    least: float
    greatest: float


def put(connection: Connection, run_id: int, metrics: list[Metric]) -> None:
    """Keep the figures. For one place the latest `ts` wins, of two with one `ts` the greater: in any order the same.

    NaN is greater than any number.
    """
    statement = _keep_the_latest(connection.dialect.name)
    rows = [
        {"run_id": run_id, "name": m.name, "place": m.place, "step": m.step, "ts": m.ts, **_stored(m.value)}
        for m in metrics
    ]
    for row in rows:
        connection.execute(statement, row)


def _stored(value: float) -> dict[str, Any]:
    # -0.0 is 0.0: of two that are equal none is the greater.
    return {"value": 0.0, "is_nan": True} if math.isnan(value) else {"value": value + 0.0, "is_nan": False}


@cache
def _keep_the_latest(dialect: str) -> Insert:
    make: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = make(MetricRow.metadata.tables[MetricRow.__tablename__])
    new = statement.excluded
    greater = and_(~MetricRow.is_nan, or_(new.is_nan, new.value > MetricRow.value))
    later = or_(new.ts > MetricRow.ts, and_(new.ts == MetricRow.ts, greater))
    kept: Insert = statement.on_conflict_do_update(
        index_elements=["run_id", "name", "place"],
        set_={"ts": new.ts, "value": new.value, "is_nan": new.is_nan},
        where=later,
    )
    return kept


def of_run(connection: Connection, run_id: int, name: str | None, after: int, limit: int) -> list[Metric]:
    """The run's figures, by name, then step, then time; `after` are passed over."""
    wanted = (MetricRow.name, MetricRow.value, MetricRow.is_nan, MetricRow.ts, MetricRow.step)
    statement = select(*wanted).where(MetricRow.run_id == run_id)
    if name is not None:
        statement = statement.where(MetricRow.name == name)
    order = (MetricRow.name, _WHERE, MetricRow.place)
    rows = connection.execute(statement.order_by(*order).offset(after).limit(limit))
    return [Metric(row.name, _value(row), row.ts, row.step) for row in rows]


def _value(row: Any) -> float:
    value: float = math.nan if row.is_nan else row.value
    return value


def has_points(connection: Connection, run_id: int, name: str, least: int) -> bool:
    """Whether the figure has at least so many values."""
    statement = select(MetricRow.place).where(MetricRow.run_id == run_id, MetricRow.name == name)
    return connection.execute(statement.limit(1).offset(least - 1)).first() is not None


def names(connection: Connection, run_id: int) -> list[str]:
    """The names of the run's figures, sorted, `METRIC_NAMES` at most.

    Goes from name to name, past all values between.
    """
    first = select(func.min(MetricRow.name).label("name")).where(MetricRow.run_id == run_id).cte(recursive=True)
    following = select(func.min(MetricRow.name)).where(MetricRow.run_id == run_id, MetricRow.name > first.c.name)
    found = first.union_all(select(following.scalar_subquery()).where(first.c.name.is_not(None)))
    rows = connection.execute(select(found.c.name).limit(METRIC_NAMES)).scalars()
    return sorted(name for name in rows if name is not None)


def summaries(connection: Connection, run_id: int) -> list[Summary]:
    """Each of the run's figures at a glance, sorted by name, `METRIC_NAMES` at most."""
    wanted = names(connection, run_id)
    if not wanted:
        return []
    statement = select(
        MetricRow.name,
        func.count(),
        func.count(MetricRow.step),
        func.min(_NUMBER),
        func.max(_NUMBER),
    ).where(MetricRow.run_id == run_id, MetricRow.name.in_(wanted))
    last = _last_values(connection, [run_id], wanted).get(run_id, {})
    found = [
        Summary(name, count, steps > 0, last[name], *(math.nan if one is None else one for one in (least, greatest)))
        for name, count, steps, least, greatest in connection.execute(statement.group_by(MetricRow.name))
    ]
    return sorted(found, key=lambda one: one.name)


def points(connection: Connection, run_id: int, name: str) -> list[tuple[float, float]]:
    """Where (its step, or without one its time in unix seconds) and what value, sorted by where.

    `METRIC_POINTS` at most.
    """
    statement = select(_WHERE, MetricRow.value, MetricRow.is_nan).where(
        MetricRow.run_id == run_id, MetricRow.name == name
    )
    rows = connection.execute(statement.order_by(_WHERE, MetricRow.place).limit(METRIC_POINTS))
    return [(where, math.nan if is_nan else value) for where, value, is_nan in rows]


def last_values(connection: Connection, run_ids: Sequence[int]) -> dict[int, dict[str, float]]:
    """Of each run the last value of each figure: at its highest step, or without steps its latest time.

    The first `METRIC_NAMES` names of all runs together.
    """
    wanted = sorted({name for run_id in run_ids for name in names(connection, run_id)})[:METRIC_NAMES]
    return _last_values(connection, run_ids, wanted) if wanted else {}


def _last_values(connection: Connection, run_ids: Sequence[int], wanted: list[str]) -> dict[int, dict[str, float]]:
    number = func.row_number().over(
        partition_by=(MetricRow.run_id, MetricRow.name), order_by=(_WHERE.desc(), MetricRow.place.desc())
    )
    ranked = (
        select(MetricRow.run_id, MetricRow.name, MetricRow.value, MetricRow.is_nan, number.label("number"))
        .where(MetricRow.run_id.in_(run_ids), MetricRow.name.in_(wanted))
        .subquery()
    )
    last: dict[int, dict[str, float]] = {}
    for row in connection.execute(select(ranked).where(ranked.c.number == 1)):
        last.setdefault(row.run_id, {})[row.name] = _value(row)
    return last
