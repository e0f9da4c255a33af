"""What the scheduler asks of the database: which runs are due, which tickets are open, what is overdue."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, String, bindparam, func, or_, select, text

from lackey.domain.run import Garbled, Run, RunState
from lackey.store.models import RunRow
from lackey.store.models.run import LOG_DUE
from lackey.store.runs import readable, select_runs

# PostgreSQL: any number will do, as long as nothing else in the same database uses it.
_CLAIMING = 0x636C61696D
_UNENDED = RunRow.ended_at.is_(None)


def due(connection: Connection, now: datetime, after: int, limit: int) -> tuple[list[Run], list[Garbled]]:
    """Launched runs whose time has come and which nothing has queued yet, the earliest first; past `after` of them.

    And those among them that can't be read.
    """
    statement = (
        select_runs()
        .where(_UNENDED, RunRow.state == RunState.SCHEDULED, RunRow.scheduled_at <= now, RunRow.launched)
        .order_by(RunRow.scheduled_at, RunRow.id)
        .offset(after)
        .limit(limit)
    )
    return readable(connection, statement)


def next_due(connection: Connection, now: datetime) -> datetime | None:
    """When the next launched run is due."""
    statement = select(RunRow.scheduled_at).where(
        _UNENDED, RunRow.state == RunState.SCHEDULED, RunRow.launched, RunRow.scheduled_at > now
    )
    return connection.execute(statement.order_by(RunRow.scheduled_at).limit(1)).scalar_one_or_none()


def made_ahead(connection: Connection, now: datetime) -> tuple[list[Run], list[Garbled]]:
    """Launched runs that wait for a time which nobody named, and were made by a clock that was ahead of `now`.

    Nobody named it where it is not after the making, and of retries, which come a little later than that.
    """
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


def followed_by_reports(connection: Connection) -> list[Run]:
    """Runs that lackey has no process of, or no more, started or not, whose silence may come to mean something."""
    statement = select_runs().where(
        _UNENDED,
        RunRow.ticket_open.is_(False),
        RunRow.state.in_([RunState.SCHEDULED, RunState.RUNNING]),
        or_(
            RunRow.ticket.is_not(None),
            func.coalesce(RunRow.start_grace, RunRow.silence, RunRow.time_limit).is_not(None),
        ),
    )
    return readable(connection, statement)[0]


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
_LOGS_OF_SERIES = _LOGS.where(RunRow.ticket.endswith(bindparam("wanted_series", type_=String)))
_LOGS_OF_HOST = _LOGS.where(RunRow.host == bindparam("wanted_host"))


def logs_to_keep(connection: Connection, host: str, series: str, share: str, after_id: int, limit: int) -> list[LogDue]:
    """Ended runs of a scheduler on a share whose log.txt is not in the database yet, the earliest after an id first."""
    known = {"wanted_share": share, "after_id": after_id, "most": limit}
    mine = {"wanted_series": series} if series else {"wanted_host": host}
    rows = connection.execute(_LOGS_OF_SERIES if series else _LOGS_OF_HOST, {**known, **mine})
    return [
        LogDue(run_id, directory or "", ticket or "", at, "observed" in evidence)
        for run_id, directory, ticket, at, evidence in rows
    ]
