"""What the points of a metric come to: a summary and a thinned curve, so that neither is worked out of all points.

Points are taken into the summary some at a time, by whoever reports the next ones (`keep_up`); until then they are few,
and who reads takes them into account. Points that an older version wrote are found in the same way, and so are values
that took the place of others: of the cells in which these are, the points are read again. What is read is therefore
right at any moment, and depends on the points alone, not on the order in which they came.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, null, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from lackey.domain import curve
from lackey.domain.charts import Point
from lackey.domain.curve import FINER, STRETCH, Cell, Cells
from lackey.domain.limits import METRIC_NAMES
from lackey.store.models import MetricDetailRow, MetricRow, MetricSummaryRow, RunRow

# So many points of a metric wait at most until they are taken into its summary.
WAITING = 64
# So many are taken at once: they are written in the transaction of somebody's report.
_AT_ONCE = 1_000

_NEW, _SUMMARIZED, _REPLACED = 0, 1, 2

_METRIC = MetricRow.metadata.tables[MetricRow.__tablename__]
_SUMMARY = MetricSummaryRow.metadata.tables[MetricSummaryRow.__tablename__]
_DETAIL = MetricDetailRow.metadata.tables[MetricDetailRow.__tablename__]
_at = func.coalesce(_METRIC.c.step, _METRIC.c.ts)
_ITS = (_METRIC.c.run_id == bindparam("its_run"), _METRIC.c.name == bindparam("its_name"))
# In the words of the index: of a parameter SQLite does not see that the index holds just these.
_IS_WAITING = text("metric.summarized <> 1")
_POINT = (_at, _METRIC.c.value, _METRIC.c.is_nan, _METRIC.c.step.is_not(None))
_ALONG = (_at, _METRIC.c.place)
_WAITING = (
    select(*_POINT, _METRIC.c.summarized, _METRIC.c.place)
    .where(*_ITS, _IS_WAITING)
    .limit(_AT_ONCE)
    .with_for_update(skip_locked=True)
)
# PostgreSQL: one at a time for a run, whose reports write its row too. What another report is just writing waits on.
_LOCK = select(RunRow.id).where(RunRow.id == bindparam("its_run")).with_for_update(key_share=True)
_BETWEEN = select(*_POINT).where(*_ITS, _at >= bindparam("its_first"), _at <= bindparam("its_last"))
_FIRST = select(*_POINT).where(*_ITS).order_by(*_ALONG).limit(1)
_LAST = select(*_POINT).where(*_ITS).order_by(_at.desc(), _METRIC.c.place.desc()).limit(1)
_OF_SUMMARY = (_SUMMARY.c.run_id == bindparam("its_run"), _SUMMARY.c.name == bindparam("its_name"))
_ITS_SUMMARY = select(_SUMMARY).where(*_OF_SUMMARY)
_OF_DETAIL = (_DETAIL.c.run_id == bindparam("its_run"), _DETAIL.c.name == bindparam("its_name"))
_STRETCH = select(_DETAIL.c.curve).where(*_OF_DETAIL, _DETAIL.c.number == bindparam("its_number"))
_BEHIND = select(*_POINT).where(*_ITS, bindparam("its_first") < _at).order_by(*_ALONG).limit(bindparam("most"))
_ITS_NAMES: BindParameter[Any] = bindparam("its_names", expanding=True)
_DUE = (
    select(_METRIC.c.name)
    .where(_METRIC.c.run_id == bindparam("its_run"), _METRIC.c.name.in_(_ITS_NAMES), _IS_WAITING)
    .group_by(_METRIC.c.name)
    .having(func.count() >= bindparam("waiting"))
)
_FULL = select(_SUMMARY.c.name).where(
    _SUMMARY.c.run_id == bindparam("its_run"),
    _SUMMARY.c.name.in_(_ITS_NAMES),
    _SUMMARY.c.points >= bindparam("most"),
)
_MARK = update(_METRIC).where(*_ITS, _METRIC.c.place == bindparam("its_place")).values(summarized=_SUMMARIZED)


@dataclass(frozen=True)
class SummaryPoint:
    """A point of a metric. `at` is its step, or without one its time."""

    at: float
    value: float
    has_step: bool

    @property
    def order(self) -> tuple[float, bool]:
        """Where it stands along the axis."""
        return self.at, not self.has_step


@dataclass(frozen=True)
class MetricSummary:
    """A metric of a run at a glance: how many points it has, how many of them at a step, and which are the outermost.

    `least` and `greatest` are of the values that are numbers; NaN if none is. `level` is the width of the `cells`,
    which are empty where they were not asked for.
    """

    name: str
    count: int
    at_steps: int
    first: SummaryPoint
    last: SummaryPoint
    least: float
    greatest: float
    level: int = 0
    cells: Cells = field(default_factory=dict)

    @property
    def has_steps(self) -> bool:
        """Whether some of its points stand at a step."""
        return self.at_steps > 0


@dataclass
class _Details:
    """The finer cells of a metric, of which the stretches are read that are asked for. `all`: none is to be read."""

    connection: Connection
    its: dict[str, Any]
    stretches: dict[int, Cells] = field(default_factory=dict)
    all: bool = False

    def of(self, number: int) -> Cells:
        """The stretch in which a cell is."""
        stretch = number >> STRETCH
        if stretch not in self.stretches:
            found = None
            if not self.all:
                found = self.connection.execute(_STRETCH, {**self.its, "its_number": stretch}).scalar_one_or_none()
            self.stretches[stretch] = {} if found is None else curve.unpacked(found)
        return self.stretches[stretch]

    def widen(self, by: int) -> None:
        """Let the cells be 2 ** `by` times as wide."""
        stored = select(_DETAIL.c.curve).where(*_OF_DETAIL)
        cells: Cells = {}
        for found in self.connection.execute(stored, self.its).scalars():
            cells |= curve.unpacked(found)
        self.stretches, self.all = {}, True
        for number, cell in curve.coarser(cells, by).items():
            self.of(number)[number] = cell


def keep_up(connection: Connection, run_id: int, names: Sequence[str]) -> None:
    """Take the points of these metrics into their summaries, where several wait."""
    given = {"its_run": run_id, "its_names": list(names), "waiting": WAITING}
    for name in connection.execute(_DUE, given).scalars().all():
        summarize(connection, run_id, name)


def due(connection: Connection) -> list[tuple[int, str]]:
    """Runs and names of the metrics of which many points wait. Looks through all that wait."""
    waiting = select(_METRIC.c.run_id, _METRIC.c.name).where(_IS_WAITING)
    groups = waiting.group_by(_METRIC.c.run_id, _METRIC.c.name).having(func.count() >= WAITING)
    return [(run_id, name) for run_id, name in connection.execute(groups)]


def full(connection: Connection, run_id: int, names: Iterable[str], most: int) -> list[str]:
    """Which of these metrics have at least so many points, but for the few that wait."""
    given = {"its_run": run_id, "its_names": list(names), "most": most}
    return sorted(connection.execute(_FULL, given).scalars())


def summarize(connection: Connection, run_id: int, name: str) -> bool:
    """Take the points that wait into the summary, some of them where they are many; whether more may wait."""
    its = {"its_run": run_id, "its_name": name}
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, its)
    waiting = connection.execute(_WAITING, its).all()
    if not waiting:
        return False
    known = connection.execute(_ITS_SUMMARY, its).mappings().one_or_none()
    summary = None if known is None else _stored(known, with_cells=True)
    details = _Details(connection, its)
    found = _with(connection, its, summary, [(_taken(row), row.summarized == _REPLACED) for row in waiting], details)
    _write(connection, run_id, found, details)
    connection.execute(_MARK, [{**its, "its_place": row.place} for row in waiting])
    return len(waiting) == _AT_ONCE


def _taken(row: Any) -> SummaryPoint:
    at, value, is_nan, has_step = row[:4]
    return SummaryPoint(at, math.nan if is_nan else value, bool(has_step))


def _with(
    connection: Connection,
    its: dict[str, Any],
    known: MetricSummary | None,
    waiting: Sequence[tuple[SummaryPoint, bool]],
    details: _Details | None,
) -> MetricSummary:
    """The summary with these points too; of those that replace others (`True` beside them), their cells are read anew.

    `details` may be None where none replaces another.
    """
    # Neither place can be within what waits alone: others may wait still.
    first, last = (_taken(connection.execute(outermost, its).one()) for outermost in (_FIRST, _LAST))
    level = curve.level_of(first.at, last.at)
    cells = {} if known is None else curve.coarser(known.cells, level - known.level)
    if details is not None and known is not None and level > known.level:
        details.widen(level - known.level)
    new = [point for point, is_replaced in waiting if not is_replaced]
    for point in new:
        number, cell = curve.number_at(point.at, level - FINER), curve.cell_of(point.at, point.value)
        curve.add(cells, number >> FINER, cell)
        if details is not None:
            curve.add(details.of(number), number, cell)
    if details is not None:
        for number in {curve.number_at(point.at, level - FINER) for point, is_replaced in waiting if is_replaced}:
            _read_again(connection, its, number, level, cells, details)
    count, at_steps = (0, 0) if known is None else (known.count, known.at_steps)
    least, greatest = curve.extremes(cells.values())
    at_steps += sum(point.has_step for point in new)
    return MetricSummary(its["its_name"], count + len(new), at_steps, first, last, least, greatest, level, cells)


def _read_again(
    connection: Connection, its: dict[str, Any], number: int, level: int, cells: Cells, details: _Details
) -> None:
    first, last = curve.edges(number, level - FINER)
    finer = details.of(number)
    finer.pop(number, None)
    for row in connection.execute(_BETWEEN, {**its, "its_first": first, "its_last": last}):
        point = _taken(row)
        if curve.number_at(point.at, level - FINER) == number:
            curve.add(finer, number, curve.cell_of(point.at, point.value))
    wide = number >> FINER
    cells.pop(wide, None)
    for one in range(wide << FINER, (wide + 1) << FINER):
        if one in finer:
            curve.add(cells, wide, finer[one])


def _write(connection: Connection, run_id: int, found: MetricSummary, details: _Details) -> None:
    values = {
        "points": found.count,
        "at_steps": found.at_steps,
        "level": found.level,
        "first_at": found.first.at,
        "first": _number(found.first.value),
        "last_at": found.last.at,
        "last_has_step": found.last.has_step,
        "last": _number(found.last.value),
        "least": _number(found.least),
        "greatest": _number(found.greatest),
        "curve": curve.packed(found.cells),
    }
    key = {"run_id": run_id, "name": found.name}
    _put(connection, _SUMMARY, key, values)
    if details.all:
        connection.execute(delete(_DETAIL).where(*_OF_DETAIL), details.its)
    for number, cells in details.stretches.items():
        _put(connection, _DETAIL, {**key, "number": number}, {"curve": curve.packed(cells)})


def _put(connection: Connection, table: Any, key: dict[str, Any], values: dict[str, Any]) -> None:
    connection.execute(_upsert(connection.dialect.name, table, (*key,), (*values,)), {**key, **values})


@cache
def _upsert(dialect: str, table: Any, key: tuple[str, ...], names: tuple[str, ...]) -> Any:
    make: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = make(table)
    return statement.on_conflict_do_update(
        index_elements=[*key], set_={name: statement.excluded[name] for name in names}
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _value(stored: float | None) -> float:
    return math.nan if stored is None else stored


def _stored(row: Any, *, with_cells: bool) -> MetricSummary:
    # That there are steps first says nothing of the first point, which nobody asks for.
    return MetricSummary(
        name=row["name"],
        count=row["points"],
        at_steps=row["at_steps"],
        first=SummaryPoint(row["first_at"], _value(row["first"]), True),
        last=SummaryPoint(row["last_at"], _value(row["last"]), row["last_has_step"]),
        least=_value(row["least"]),
        greatest=_value(row["greatest"]),
        level=row["level"],
        cells=curve.unpacked(row["curve"]) if with_cells else {},
    )


def of_run(
    connection: Connection, run_id: int, names: Sequence[str] | None = None, *, with_cells: bool = False
) -> list[MetricSummary]:
    """The summaries of a run's metrics, or of these of them, sorted by name, `METRIC_NAMES` at most."""
    stored, waiting = _read(connection, run_id, names, with_cells)
    found = []
    for name in sorted({*stored, *waiting})[:METRIC_NAMES]:
        known, points = stored.get(name), waiting.get(name, [])
        is_replaced = any(replaced for _, replaced in points)
        if with_cells or is_replaced:
            found.append(_worked_out(connection, run_id, name, known, points))
        else:
            found.append(_told(name, known, [point for point, _ in points]))
    return found


