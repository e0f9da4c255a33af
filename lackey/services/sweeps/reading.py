"""Sweeps, read: how they go, and the table of their points. Nothing here changes anything."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from lackey.domain.refusals import invalid
from lackey.domain.run import RunState
from lackey.domain.sweep import PointCounts, Sweep, seconds_left
from lackey.services.catalogue.reading import application_id
from lackey.services.runs.waiting import why_waits
from lackey.store import sweep_points, sweep_tables, sweeps
from lackey.store.database import Database
from lackey.store.sweep_tables import TableRow

__all__ = ["SweepState", "TableRow", "columns", "going_on", "listing", "metric_names", "one", "rows", "table"]

_ROWS_AT_ONCE = 500
_NEWEST = 20


@dataclass(frozen=True)
class SweepState:
    """A sweep and how it goes. `ends_at`: when it may end, if anything tells.

    `reason`: why it waits, or is cancelled, in a sentence, if others are the reason.
    """

    sweep: Sweep
    counts: PointCounts
    ends_at: datetime | None
    reason: str | None


def one(database: Database, sweep_id: int, now: datetime) -> SweepState:
    """One sweep. Raises NotFound."""
    with database.read() as connection:
        return _states(connection, [sweeps.get(connection, sweep_id)], now)[0]


def listing(
    database: Database, before_id: int | None, limit: int, application: int | str | None, now: datetime
) -> list[SweepState]:
    """Sweeps, newest first. Raises Invalid if there is no such application."""
    with database.read() as connection:
        of = application_id(connection, application)
        return _states(connection, sweeps.listing(connection, before_id, limit, of), now)


def going_on(database: Database, known: Iterable[int], now: datetime) -> list[SweepState]:
    """Sweeps that are not decided yet, the newest first: of the last ones, and of those `known`, by their ids."""
    with database.read() as connection:
        newest = {sweep.id: sweep for sweep in sweeps.listing(connection, None, _NEWEST, None)}
        found = newest | sweeps.with_ids(connection, sorted({*known} - {*newest}))
        newest_first = [found[sweep_id] for sweep_id in sorted(found, reverse=True)]
        return [each for each in _states(connection, newest_first, now) if each.counts.outcome is None]


def _states(connection: Connection, found: Sequence[Sweep], now: datetime) -> list[SweepState]:
    counts = sweep_points.counts(connection, [sweep.id for sweep in found])
    return [
        SweepState(
            each, counts[each.id], _ends_at(each, counts[each.id], now), each.in_vain or why_waits(connection, each)
        )
        for each in found
    ]


def _ends_at(sweep: Sweep, counts: PointCounts, now: datetime) -> datetime | None:
    running = counts.states.get(RunState.RUNNING, 0)
    if sweep.held or counts.ended == counts.total:
        return None
    left = seconds_left(counts, running)
    return None if left is None else now + timedelta(seconds=left)


def table(
    database: Database, sweep_id: int, sort: str | None, descending: bool, passed: int, limit: int
) -> list[TableRow]:
    """Rows of the table, `passed` of them passed over. See `rows` for `sort`. Raises NotFound, Invalid."""
    with database.read() as connection:
        sweep = sweeps.get(connection, sweep_id)
        if sort is None:
            return sweep_tables.in_order(connection, sweep_id, descending, passed, limit)
        numbers = _sorted(connection, sweep, sort, descending)[passed : passed + limit]
        return sweep_tables.of_points(connection, sweep_id, numbers)


def rows(database: Database, sweep_id: int, sort: str | None, descending: bool) -> Iterator[TableRow]:
    """All rows of the table, read as they are asked for.

    `sort`: `state`, `exit_code`, `duration`, `run`, `parameters.NAME` or `metrics.NAME`; None: in the order of points.
    Where all values of a column are numbers they are sorted as such; what there is no value of comes last.
    Raises NotFound, Invalid.
    """
    with database.read() as connection:
        sweep = sweeps.get(connection, sweep_id)
        numbers = None if sort is None else _sorted(connection, sweep, sort, descending)
    passed = 0
    while passed < sweep.points:
        with database.read() as connection:
            if numbers is None:
                found = sweep_tables.in_order(connection, sweep_id, descending, passed, _ROWS_AT_ONCE)
            else:
                found = sweep_tables.of_points(connection, sweep_id, numbers[passed : passed + _ROWS_AT_ONCE])
        yield from found
        passed += _ROWS_AT_ONCE


def metric_names(database: Database, sweep_id: int) -> list[str]:
    """The names of all figures that the runs which its points count with have reported, sorted."""
    with database.read() as connection:
        return sweep_tables.metric_names(connection, sweep_id)


def columns(database: Database, sweep_id: int, names: Iterable[str]) -> dict[str, list[Any]]:
    """Whole columns of the table, by their names (those of `rows`), in the order of points; None: has no value.

    Raises NotFound, Invalid.
    """
    with database.read() as connection:
        sweep = sweeps.get(connection, sweep_id)
        return {name: [key for _, key in _column(connection, sweep, name)] for name in names}


def _sorted(connection: Connection, sweep: Sweep, sort: str, descending: bool) -> list[int]:
    found = _column(connection, sweep, sort)
    there = [(key, number) for number, key in found if key is not None]
    lacking = [number for number, key in found if key is None]
    return [number for _, number in sorted(_comparable(there), reverse=descending)] + lacking


def _column(connection: Connection, sweep: Sweep, name: str) -> list[tuple[int, Any]]:
    if name not in sweep_tables.COLUMNS and not name.startswith(("parameters.", "metrics.")):
        known = ", ".join((*sweep_tables.COLUMNS, "parameters.NAME", "metrics.NAME"))
        raise invalid("sort", f"is no column of the table; there are: {known}")
    return sweep_tables.keys(connection, sweep.id, name)


def _comparable(found: list[tuple[object, int]]) -> list[tuple[float, int]] | list[tuple[str, int]]:
    try:
        return [(float(key), number) for key, number in found]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return [(str(key), number) for key, number in found]
