"""What goes on now: the runs that have not ended, those that ended lately, and a cheap sign that something changed.

Each statement reads a bounded part of the tables, however many runs there are.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, text

from lackey.domain.run import TROUBLED, Run, RunState
from lackey.store.models import EventRow, RunRow
from lackey.store.models.run import QUEUED, TICKET_OPEN
from lackey.store.runs import as_run, select_runs

# Those that have not ended are counted up to so many.
UNENDED_AT_MOST = 10_000
# So many of those that ended since the time asked for are looked at, the latest.
ENDED_AT_MOST = 10_000
# And so many of an application's runs.
RUNS_OF_APPLICATION_AT_MOST = 1_000
_LOOKED_AT_FOR_DURATIONS = 200

_UNENDED = RunRow.ended_at.is_(None)
_RUNNING = (_UNENDED, RunRow.state == RunState.RUNNING)
_SCHEDULED = (_UNENDED, RunRow.state == RunState.SCHEDULED)
# All versions of PostgreSQL have this one. Whatever commits between two readings, they differ: each transaction that
# writes is counted in, or named as under way, until it is over. Ids of events can't tell as much: they may be
# committed in another order than they were drawn.
_SNAPSHOT = text("SELECT CAST(txid_current_snapshot() AS text)")
_LAST_EVENT = select(EventRow.id, EventRow.at).order_by(EventRow.id.desc()).limit(1)


def sign_of_change(connection: Connection, queued_at_most: int) -> list[Any]:
    """Values one of which differs whenever anything that `services.overview` shows of runs was written.

    On SQLite, where writers take turns, each change of a state, and each request, is an event of its own with a higher
    id; what changes beside (progress, the reason to wait) raises the revision of a run that is running, or queued and
    among those shown, `queued_at_most`. PostgreSQL names the transactions.
    """
    last = connection.execute(_LAST_EVENT).one_or_none()
    if connection.dialect.name == "postgresql":
        return [last, connection.execute(_SNAPSHOT).scalar_one()]
    active = (select(RunRow.revision).where(*_RUNNING), *_queue(select(RunRow.revision), queued_at_most))
    sums = [select(func.sum(some.subquery().c.revision)) for some in active]
    return [last, *(connection.execute(each).scalar_one() for each in sums)]


def running(connection: Connection, limit: int) -> list[Run]:
    """Those running, the latest started first."""
    return _read(connection, select_runs().where(*_RUNNING).order_by(RunRow.started_at.desc(), RunRow.id.desc()), limit)


def queued(connection: Connection, limit: int) -> list[Run]:
    """Those queued, in the order in which they start if nothing holds them; those being started first."""
    starting, waiting = (_read(connection, statement, limit) for statement in _queue(select_runs(), limit))
    return [*starting, *waiting][:limit]


def _queue(selected: Select[Any], limit: int) -> tuple[Select[Any], Select[Any]]:
    """Those being started, and those that wait; each in order, so that an index holds the latter."""
    statement = selected.order_by(RunRow.priority.desc(), RunRow.scheduled_at, RunRow.id).limit(limit)
    starting = statement.where(TICKET_OPEN, RunRow.state.concat("") == RunState.QUEUED)
    return starting, statement.where(QUEUED, RunRow.ticket_open.is_(False))


def coming(connection: Connection, now: datetime, limit: int) -> list[Run]:
    """Those whose time has not come, the next first."""
    statement = select_runs().where(*_SCHEDULED, RunRow.scheduled_at > now)
    return _read(connection, statement.order_by(RunRow.scheduled_at, RunRow.id), limit)


def overdue(connection: Connection, now: datetime, limit: int) -> list[Run]:
    """Those whose time has come and which are not queued: they wait for others, or for their own start report."""
    statement = select_runs().where(*_SCHEDULED, RunRow.scheduled_at <= now)
    return _read(connection, statement.order_by(RunRow.scheduled_at, RunRow.id), limit)


def next_times(connection: Connection, now: datetime, since: datetime) -> tuple[datetime | None, datetime | None]:
    """When the next of the scheduled is due; when the first of those that ended after `since` did so.

    As these moments pass, the same rows make another picture.
    """
    due = select(func.min(RunRow.scheduled_at)).where(*_SCHEDULED, RunRow.scheduled_at > now)
    ended = select(func.min(RunRow.settled_at)).where(RunRow.settled_at > since)
    return connection.execute(due).scalar_one(), connection.execute(ended).scalar_one()


def count_unended(connection: Connection) -> dict[RunState, int]:
    """How many there are in each state that is not final, each at most one more than `UNENDED_AT_MOST`."""
    states = [state for state in RunState if not state.is_final]
    counts = {state: _count(connection, _UNENDED, RunRow.state == state) for state in states}
    return {state: count for state, count in counts.items() if count}


def count_scheduled(connection: Connection, now: datetime) -> tuple[int, int]:
    """How many there are whose time has come, and how many to which it has not, each counted as far."""
    overdue, coming = RunRow.scheduled_at <= now, RunRow.scheduled_at > now
    return _count(connection, *_SCHEDULED, overdue), _count(connection, *_SCHEDULED, coming)


def _count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    some = select(RunRow.id).where(*conditions).limit(UNENDED_AT_MOST + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def count_ended(connection: Connection, since: datetime) -> tuple[dict[RunState, int], int]:
    """How many ended after `since` in each final state; how many of which one has learned since that they had ended
    earlier. Both among the `ENDED_AT_MOST` of which that was learned last.
    """
    lately = _settled(since).subquery()
    statement = select(lately.c.state, lately.c.ended_at > since, func.count()).group_by(text("1"), text("2"))
    counts, earlier = {}, 0
    for state, is_after, count in connection.execute(statement):
        if is_after:
            counts[RunState(state)] = count
        else:
            earlier += count
    return counts, earlier


def ended(connection: Connection, since: datetime, limit: int, others_at_least: int) -> list[Run]:
    """Those that ended after `since`, the troubled first, then the latest; among the latest `ENDED_AT_MOST`.

    However many are troubled, so many of the others are among them, if there are.
    """
    lately = _settled(since).subquery()
    latest = select(lately.c.id).where(lately.c.ended_at > since)
    latest = latest.order_by(lately.c.settled_at.desc(), lately.c.id.desc()).limit(limit)
    is_troubled = lately.c.state.in_(sorted(TROUBLED))
    troubled = list(connection.execute(latest.where(is_troubled)).scalars())
    others = list(connection.execute(latest.where(~is_troubled)).scalars())
    others = others[: max(others_at_least, limit - len(troubled))]
    return _in_order(connection, troubled[: limit - len(others)] + others)


def ended_earlier(connection: Connection, since: datetime, limit: int) -> list[Run]:
    """Those that ended before `since` as one has learned after it, the latest learned of first."""
    lately = _settled(since).subquery()
    latest = select(lately.c.id).where(lately.c.ended_at <= since)
    latest = latest.order_by(lately.c.settled_at.desc(), lately.c.id.desc()).limit(limit)
    return _in_order(connection, list(connection.execute(latest).scalars()))


def _in_order(connection: Connection, wanted: list[int]) -> list[Run]:
    rows = connection.execute(select_runs().where(RunRow.id.in_(wanted)))
    return sorted(map(as_run, rows), key=lambda run: wanted.index(run.id))


def _settled(since: datetime) -> Select[int, str, datetime | None, datetime | None]:
    columns = (RunRow.id, RunRow.state, RunRow.settled_at, RunRow.ended_at)
    return select(*columns).where(RunRow.settled_at > since).order_by(RunRow.settled_at.desc()).limit(ENDED_AT_MOST)


def past_durations(connection: Connection, application_id: int, limit: int) -> list[float]:
    """How long the latest runs of the application that succeeded took, in seconds: so many of its latest 200 runs."""
    latest = (
        select(RunRow.id, RunRow.state, RunRow.started_at, RunRow.ended_at)
        .where(RunRow.application_id == application_id)
        .order_by(RunRow.id.desc())
        .limit(_LOOKED_AT_FOR_DURATIONS)
        .subquery()
    )
    taken = select(latest.c.started_at, latest.c.ended_at).where(
        latest.c.state == RunState.SUCCEEDED, latest.c.ended_at >= latest.c.started_at
    )
    rows = connection.execute(taken.order_by(latest.c.id.desc()).limit(limit))
    return [(until - since).total_seconds() for since, until in rows]


def latest_of_application(connection: Connection, application_id: int, limit: int) -> list[Run]:
    """Its newest runs, the newest first."""
    statement = select_runs().where(RunRow.application_id == application_id)
    return _read(connection, statement.order_by(RunRow.id.desc()), limit)


def count_of_application(connection: Connection, application_id: int) -> dict[RunState, int]:
    """How many of its newest `RUNS_OF_APPLICATION_AT_MOST` runs are in each state."""
    mine = select(RunRow.id, RunRow.state).where(RunRow.application_id == application_id)
    newest = mine.order_by(RunRow.id.desc()).limit(RUNS_OF_APPLICATION_AT_MOST).subquery()
    statement = select(newest.c.state, func.count()).group_by(newest.c.state)
    return {RunState(state): count for state, count in connection.execute(statement)}


def _read(connection: Connection, statement: Select[Any], limit: int) -> list[Run]:
    rows: Any = connection.execute(statement.limit(limit))
    return [as_run(row) for row in rows]