_Waiting = list[tuple[SummaryPoint, bool]]


def _read(
    connection: Connection, run_id: int, names: Sequence[str] | None, with_cells: bool
) -> tuple[dict[str, MetricSummary], dict[str, _Waiting]]:
    """What is summarized, and what waits, by name; by one statement, so that no point is in both or in neither."""
    statement = _summaries_and_waiting(names is not None, with_cells)
    stored: dict[str, MetricSummary] = {}
    waiting: dict[str, _Waiting] = {}
    for row in connection.execute(statement, {"its_run": run_id, "its_names": list(names or ())}).mappings():
        if row["summarized"] is None:
            stored[row["name"]] = _stored(row, with_cells=with_cells)
        else:
            value = math.nan if row["is_nan"] else row["first"]
            point = SummaryPoint(row["first_at"], value, bool(row["has_step"]))
            waiting.setdefault(row["name"], []).append((point, row["summarized"] == _REPLACED))
    return stored, waiting


@cache
def _summaries_and_waiting(of_names: bool, with_cells: bool) -> Any:
    told = ("points", "at_steps", "level", "last_at", "last_has_step", "last", "least", "greatest")
    summaries = select(
        _SUMMARY.c.name,
        _SUMMARY.c.first_at,
        _SUMMARY.c.first,
        *(_SUMMARY.c[one] for one in told),
        (_SUMMARY.c.curve if with_cells else null()).label("curve"),
        *(null().label(one) for one in ("is_nan", "has_step", "summarized")),
    ).where(_SUMMARY.c.run_id == bindparam("its_run"))
    points = select(
        _METRIC.c.name,
        _at,
        _METRIC.c.value,
        *(null() for _ in told),
        null(),
        _METRIC.c.is_nan,
        _METRIC.c.step.is_not(None),
        _METRIC.c.summarized,
    ).where(_METRIC.c.run_id == bindparam("its_run"), _IS_WAITING)
    if of_names:
        summaries = summaries.where(_SUMMARY.c.name.in_(_ITS_NAMES))
        points = points.where(_METRIC.c.name.in_(_ITS_NAMES))
    return summaries.union_all(points)


