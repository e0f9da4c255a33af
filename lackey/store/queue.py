"""What the scheduler asks of the database: which runs are due, which tickets are open, what is overdue."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, String, bindparam, func, or_, select, text, update

from lackey.domain.policy import Candidate
from lackey.domain.run import Garbled, Run, RunState, scheduler_of
from lackey.store.models import ApplicationRow, RunRow
from lackey.store.models.run import LOG_DUE, TICKET_OPEN
from lackey.store.runs import readable, select_runs

# PostgreSQL: any number will do, as long as nothing else in the same database uses it.
_CLAIMING = 0x636C61696D
_UNENDED = RunRow.ended_at.is_(None)
_CANDIDATE = (
    _UNENDED,
    RunRow.state == RunState.QUEUED,
    RunRow.ticket.is_(None),
    RunRow.cancel_requested_at.is_(None),
    RunRow.held.is_(False),
)


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


def candidates(connection: Connection, executor: str, after: int, limit: int) -> list[tuple[Candidate, str | None]]:
    """Queued runs that nobody has claimed, cancelled or holds, in policy order, each with its present reason."""
    statement = (
        select(RunRow.id, RunRow.application_id, ApplicationRow.max_running, RunRow.share, RunRow.reason)
        .outerjoin(ApplicationRow, ApplicationRow.id == RunRow.application_id)
        .where(*_CANDIDATE, RunRow.executor == executor)
        .order_by(RunRow.priority.desc(), RunRow.scheduled_at, RunRow.id)
        .offset(after)
        .limit(limit)
    )
    return [
        (Candidate(run_id, application_id, most, share or ""), reason)
        for run_id, application_id, most, share, reason in connection.execute(statement)
    ]


def count_candidates(connection: Connection, executor: str) -> int:
    """How many there are of them."""
    return connection.execute(select(func.count()).where(*_CANDIDATE, RunRow.executor == executor)).scalar_one()


def count_waiting_by_share(connection: Connection) -> dict[str, int]:
    """How many launched runs wait, for their time or in the queue, by the share that they are to run on."""
    waiting = RunRow.state.in_([RunState.SCHEDULED, RunState.QUEUED])
    counted = select(RunRow.share, func.count()).where(_UNENDED, waiting, RunRow.launched).group_by(RunRow.share)
    return {share or "": number for share, number in connection.execute(counted)}


def let_all_wait(connection: Connection, executor: str, reason: str, instead_of: str | None = None) -> None:
    """Note of all candidates why they wait; or of those alone whose present reason is `instead_of`."""
    others = RunRow.reason.is_distinct_from(reason) if instead_of is None else RunRow.reason == instead_of
    chosen = update(RunRow).where(*_CANDIDATE, RunRow.executor == executor, others)
    connection.execute(chosen.values(reason=reason, revision=RunRow.revision + 1))


def take_turns(connection: Connection) -> None:
    """Let this transaction claim alone, so that no limit is passed. On SQLite there is one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:it)"), {"it": _CLAIMING})


def places_taken(connection: Connection, executor: str) -> list[tuple[int | None, str, str]]:
    """Application id, share and scheduler of each open ticket, but of those that are lost."""
    statement = select(RunRow.application_id, RunRow.share, RunRow.ticket, RunRow.host).where(
        TICKET_OPEN, RunRow.executor == executor, RunRow.state != RunState.LOST
    )
    return [
        (application_id, share or "", scheduler_of(ticket, host))
        for application_id, share, ticket, host in connection.execute(statement)
    ]


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
