"""Figures that runs report: one for each place, the latest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import CTE, Connection, Insert, Select, and_, bindparam, case, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from lackey.domain.limits import METRIC_NAMES
from lackey.store import metric_summaries
from lackey.store.models import MetricRow, RunRow

# Along what a figure is drawn.
_at = func.coalesce(MetricRow.step, MetricRow.ts)
_FIGURE = (MetricRow.name, MetricRow.value, MetricRow.is_nan, MetricRow.ts, MetricRow.step)
_ITS = (MetricRow.run_id == bindparam("its_run"), MetricRow.name == bindparam("its_name"))
_ANY = select(MetricRow.place).where(*_ITS).limit(1)
_AT_ONCE = 500
_GAPS = (math.nan, math.inf, -math.inf)


@dataclass(frozen=True)
class Metric:
    """A figure, which may be infinite or NaN. `ts` is unix seconds; `step` the simulation's count, if it gave one."""

    name: str
    value: float
    ts: float
    step: float | None = None

    @property
    def at(self) -> float:
        """Where it stands along the axis of a chart: its step, or without one its time."""
        return self.ts if self.step is None else self.step

    @property
    def place(self) -> str:
        """What another value has to share with this one to take its place: 1 is 1.0, and -0.0 is 0.0."""
        return f"step {self.step + 0.0!r}" if self.step is not None else f"ts {self.ts + 0.0!r}"


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
    metric_summaries.keep_up(connection, run_id, sorted({metric.name for metric in metrics}))


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


def of_run(
    connection: Connection,
    run_id: int,
    name: str | None,
    after: int,
    limit: int,
    first: float | None = None,
    last: float | None = None,
) -> list[Metric]:
    """The run's figures, by name, then step, then time; `after` are passed over.

    Those from `first` to `last`, where these are given: the step, or without one the time.
    """
    statement = select(*_FIGURE).where(MetricRow.run_id == run_id)
    if name is not None:
        statement = statement.where(MetricRow.name == name)
    if first is not None:
        statement = statement.where(_at >= first)
    if last is not None:
        statement = statement.where(_at <= last)
    order = (MetricRow.name, _at, MetricRow.place)
    rows = connection.execute(statement.order_by(*order).offset(after).limit(limit))
    return [Metric(row.name, _value(row), row.ts, row.step) for row in rows]


def at(connection: Connection, run_id: int, name: str, points: Sequence[tuple[float, float]]) -> list[Metric]:
    """The figures that are these points of a curve: where, and what value; in their order."""
    wanted = {(place, repr(value)) for place, value in points}
    found: list[Metric] = []
    for begin in range(0, len(points), _AT_ONCE):
        places = [place for place, _ in points[begin : begin + _AT_ONCE]]
        statement = select(*_FIGURE).where(MetricRow.run_id == run_id, MetricRow.name == name, _at.in_(places))
        rows = connection.execute(statement.order_by(_at, MetricRow.place))
        found += [Metric(row.name, _value(row), row.ts, row.step) for row in rows]
    # Of a gap it is not known whether it is NaN or infinite.
    wanted |= {(place, repr(gap)) for place, value in points if not math.isfinite(value) for gap in _GAPS}
    return [one for one in found if (one.at, repr(one.value)) in wanted]


def _value(row: Any) -> float:
    value: float = math.nan if row.is_nan else row.value
    return value


def last_of_runs(connection: Connection, run_ids: Sequence[int]) -> dict[int, dict[str, float]]:
    """The last value of each figure of these runs, by run and name; it may be infinite or NaN."""
    named = _names_of(select(RunRow.id.label("run_id")).where(RunRow.id.in_(run_ids)))
    value = case((MetricRow.is_nan, None), else_=MetricRow.value)
    mine = (MetricRow.run_id == named.c.run_id, MetricRow.name == named.c.name)
    last = select(value).where(*mine).order_by(_at.desc(), MetricRow.place.desc()).limit(1).scalar_subquery()
    found: dict[int, dict[str, float]] = {run_id: {} for run_id in run_ids}
    rows = connection.execute(select(named.c.run_id, named.c.name, last).where(named.c.name.is_not(None)))
    for run_id, name, value_or_nan in rows:
        found[run_id][name] = math.nan if value_or_nan is None else value_or_nan
    return found


def names_of_runs(connection: Connection, run_ids: Select[Any]) -> list[str]:
    """The names of all figures of the runs that a statement finds (`run_id`), sorted."""
    named = _names_of(run_ids)
    return sorted(connection.execute(select(named.c.name).where(named.c.name.is_not(None)).distinct()).scalars())


def _names_of(run_ids: Select[Any]) -> CTE:
    """Each run with each name of its figures, and once with none; from name to name, past all values between."""
    runs = run_ids.subquery()
    first = select(func.min(MetricRow.name)).where(MetricRow.run_id == runs.c.run_id).scalar_subquery()
    named = select(runs.c.run_id, first.label("name")).cte(recursive=True)
    following = select(func.min(MetricRow.name)).where(
        MetricRow.run_id == named.c.run_id, MetricRow.name > named.c.name
    )
    further = select(named.c.run_id, following.scalar_subquery()).where(named.c.name.is_not(None))
    return named.union_all(further)


def exists(connection: Connection, run_id: int, name: str) -> bool:
    """Whether the figure has any value."""
    return connection.execute(_ANY, {"its_run": run_id, "its_name": name}).first() is not None


def names(connection: Connection, run_id: int) -> list[str]:
    """The names of the run's figures, sorted, `METRIC_NAMES` at most.

    Goes from name to name, past all values between.
    """
    first = select(func.min(MetricRow.name).label("name")).where(MetricRow.run_id == run_id).cte(recursive=True)
    following = select(func.min(MetricRow.name)).where(MetricRow.run_id == run_id, MetricRow.name > first.c.name)
    found = first.union_all(select(following.scalar_subquery()).where(first.c.name.is_not(None)))
    rows = connection.execute(select(found.c.name).limit(METRIC_NAMES)).scalars()
    return sorted(name for name in rows if name is not None)