def _worked_out(
    connection: Connection, run_id: int, name: str, known: MetricSummary | None, waiting: _Waiting
) -> MetricSummary:
    """The summary as it will be once the points that wait are taken into it."""
    if not waiting and known is not None:
        return known
    its = {"its_run": run_id, "its_name": name}
    if known is not None and not known.cells:
        now = _stored(connection.execute(_ITS_SUMMARY, its).mappings().one(), with_cells=True)
        # What was taken into it meanwhile is counted among what waits already.
        known = replace(known, level=now.level, cells=now.cells)
    is_replaced = any(replaced for _, replaced in waiting)
    return _with(connection, its, known, waiting, _Details(connection, its) if is_replaced else None)


def _told(name: str, known: MetricSummary | None, new: Sequence[SummaryPoint]) -> MetricSummary:
    """The same without cells, where no value has taken the place of another."""
    if known is not None and not new:
        return known
    numbers = [point.value for point in new if not math.isnan(point.value)]
    firsts, lasts = list(new), list(new)
    if known is not None:
        firsts, lasts = [*new, known.first], [*new, known.last]
        numbers += [value for value in (known.least, known.greatest) if not math.isnan(value)]
    return MetricSummary(
        name=name,
        count=len(new) + (0 if known is None else known.count),
        at_steps=sum(point.has_step for point in new) + (0 if known is None else known.at_steps),
        first=min(firsts, key=lambda point: point.order),
        last=max(lasts, key=lambda point: point.order),
        least=min(numbers, default=math.nan),
        greatest=max(numbers, default=math.nan),
    )


