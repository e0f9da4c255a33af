"""The table of a sweep as a page shows it: sorted by any column, a piece at a time."""

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from lackey.domain.refusals import invalid
from lackey.domain.sweep import Sweep
from lackey.services.sweeps import reading
from lackey.services.sweeps.reading import TableRow
from lackey.web.visits import Visit

_ROWS = 50
# Of a sweep with more, nothing that takes a look at each point is done for whoever only looks at its page.
MANY_POINTS = 5_000
# Beyond, a table is no help; all of them are in the CSV.
_METRICS_AT_MOST = 20


@dataclass(frozen=True)
class SweepAddress:
    """What of a sweep is looked at: how the table is sorted, which piece of it, and what is drawn."""

    sweep_id: int
    sort: str = ""
    page: int = 1
    drawn: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        told = [("sort", self.sort), ("page", str(self.page) if self.page > 1 else ""), *self.drawn]
        query = urlencode([(name, value) for name, value in told if value])
        return f"/sweep/{self.sweep_id}{'?' if query else ''}{query}"

    def sorted_by(self, sort: str) -> "SweepAddress":
        """The table sorted otherwise, from its beginning."""
        return replace(self, sort="" if sort == "point" else sort, page=1)

    def at(self, page: int) -> "SweepAddress":
        """Another piece of the table."""
        return replace(self, page=page)


@dataclass(frozen=True)
class Head:
    """A column's: its words, where it leads, which way the table is sorted by it now, if it is."""

    label: str
    address: SweepAddress
    way: str | None
    is_number: bool


@dataclass(frozen=True)
class ShownTable:
    """A piece of a table. `metrics` are those that have a column; `more_metrics`: how many have none."""

    rows: list[TableRow]
    heads: list[Head]
    metrics: list[str]
    more_metrics: int
    first: int
    last: int
    pages: int


# What of the address a plot is drawn by; its script reads it.
DRAWN = ("y", "x", "by", "as", "log")


def address_of(visit: Visit, sweep_id: int) -> SweepAddress:
    """What the visitor asks for. Raises Invalid."""
    page = visit.asked("page") or "1"
    if not (page.isascii() and page.isdigit() and 1 <= len(page) <= 9 and int(page) >= 1):
        raise invalid("page", "should be a number from 1")
    drawn = tuple((name, visit.asked(name)) for name in DRAWN if visit.asked(name))
    return SweepAddress(sweep_id, visit.asked("sort"), int(page), drawn)


def table_of(visit: Visit, sweep: Sweep, address: SweepAddress) -> ShownTable:
    """The piece of the table that an address asks for. Raises Invalid."""
    column, descending = address.sort.removeprefix("-"), address.sort.startswith("-")
    passed = (address.page - 1) * _ROWS
    sort = None if column in ("", "point") else column
    rows = reading.table(visit.database, sweep.id, sort, descending, passed, _ROWS)
    metrics = _metrics(visit, sweep, rows)
    shown = metrics[:_METRICS_AT_MOST]
    return ShownTable(
        rows=rows,
        heads=_heads(sweep, shown, address),
        metrics=shown,
        more_metrics=len(metrics) - len(shown),
        first=passed + 1,
        last=passed + len(rows),
        pages=-(-sweep.points // _ROWS),
    )


def _metrics(visit: Visit, sweep: Sweep, rows: list[TableRow]) -> list[str]:
    """The names of its metrics, sorted; of a sweep with very many points those that are on the page."""
    if sweep.points <= MANY_POINTS:
        return reading.metric_names(visit.database, sweep.id)
    return sorted({name for row in rows for name in row.metrics})


def _heads(sweep: Sweep, metrics: list[str], address: SweepAddress) -> list[Head]:
    columns = [
        *(("Point", "point", True), ("Run", "run", True)),
        *((name, f"parameters.{name}", True) for name in sweep.names),
        *(("State", "state", False), ("Exit code", "exit_code", True), ("Took", "duration", True)),
        *((name, f"metrics.{name}", True) for name in metrics),
    ]
    return [_head(address, *column) for column in columns]


def _head(address: SweepAddress, label: str, column: str, is_number: bool) -> Head:
    now = address.sort or "point"
    if now.removeprefix("-") != column:
        return Head(label, address.sorted_by(column), None, is_number)
    if now.startswith("-"):
        return Head(label, address.sorted_by(column), "descending", is_number)
    return Head(label, address.sorted_by(f"-{column}"), "ascending", is_number)
