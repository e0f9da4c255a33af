"""What the scheduler asks of the database: which runs are due, which tickets are open, what is overdue."""

from datetime import datetime

from sqlalchemy import Connection, func, or_, select, text

from lackey.domain.run import Garbled, Run, RunState
from lackey.store.models import RunRow
from lackey.store.models.run import LOG_DUE, TICKET_OPEN
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


def open_tickets(connection: Connection) -> tuple[list[Run], list[Garbled]]:
    """The runs with a ticket whose process may live, whatever their state, and those that can't be read."""
    return readable(connection, select_runs().where(TICKET_OPEN).order_by(RunRow.id))


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


def logs_to_keep(connection: Connection, host: str, series: str, limit: int) -> list[Run]:
    """Ended runs of a scheduler whose log.txt has not been taken into the database yet, the earliest first."""
    mine = RunRow.ticket.endswith(series) if series else RunRow.host == host
    statement = select_runs().where(LOG_DUE, mine, RunRow.ticket_open.is_(False))
    return readable(connection, statement.order_by(RunRow.id).limit(limit))[0]
