"""Lists of runs, sorted and narrowed in any way, a page at a time, at a price that does not grow with the table.

What narrows a list may be rare: a word, a tag, a state, a user, a project, an application, a time. Then all runs that
have it are looked at. Else a page is read along one index, which gives the order. What narrows the list stands in that
index where there is such a one, once for each state; the rest is looked at run by run, and so that nothing can make
this long, at most `WALKED_AT_MOST` runs are passed: then the page ends, be it empty, and says where to go on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    Subquery,
    and_,
    func,
    or_,
    select,
    type_coerce,
    union_all,
)

from lackey.domain.run import FINAL, Run
from lackey.domain.run_list import Cursor, Order
from lackey.store import tags, words
from lackey.store.models import RunRow
from lackey.store.runs import COUNTED_AT_MOST, Filter, as_run, select_runs

WALKED_AT_MOST = 2_000
# What so many runs have is rare.
FEW = 1_000
# Whether a run has a word of which many have is looked up in the index of words, for each run and such word anew.
LOOKED_UP_AT_MOST = 100
WALKED_AT_LEAST = 20

Condition = ColumnElement[bool]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RunPage:
    """Runs in the order asked for. `next` and `previous`: the cursors of the pages beside it, None where there is none.

    `total` is at most one more than `COUNTED_AT_MOST`, None where to count would take long. `searched_to_end` is False
    when the page ended because so many runs were passed; there may be more at its cursor.
    """

    runs: list[Run]
    next: Cursor | None
    previous: Cursor | None
    total: int | None
    searched_to_end: bool

    @property
    def horizon(self) -> Cursor | None:
        """Where to go on, if it ended before all that was asked for was found."""
        return None if self.searched_to_end else self.next


@dataclass(frozen=True)
class _Narrowed:
    """Which runs are looked at, and what is asked of each of them.

    `legs`: each can be read along an index that gives the order, and no run is in two of them; or all are few.
    """

    legs: list[list[Condition]]
    run_by_run: list[Condition]
    few: bool = False
    walked_at_most: int = WALKED_AT_MOST

    @property
    def is_exact(self) -> bool:
        """Whether no run is passed in vain, or only few."""
        return self.few or not self.run_by_run


def page(
    connection: Connection,
    wanted: Filter,
    order: Order,
    descending: bool,
    cursor: Cursor | None,
    limit: int,
    counted: bool = True,
) -> RunPage:
    """A page of at most `limit` runs. Lists by start or duration hold the runs that have one.

    `counted`: whether `Page.total` is wanted.
    """
    narrowed = _narrow(connection, wanted, order)
    back = cursor is not None and cursor.previous
    down = descending != back
    place = [] if cursor is None else [_beyond(order, cursor, down)]
    horizon = _horizon(connection, narrowed, order, down, place)
    if horizon is not None:
        place.append(_up_to(order, horizon, down))
    found = _read(connection, narrowed, order, down, place, limit + 1)
    runs, more = found[:limit], len(found) > limit
    far = cursor_at(order, runs[-1]) if more else horizon
    near = None if cursor is None else cursor_at(order, runs[0]) if runs else _just_before(cursor, down)
    before, after = (far, near) if back else (near, far)
    return RunPage(
        runs=runs[::-1] if back else runs,
        next=None if after is None else replace(after, previous=False),
        previous=None if before is None else replace(before, previous=True),
        total=_count(connection, narrowed, order) if counted and narrowed.is_exact else None,
        searched_to_end=more or horizon is None,
    )


def cursor_at(order: Order, run: Run) -> Cursor:
    """Where the list goes on behind the run."""
    values: dict[Order, Any] = {Order.SCHEDULED: run.scheduled_at, Order.STARTED: run.started_at}
    if order is Order.DURATION:
        value = _microseconds(run.ended_at) - _microseconds(run.started_at)
    else:
        value = _microseconds(values[order]) if order in values else run.id
    return Cursor(value, run.id)


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
    if narrowed.is_exact:
        return None
    reached = []
    for leg in narrowed.legs:
        walked = select(_key(order), RunRow.id).where(*_has_key(order), *leg, *place).order_by(*_in_order(order, down))
        row = connection.execute(walked.offset(narrowed.walked_at_most - 1).limit(1)).one_or_none()
        reached += [] if row is None else [Cursor(row[0], row[1])]
    return (max if down else min)(reached, key=lambda at: (at.value, at.run_id), default=None)


def _read(
    connection: Connection, narrowed: _Narrowed, order: Order, down: bool, place: list[Condition], limit: int
) -> list[Run]:
    def of(selected: Any, leg: list[Condition]) -> Any:
        narrow = selected.where(*_has_key(order), *leg, *narrowed.run_by_run, *place)
        return narrow.order_by(*_in_order(order, down)).limit(limit)

    if len(narrowed.legs) == 1:
        statement = of(select_runs(), narrowed.legs[0])
    else:
        found = [select(of(select(RunRow.id), leg).subquery().c.id) for leg in narrowed.legs]
        first = select_runs().where(RunRow.id.in_(union_all(*found)))
        statement = first.order_by(*_in_order(order, down)).limit(limit)
    return [as_run(row) for row in connection.execute(statement)]


def _count(connection: Connection, narrowed: _Narrowed, order: Order) -> int:
    most = COUNTED_AT_MOST + 1
    asked = [select(RunRow.id).where(*_has_key(order), *leg, *narrowed.run_by_run) for leg in narrowed.legs]
    counted = union_all(*(select(each.limit(most).subquery().c.id) for each in asked)).limit(most).subquery()
    return connection.execute(select(func.count()).select_from(counted)).scalar_one()


def _narrow(connection: Connection, wanted: Filter, order: Order) -> _Narrowed:
    """Which runs to look at, and what to ask of each."""
    asked = list(_asked(wanted))
    found, word_by_word = words.narrow(connection, RunRow.id, wanted.text)
    tagged, by_tag = tags.narrow(connection, RunRow.id, wanted.tag)
    rare: list[Condition] = [RunRow.id.in_(each) for each in (found, tagged) if each is not None]
    legs, rest = _along(wanted, order, asked)
    if not rare and (rest or word_by_word or by_tag):
        some = next((some for each in asked if _are_few(connection, some := _some(each.indexed))), None)
        rare = [] if some is None else [RunRow.id.in_(select(some.c.id))]
    if rare:
        return _Narrowed([rare], [*(each.unindexed for each in asked), *by_tag, *word_by_word], few=True)
    walked = max(WALKED_AT_LEAST, LOOKED_UP_AT_MOST // len(word_by_word)) if word_by_word else WALKED_AT_MOST
    return _Narrowed(legs, [*(each.unindexed for each in rest), *by_tag, *word_by_word], walked_at_most=walked)


@dataclass(frozen=True)
class _Asked:
    """Something that is asked of a column: so that its index may be read along, and so that no database does that."""

    column: Any
    indexed: Condition
    unindexed: Condition


def _asked(wanted: Filter) -> Iterator[_Asked]:
    """What narrows the list, words aside; of columns that have an index with the id, those that narrow most first."""
    columns = {
        RunRow.sweep_id: wanted.sweep_id,
        RunRow.schedule_id: wanted.schedule_id,
        RunRow.application_id: wanted.application_id,
        RunRow.by: wanted.by,
        RunRow.project_id: wanted.project_id,
    }
    for column, value in columns.items():
        if value is not None:
            yield _Asked(column, column == value, _unindexed(column) == value)
    if wanted.states:
        states = sorted(wanted.states)
        yield _Asked(RunRow.state, RunRow.state.in_(states), _unindexed(RunRow.state).in_(states))
    if wanted.since is not None or wanted.until is not None:
        first, last = _microseconds(wanted.since or _FIRST), _microseconds(wanted.until or _LAST)
        at = _number(RunRow.scheduled_at)
        yield _Asked(RunRow.scheduled_at, at.between(first, last), (at + 0).between(first, last))


def _along(wanted: Filter, order: Order, asked: list[_Asked]) -> tuple[list[list[Condition]], list[_Asked]]:
    """The index that gives the order: what stands in it, once for each leg; and what else is asked."""
    column = None
    if order is Order.ID:
        column = next((each.column for each in asked if each.column is not RunRow.scheduled_at), None)
    elif order is Order.SCHEDULED:
        column = RunRow.scheduled_at
    by_index = [each.indexed for each in asked if each.column is column]
    rest = [each for each in asked if each.column is not column]
    each_state: list[list[Condition]] = [[RunRow.state == state] for state in sorted(wanted.states)]
    if column is RunRow.state:
        return each_state, rest
    if order is Order.SCHEDULED and wanted.states and not wanted.states & FINAL:
        unended = [[RunRow.ended_at.is_(None), *leg, *by_index] for leg in each_state]
        return unended, [each for each in rest if each.column is not RunRow.state]
    return [by_index], rest


def _some(condition: Condition) -> Subquery:
    return select(RunRow.id).where(condition).limit(FEW + 1).subquery()


def _are_few(connection: Connection, some: Subquery) -> bool:
    return connection.execute(select(func.count()).select_from(some)).scalar_one() <= FEW


def _unindexed(column: Any) -> ColumnElement[Any]:
    """Behind an expression, no database reads along the column's index and sorts what it finds."""
    behind: ColumnElement[Any] = column.concat("") if isinstance(column.type, String) else column + 0
    return behind
