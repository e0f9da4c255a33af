"""The table of a sweep: a row for each point, with what has become of it.

In the order of points a page is read along their key. By another column all points of the sweep are sorted anew for
each page: up to 100,000, for who asks for it; nothing polls that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, func, literal, select, type_coerce
from sqlalchemy.dialects.postgresql import JSON as PostgresJson

from lackey.domain.run import RunState
from lackey.store import metrics
from lackey.store.models import MetricRow, RunRow, SweepPointRow

COLUMNS = ("run", "state", "exit_code", "duration")

_POINT = SweepPointRow.metadata.tables[SweepPointRow.__tablename__]
_RUN = RunRow.metadata.tables[RunRow.__tablename__]
_METRIC = MetricRow.metadata.tables[MetricRow.__tablename__]
_at = func.coalesce(_METRIC.c.step, _METRIC.c.ts)
_ROW = select(
    *(_POINT.c.number, _POINT.c.parameters, _POINT.c.run_id, _POINT.c.state, _POINT.c.seconds),
    _RUN.c.exit_code,
).outerjoin(_RUN, _RUN.c.id == _POINT.c.run_id)


@dataclass(frozen=True)
class TableRow:
    """A point of a sweep. `run` None: it has not been made yet. `seconds` is how long the run took
    that ran to an end.

    `metrics`: the last value of each of its figures, which may be infinite or NaN.
    """

    point: int
    parameters: dict[str, str]
    run: int | None
    state: RunState
    exit_code: int | None
    seconds: float | None
    metrics: dict[str, float]


def in_order(connection: Connection, sweep_id: int, descending: bool, passed: int, limit: int) -> list[TableRow]:
    """The points in their order, of which `passed` are passed over; read along their key."""
    number = _POINT.c.number
    wanted = _ROW.where(_POINT.c.sweep_id == sweep_id)
    if descending:
        last = select(func.max(number)).where(_POINT.c.sweep_id == sweep_id).scalar_subquery()
        wanted = wanted.where(number <= last - passed).order_by(number.desc())
    else:
        wanted = wanted.where(number > passed).order_by(number)
    return _rows(connection, wanted.limit(limit))


def of_points(connection: Connection, sweep_id: int, numbers: Sequence[int]) -> list[TableRow]:
    """These points, in this order."""
    found = _rows(connection, _ROW.where(_POINT.c.sweep_id == sweep_id, _POINT.c.number.in_(numbers)))
    by_number = {row.point: row for row in found}
    return [by_number[number] for number in numbers if number in by_number]


def _rows(connection: Connection, wanted: Select[Any]) -> list[TableRow]:
    rows = connection.execute(wanted).all()
    figures = metrics.last_of_runs(connection, [row.run_id for row in rows if row.run_id is not None])
    return [
        TableRow(
            point=row.number,
            parameters=row.parameters,
            run=row.run_id,
            state=RunState(row.state),
            exit_code=row.exit_code,
            seconds=row.seconds,
            metrics=figures.get(row.run_id, {}),
        )
        for row in rows
    ]


def keys(connection: Connection, sweep_id: int, column: str) -> list[tuple[int, Any]]:
    """All points of the sweep, each with its value in a column (None: it has none); as many as it has."""
    wanted = select(_POINT.c.number, _key(connection, column).label("key"))
    if column == "exit_code":
        wanted = wanted.outerjoin(_RUN, _RUN.c.id == _POINT.c.run_id)
    rows = connection.execute(wanted.where(_POINT.c.sweep_id == sweep_id).order_by(_POINT.c.number))
    return [(number, key) for number, key in rows]


def _key(connection: Connection, column: str) -> ColumnElement[Any]:
    kind, _, name = column.partition(".")
    if kind == "parameters":
        return _parameter(connection, name)
    if kind == "metrics":
        last = select(_METRIC.c.value).where(
            _METRIC.c.run_id == _POINT.c.run_id, _METRIC.c.name == name, ~_METRIC.c.is_nan
        )
        return last.order_by(_at.desc(), _METRIC.c.place.desc()).limit(1).scalar_subquery()
    plain: dict[str, ColumnElement[Any]] = {
        "run": _POINT.c.run_id,
        "state": _POINT.c.state,
        "exit_code": _RUN.c.exit_code,
        "duration": _POINT.c.seconds,
    }
    return plain[column]


def _parameter(connection: Connection, name: str) -> ColumnElement[Any]:
    if connection.dialect.name == "postgresql":
        value: ColumnElement[Any] = type_coerce(_POINT.c.parameters, PostgresJson)[name].astext
        return value
    return func.json_extract(_POINT.c.parameters, literal(f'$."{name}"'), type_=String())


def metric_names(connection: Connection, sweep_id: int) -> list[str]:
    """The names of the figures of all its points' runs, sorted; looks at each run."""
    run_ids = select(_POINT.c.run_id).where(_POINT.c.sweep_id == sweep_id, _POINT.c.run_id.is_not(None))
    return metrics.names_of_runs(connection, run_ids)
