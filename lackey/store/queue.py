"""What the scheduler asks of the database: which runs are due, which tickets are open, what is overdue."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, TextClause, func, literal_column, or_, select, text, tuple_, update

from lackey.domain.policy import Candidate
from lackey.domain.run import Garbled, Run, RunState, scheduler_of
from lackey.store.models import ApplicationRow, RunRow
from lackey.store.models.run import DUE, EXPECTED, LOG_DUE, TICKET_OPEN
from lackey.store.runs import readable, select_runs

# PostgreSQL: any number will do, as long as nothing else in the same database uses it.
_CLAIMING = 0x636C61696D
_UNENDED = RunRow.ended_at.is_(None)
_ID: ColumnElement[int] = literal_column("run.id", RunRow.id.type)
_TIME: ColumnElement[datetime] = literal_column("run.scheduled_at", RunRow.scheduled_at.type)
_CANDIDATE = (
    _UNENDED,
    RunRow.state == RunState.QUEUED,
    RunRow.ticket.is_(None),
    RunRow.cancel_requested_at.is_(None),
    RunRow.held.is_(False),
)


class Due(NamedTuple):
    """A run whose time has come, and when it had."""

    run_id: int
    scheduled_at: datetime


def due(connection: Connection, now: datetime, limit: int, after: tuple[datetime, int] | None = None) -> list[Due]:
    """Launched runs whose time has come, which wait for no other and which nothing has queued yet, the earliest first.

    `after`: those alone that come after this time and id.
    """
    wanted = select(_ID, _TIME).select_from(_runs_by(connection, "ix_run_due")).where(DUE, now >= _TIME)
    if after is not None:
        wanted = wanted.where(tuple_(_TIME, _ID) > after)
    return [Due(run_id, at) for run_id, at in connection.execute(wanted.order_by(_TIME, _ID).limit(limit))]


def next_due(connection: Connection, now: datetime) -> datetime | None:
    """When the next launched run is due that waits for no other."""
    wanted = select(_TIME).select_from(_runs_by(connection, "ix_run_due")).where(DUE, now < _TIME)
    return connection.execute(wanted.order_by(_TIME).limit(1)).scalar_one_or_none()


def _runs_by(connection: Connection, index: str) -> TextClause:
    """The table, to be read by this index: by itself SQLite takes the one of all that wait, and looks at each."""
    return text(f"run INDEXED BY {index}" if connection.dialect.name == "sqlite" else "run")


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


def open_tickets(connection: Connection) -> tuple[list[Run], list[Garbled]]:
    """The runs with a ticket whose process may live, whatever their state, and those that can't be read."""
    return readable(connection, select_runs().where(TICKET_OPEN).order_by(RunRow.id))


def places_taken(connection: Connection, executor: str) -> list[tuple[int | None, str, str]]:
    """Application id, share and scheduler of each open ticket, but of those that are lost."""
    statement = select(RunRow.application_id, RunRow.share, RunRow.ticket, RunRow.host).where(
        TICKET_OPEN, RunRow.executor == executor, RunRow.state != RunState.LOST
    )
    return [
        (application_id, share or "", scheduler_of(ticket, host))
        for application_id, share, ticket, host in connection.execute(statement)
    ]


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
    overdue = select(_ID).select_from(_runs_by(connection, "ix_run_expected")).where(EXPECTED, now >= _TIME)
    expected = (RunRow.id.in_(overdue.scalar_subquery()), RunRow.unmet == 0)
    found = (readable(connection, select_runs().where(*each))[0] for each in (running, expected))
    return [run for some in found for run in some]


def logs_to_keep(connection: Connection, host: str, series: str, limit: int) -> list[Run]:
    """Ended runs of a scheduler whose log.txt has not been taken into the database yet, the earliest first."""
    mine = RunRow.ticket.endswith(series) if series else RunRow.host == host
    statement = select_runs().where(LOG_DUE, mine, RunRow.ticket_open.is_(False))
    return readable(connection, statement.order_by(RunRow.id).limit(limit))[0]