def whole(connection: Connection, run_id: int, summary: MetricSummary, most: int) -> list[Point]:
    """The curve of a summary with cells: all its points where it has at most so many, else its cells'."""
    if summary.count <= most:
        its = {"its_run": run_id, "its_name": summary.name}
        return [(point.at, point.value) for point in map(_taken, connection.execute(_ALL_POINTS, its))]
    outermost = {(summary.first.at, summary.first.value), (summary.last.at, summary.last.value)}
    return sorted({*curve.points_of(summary.cells), *outermost}, key=lambda point: point[0])


_ALL_POINTS = select(*_POINT).where(*_ITS).order_by(*_ALONG)


def following(connection: Connection, run_id: int, name: str, at: float, most: int) -> list[Point]:
    """The first points behind a place, `most` at most."""
    rows = connection.execute(_BEHIND, {"its_run": run_id, "its_name": name, "its_first": at, "most": most})
    return [(point.at, point.value) for point in map(_taken, rows)]


def between(connection: Connection, run_id: int, name: str, first: float, last: float, most: int) -> list[Point]:
    """The points from `first` to `last`, both included; `most` at most, the first ones."""
    its = {"its_run": run_id, "its_name": name, "its_first": first, "its_last": last}
    rows = connection.execute(_BETWEEN.order_by(*_ALONG).limit(most), its)
    return [(point.at, point.value) for point in map(_taken, rows)]


def finer(connection: Connection, run_id: int, summary: MetricSummary, first: float, last: float) -> list[Point]:
    """The finer cells between two places, and what waits there; a cell that reaches beyond them is among them."""
    level = summary.level - FINER
    low, high = (curve.number_at(min(max(at, summary.first.at), summary.last.at), level) for at in (first, last))
    stored = select(_DETAIL.c.curve).where(
        *_OF_DETAIL, _DETAIL.c.number >= low >> STRETCH, _DETAIL.c.number <= high >> STRETCH
    )
    cells: dict[int, Cell] = {}
    for found in connection.execute(stored, {"its_run": run_id, "its_name": summary.name}).scalars():
        cells |= {number: cell for number, cell in curve.unpacked(found).items() if low <= number <= high}
    return curve.points_of(cells)
