"""What the scheduler asks of the database: which runs are due, which tickets are open, what is overdue."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    TextClause,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)

from lackey.domain.run import Garbled, Run, RunState
from lackey.store.compiled import FIRST, Compiled
from lackey.store.models import RunRow
from lackey.store.models.run import DUE, EXPECTED, LOG_DUE
from lackey.store.runs import readable, select_runs

# PostgreSQL: any number will do, as long as nothing else in the same database uses it.
_CLAIMING = 0x636C61696D
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNENDED = RunRow.ended_at.is_(None)
_ID: ColumnElement[int] = literal_column("run.id", RunRow.id.type)
_TIME: ColumnElement[datetime] = literal_column("run.scheduled_at", RunRow.scheduled_at.type)


def _runs_by(dialect: str, index: str) -> TextClause:
    """The table, to be read by this index: by itself SQLite takes the one of all that wait, and looks at each."""
    return text(f"run INDEXED BY {index}" if dialect == "sqlite" else "run")


_NOW = bindparam("now", type_=RunRow.scheduled_at.type)
_AFTER = tuple_(bindparam("after_at", type_=RunRow.scheduled_at.type), bindparam("after_id"))
_DUE = {
    dialect: Compiled(
        select(_ID, _TIME)
        .select_from(_runs_by(dialect, "ix_run_due"))
        .where(DUE, _NOW >= _TIME, tuple_(_TIME, _ID) > _AFTER)
        .order_by(_TIME, _ID)
        .limit(bindparam("most"))
    )
    for dialect in ("sqlite", "postgresql")
}
_NEXT_DUE = {
    dialect: Compiled(
        select(_TIME).select_from(_runs_by(dialect, "ix_run_due")).where(DUE, _NOW < _TIME).order_by(_TIME).limit(FIRST)
    )
    for dialect in ("sqlite", "postgresql")
}


class Due(NamedTuple):
    """A run whose time has come, and when it had."""

    run_id: int
    scheduled_at: datetime


def due(connection: Connection, now: datetime, limit: int, after: tuple[datetime, int] | None = None) -> list[Due]:
    """Launched runs whose time has come, which wait for no other and which nothing has queued yet, the earliest first.

    `after`: those alone that come after this time and id.
    """
    first, last = after or (_EPOCH, 0)
    given = {"now": now, "after_at": first, "after_id": last, "most": limit}
    return [Due(run_id, at) for run_id, at in _DUE[connection.dialect.name].rows(connection, given)]


def next_due(connection: Connection, now: datetime) -> datetime | None:
    """When the next launched run is due that waits for no other."""
    found: list[list[datetime]] = _NEXT_DUE[connection.dialect.name].rows(connection, {"now": now})
    return found[0][0] if found else None


def made_ahead(connection: Connection, now: datetime) -> tuple[list[Run], list[Garbled]]:
    """Launched runs that wait for a time which nobody named, and were made by a clock that was ahead of `now`.

    Nobody named it where it is not after the making, and of retries, which come a little later than that.
    """
    # The last one made tells whether there can be any; of those that wait for their time there may be very many.
    newest = connection.execute(select(RunRow.created_at).order_by(RunRow.id.desc()).limit(1)).scalar_one_or_none()
    if newest is None or newest <= now:
        return [], []
    unnamed = or_(RunRow.scheduled_at <= RunRow.created_at, RunRow.cause == "retry")
    statement = select_runs().where(
        _UNENDED,
        RunRow.state == RunState.SCHEDULED,
        RunRow.launched,
        RunRow.scheduled_at > now,
        RunRow.created_at > now,
        unnamed,
    )
    return readable(connection, statement)


def count_waiting_by_share(connection: Connection) -> dict[str, int]:
    """How many launched runs wait, for their time or in the queue, by the share that they are to run on."""
    waiting = RunRow.state.in_([RunState.SCHEDULED, RunState.QUEUED])
    counted = select(RunRow.share, func.count()).where(_UNENDED, waiting, RunRow.launched).group_by(RunRow.share)
    return {share or "": number for share, number in connection.execute(counted)}


def take_turns(connection: Connection) -> None:
    """Let this transaction claim alone, so that no limit is passed. On SQLite there is one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:it)"), {"it": _CLAIMING})


def followed_by_reports(connection: Connection, now: datetime) -> list[Run]:
    """Runs that lackey has no process of, or no more, whose silence may come to mean something.

    Those that are running; and those that have not reported their start, and should have by now, if it was listened.
    """
    limits = func.coalesce(RunRow.start_grace, RunRow.silence, RunRow.time_limit)
    running = (
        _UNENDED,
        RunRow.ticket_open.is_(False),
        RunRow.state == RunState.RUNNING,
        or_(RunRow.ticket.is_not(None), limits.is_not(None)),
    )
    overdue = (
        select(_ID).select_from(_runs_by(connection.dialect.name, "ix_run_expected")).where(EXPECTED, now >= _TIME)
    )
    expected = (RunRow.id.in_(overdue.scalar_subquery()), RunRow.unmet == 0)
    found = (readable(connection, select_runs().where(*each))[0] for each in (running, expected))
    return [run for some in found for run in some]


@dataclass(frozen=True)
class LogDue:
    """An ended run whose log.txt is still to be taken in; `settled_at`: since when its end is known.

    `observed`: whether its guard has seen the end.
    """

    run_id: int
    run_directory: str
    ticket: str
    settled_at: datetime | None
    observed: bool


_LOGS = (
    select(RunRow.id, RunRow.run_directory, RunRow.ticket, RunRow.settled_at, RunRow.evidence)
    .where(
        LOG_DUE,
        RunRow.share == bindparam("wanted_share"),
        RunRow.id > bindparam("after_id"),
        RunRow.ticket_open.is_(False),
    )
    .order_by(RunRow.id)
    .limit(bindparam("most"))
)
_LOGS_OF_SERIES = Compiled(_LOGS.where(RunRow.ticket.endswith(bindparam("wanted_series", type_=String))))
_LOGS_OF_HOST = Compiled(_LOGS.where(RunRow.host == bindparam("wanted_host")))


def logs_to_keep(connection: Connection, host: str, series: str, share: str, after_id: int, limit: int) -> list[LogDue]:
    """Ended runs of a scheduler on a share whose log.txt is not in the database yet, the earliest after an id first."""
    known = {"wanted_share": share, "after_id": after_id, "most": limit}
    mine = {"wanted_series": series} if series else {"wanted_host": host}
    rows = (_LOGS_OF_SERIES if series else _LOGS_OF_HOST).rows(connection, {**known, **mine})
    return [
        LogDue(run_id, directory or "", ticket or "", at, "observed" in evidence)
        for run_id, directory, ticket, at, evidence in rows
    ]
