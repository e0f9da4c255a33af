"""Lists of runs, sorted and narrowed in any way, a page at a time, at a price that does not grow with the table.

A page is read along one index, which gives the order. What narrows the list stands in that index where there is such a
one; the rest is looked at run by run, and so that nothing can make this long, at most `WALKED_AT_MOST` runs are passed:
then the page ends, be it empty, and says where to go on. What few runs can have (words that are rare, states that are
not final) is read as a whole.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, String, and_, func, or_, select, type_coerce

from lackey.domain.run import FINAL, Run
from lackey.domain.run_list import Cursor, Order
from lackey.store import words
from lackey.store.models import RunRow
from lackey.store.runs import COUNTED_AT_MOST, Filter, as_run, select_runs

WALKED_AT_MOST = 10_000
# Whether a run has a word of which many have is looked up in the index of words, for each run and such word anew.
_LOOKED_UP_AT_MOST = 300
_WALKED_AT_LEAST = 20

Condition = ColumnElement[bool]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    """Runs in the order asked for. `next` and `previous`: the cursors of the pages beside it, None where there is none.

    `total` is at most one more than `COUNTED_AT_MOST`, None where to count would take long. `searched_to_end` is False
    when the page ended because so many runs were passed; there may be more at its cursor.
    """

    runs: list[Run]
    next: Cursor | None
    previous: Cursor | None
    total: int | None
    searched_to_end: bool


@dataclass(frozen=True)
class _Narrowed:
    """`by_index` can be read along the order's index, or is few; `run_by_run` can't be; `few`: there are not many."""

    by_index: list[Condition]
    run_by_run: list[Condition]
    few: bool = False
    walked_at_most: int = WALKED_AT_MOST


def page(
    connection: Connection, wanted: Filter, order: Order, descending: bool, cursor: Cursor | None, limit: int
) -> Page:
    """A page of at most `limit` runs. Lists by start or duration hold the runs that have one."""
    narrowed = _narrow(connection, wanted, order)
    back = cursor is not None and cursor.previous
    down = descending != back
    place = [] if cursor is None else [_beyond(order, cursor, down)]
    horizon = _horizon(connection, narrowed, order, down, place)
    if horizon is not None:
        place.append(_up_to(order, horizon, down))
    found = _read(connection, narrowed, order, down, place, limit + 1)
    runs, more = found[:limit], len(found) > limit
    far = _cursor(order, runs[-1]) if more else horizon
    near = None if cursor is None else _cursor(order, runs[0]) if runs else _just_before(cursor, down)
    before, after = (far, near) if back else (near, far)
    return Page(
        runs=runs[::-1] if back else runs,
        next=None if after is None else replace(after, previous=False),
        previous=None if before is None else replace(before, previous=True),
        total=None if narrowed.run_by_run else _count(connection, narrowed, order),
        searched_to_end=more or horizon is None,
    )


def _key(order: Order) -> ColumnElement[int]:
    """What the list is sorted by, as a number."""
    if order is Order.DURATION:
        return _number(RunRow.ended_at) - _number(RunRow.started_at)
    columns: dict[Order, Any] = {Order.SCHEDULED: RunRow.scheduled_at, Order.STARTED: RunRow.started_at}
    return _number(columns.get(order, RunRow.id))


def _number(column: Any) -> ColumnElement[int]:
    return type_coerce(column, BigInteger)


def _has_key(order: Order) -> list[Condition]:
    """As in the partial indexes."""
    if order is Order.STARTED:
        return [RunRow.started_at.is_not(None)]
    return [RunRow.ended_at >= RunRow.started_at] if order is Order.DURATION else []


def _cursor(order: Order, run: Run) -> Cursor:
    values: dict[Order, Any] = {Order.SCHEDULED: run.scheduled_at, Order.STARTED: run.started_at}
    if order is Order.DURATION:
        value = _microseconds(run.ended_at) - _microseconds(run.started_at)
    else:
        value = _microseconds(values[order]) if order in values else run.id
    return Cursor(value, run.id)


def _microseconds(moment: datetime | None) -> int:
    return 0 if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def _just_before(cursor: Cursor, down: bool) -> Cursor:
    """So that the page which ends here holds the run at the cursor."""
    return replace(cursor, run_id=cursor.run_id - 1 if down else cursor.run_id + 1)


def _beyond(order: Order, cursor: Cursor, down: bool) -> Condition:
    """Behind the cursor, in the direction of reading. The first half is what an index is entered by."""
    key, run_id = _key(order), RunRow.id
    if order is Order.ID:
        return run_id < cursor.run_id if down else run_id > cursor.run_id
    if down:
        return and_(key <= cursor.value, or_(key < cursor.value, run_id < cursor.run_id))
    return and_(key >= cursor.value, or_(key > cursor.value, run_id > cursor.run_id))


def _up_to(order: Order, cursor: Cursor, down: bool) -> Condition:
    """Not behind the cursor; the run at it is within."""
    key, run_id = _key(order), RunRow.id
    if order is Order.ID:
        return run_id >= cursor.run_id if down else run_id <= cursor.run_id
    if down:
        return and_(key >= cursor.value, or_(key > cursor.value, run_id >= cursor.run_id))
    return and_(key <= cursor.value, or_(key < cursor.value, run_id <= cursor.run_id))


def _in_order(order: Order, down: bool) -> list[ColumnElement[Any]]:
    keys: list[ColumnElement[Any]] = [_key(order)] if order is not Order.ID else []
    return [key.desc() if down else key.asc() for key in (*keys, RunRow.id.expression)]


def _horizon(
    connection: Connection, narrowed: _Narrowed, order: Order, down: bool, place: list[Condition]
) -> Cursor | None:
    """How far a page may read; None: to the end."""
    if narrowed.few or not narrowed.run_by_run:
        return None
    walked = select(_key(order), RunRow.id).where(*_has_key(order), *narrowed.by_index, *place)
    row = connection.execute(
        walked.order_by(*_in_order(order, down)).offset(narrowed.walked_at_most - 1).limit(1)
    ).one_or_none()
    return None if row is None else Cursor(row[0], row[1])


def _read(
    connection: Connection, narrowed: _Narrowed, order: Order, down: bool, place: list[Condition], limit: int
) -> list[Run]:
    statement = select_runs().where(*_has_key(order), *narrowed.by_index, *narrowed.run_by_run, *place)
    rows = connection.execute(statement.order_by(*_in_order(order, down)).limit(limit)).mappings()
    return [as_run(row) for row in rows]


def _count(connection: Connection, narrowed: _Narrowed, order: Order) -> int:
    counted = select(RunRow.id).where(*_has_key(order), *narrowed.by_index).limit(COUNTED_AT_MOST + 1).subquery()
    return connection.execute(select(func.count()).select_from(counted)).scalar_one()


def _narrow(connection: Connection, wanted: Filter, order: Order) -> _Narrowed:
    """Which index gives the order, and what is left to look at run by run."""
    equal, times = _equal(wanted), _times(wanted)
    states = sorted(wanted.states)
    found, word_by_word = words.narrow(connection, RunRow.id, wanted.text)
    everything = [column == value for column, value in equal] + times
    everything += [RunRow.state.in_(states)] if states else []
    if found is not None:
        return _Narrowed([RunRow.id.in_(found), *everything, *word_by_word], [], few=True)
    if states and not wanted.states & FINAL and not word_by_word:
        return _Narrowed([RunRow.ended_at.is_(None), *everything], [], few=True)
    by_index: list[Condition] = times if order is Order.SCHEDULED else []
    run_by_run: list[Condition] = [] if order is Order.SCHEDULED else times
    if order is Order.ID and equal:
        column, value = equal.pop(0)
        by_index.append(column == value)
    elif order is Order.ID and len(states) == 1:
        by_index.append(RunRow.state == states.pop())
    # Behind an expression, so that no database reads along their index instead and sorts what it finds.
    run_by_run += [_unindexed(column) == value for column, value in equal]
    run_by_run += [_unindexed(RunRow.state).in_(states)] if states else []
    walked = max(_WALKED_AT_LEAST, _LOOKED_UP_AT_MOST // len(word_by_word)) if word_by_word else WALKED_AT_MOST
    return _Narrowed(by_index, [*run_by_run, *word_by_word], walked_at_most=walked)


def _equal(wanted: Filter) -> list[tuple[Any, Any]]:
    """Columns that have an index with the id, and what they are to be; those that narrow most come first."""
    columns: list[tuple[Any, Any]] = [
        (RunRow.application_id, wanted.application_id),
        (RunRow.by, wanted.by),
        (RunRow.project_id, wanted.project_id),
    ]
    return [(column, value) for column, value in columns if value is not None]


def _times(wanted: Filter) -> list[Condition]:
    since = [RunRow.scheduled_at >= wanted.since] if wanted.since is not None else []
    return since + ([RunRow.scheduled_at <= wanted.until] if wanted.until is not None else [])


def _unindexed(column: Any) -> ColumnElement[Any]:
    behind: ColumnElement[Any] = column.concat("") if isinstance(column.type, String) else column + 0
    return behind
