"""Attempts: add, read the open ones, close."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from lackey.domain.attempt import CameTo, OpenAttempt
from lackey.domain.run import FINAL, Garbled, RunState, scheduler_of
from lackey.store.compiled import Compiled
from lackey.store.models import AttemptRow, RunRow
from lackey.store.models.attempt import OPEN
from lackey.store.models.run import TICKET_OPEN

_ATTEMPT = AttemptRow.metadata.tables[AttemptRow.__tablename__]
_RUN = RunRow.metadata.tables[RunRow.__tablename__]
# In the words of OPEN, where `run` stands beside it.
_IS_OPEN = _ATTEMPT.c.closed_at.is_(None)
_ADD = Compiled(insert(_ATTEMPT).inline())
_OF_TICKET = (OPEN, _ATTEMPT.c.ticket == bindparam("wanted_ticket"))
_CHANGE = Compiled(update(_ATTEMPT).where(*_OF_TICKET))
_OPEN_OF_TICKET = select(_ATTEMPT).where(*_OF_TICKET)
_FOLLOWED_COLUMNS = tuple(each.name for each in fields(OpenAttempt))
_ALL_FOLLOWED = (
    select(
        *(_ATTEMPT.c.id, _ATTEMPT.c.run_id, _RUN.c.uid.label("run_uid"), _ATTEMPT.c.ticket, _ATTEMPT.c.share),
        *(_ATTEMPT.c.host, _ATTEMPT.c.handle, _RUN.c.state, _RUN.c.reason),
        *(_RUN.c.cancel_requested_at.is_not(None).label("is_to_be_cancelled"), _RUN.c.time_limit),
    )
    .join(_RUN, _RUN.c.id == _ATTEMPT.c.run_id)
    .where(
        _IS_OPEN,
        _ATTEMPT.c.executor == bindparam("wanted_executor"),
        _ATTEMPT.c.scheduler == bindparam("wanted_scheduler"),
    )
    .order_by(_ATTEMPT.c.id)
)
_FOLLOWED = Compiled(_ALL_FOLLOWED)
_ONE_FOLLOWED = Compiled(_ALL_FOLLOWED.where(_ATTEMPT.c.ticket == bindparam("wanted_ticket")))
_OF_OTHERS = (
    select(_ATTEMPT.c.run_id, _ATTEMPT.c.scheduler, _ATTEMPT.c.host, _ATTEMPT.c.claimed_at)
    .join(_RUN, _RUN.c.id == _ATTEMPT.c.run_id)
    .where(_IS_OPEN, _ATTEMPT.c.scheduler != bindparam("wanted_scheduler"), _RUN.c.state.not_in(sorted(FINAL)))
)
_COPIED = ("ticket", "executor", "application_id", "by", "memory_bytes", "host", "handle", "run_directory")
_HAS_NO_ROW = TICKET_OPEN & ~select(_ATTEMPT.c.id).where(_ATTEMPT.c.ticket == _RUN.c.ticket, _IS_OPEN).exists()
_UNRECORDED = select(_RUN.c.id, _RUN.c.attempts, _RUN.c.share, _RUN.c.cpus, _RUN.c.claimed_at)
_UNRECORDED = _UNRECORDED.add_columns(_RUN.c.started_at, *(_RUN.c[name] for name in _COPIED)).where(_HAS_NO_ROW)
_OVER = (
    select(_ATTEMPT.c.ticket, _RUN.c.ticket == _ATTEMPT.c.ticket, _RUN.c.outcome_source)
    .join(_RUN, _RUN.c.id == _ATTEMPT.c.run_id)
    .where(_IS_OPEN, or_(~_RUN.c.ticket_open, _RUN.c.ticket.is_distinct_from(_ATTEMPT.c.ticket)))
)


def add_all(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert attempts; each names the same columns."""
    _ADD.run_each(connection, rows)


def followed(
    connection: Connection, executor: str, scheduler: str, tickets: Collection[str] | None = None
) -> tuple[list[OpenAttempt], list[Garbled]]:
    """The open attempts of a scheduler on one of its executors, the oldest first; and the runs that can't be read.

    With `tickets` of these alone, in their order.
    """
    found: list[OpenAttempt] = []
    garbled: list[Garbled] = []
    known = {"wanted_executor": executor, "wanted_scheduler": scheduler}
    if tickets is None:
        rows = _FOLLOWED.rows(connection, known)
    else:
        rows = [row for one in tickets for row in _ONE_FOLLOWED.rows(connection, {**known, "wanted_ticket": one})]
    for each in rows:
        row = dict(zip(_FOLLOWED_COLUMNS, each, strict=True))
        try:
            found.append(OpenAttempt(**{**row, "state": RunState(row["state"])}))
        except ValueError as error:
            garbled.append(Garbled(row["run_id"], error))
    return found, garbled


@dataclass(frozen=True)
class Others:
    """An open attempt of another scheduler, at a run that has not ended as far as is known."""

    run_id: int
    scheduler: str
    host: str | None
    claimed_at: datetime


def of_others(connection: Connection, scheduler: str) -> list[Others]:
    """Those of all schedulers but this one."""
    rows = connection.execute(_OF_OTHERS, {"wanted_scheduler": scheduler}).mappings()
    return [Others(**row) for row in rows]


def with_open_ticket(connection: Connection, ticket: str) -> list[dict[str, Any]]:
    """The columns of the open attempt of a ticket, as `add_all` takes them; none if there is no such one."""
    rows = connection.execute(_OPEN_OF_TICKET, {"wanted_ticket": ticket}).mappings()
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


def begin(connection: Connection, ticket: str, handle: str, run_directory: str, started_at: datetime | None) -> None:
    """The command of an open attempt runs."""
    known = {"handle": handle, "run_directory": run_directory, "started_at": started_at}
    _CHANGE.run(connection, {"wanted_ticket": ticket, **known})


def close(connection: Connection, ticket: str, came_to: CameTo, now: datetime) -> None:
    """Nothing can run under its ticket any more; one that is closed stays as it is."""
    _CHANGE.run(connection, {"wanted_ticket": ticket, "closed_at": now, "came_to": came_to})


def still_needed(connection: Connection, tickets: Collection[str]) -> set[str]:
    """Those of the tickets whose attempts are open, or whose runs' logs are still to be taken in."""
    present = and_(_RUN.c.ticket == _ATTEMPT.c.ticket, or_(_RUN.c.ticket_open, ~_RUN.c.log_kept))
    known = select(_ATTEMPT.c.ticket).join(_RUN, _RUN.c.id == _ATTEMPT.c.run_id)
    known = known.where(_ATTEMPT.c.ticket.in_(tickets), or_(_IS_OPEN, present))
    # A scheduler of the version before may just have begun them.
    begun = select(_RUN.c.ticket).where(TICKET_OPEN, _RUN.c.ticket.in_(tickets))
    return {ticket for statement in (known, begun) for ticket in connection.execute(statement).scalars()}


def of_older_version(connection: Connection, now: datetime) -> tuple[list[dict[str, Any]], list[tuple[str, CameTo]]]:
    """What a scheduler of the version before, which knows no attempts, has left undone.

    Those that it made: rows for `add_all`. Those that it closed: the ticket of each, and what that came to.
    """
    made = [_row_of(row, now) for row in connection.execute(_UNRECORDED).mappings()]
    over: list[tuple[str, CameTo]] = []
    for ticket, is_present, source in connection.execute(_OVER):
        over.append((ticket, "void" if not is_present else "gone" if source == "inferred" else "ended"))
    return made, over


def _row_of(run: Any, now: datetime) -> dict[str, Any]:
    """The open attempt of a run that has none on record, as migration 0011 makes it."""
    return {
        **{name: run[name] for name in _COPIED},
        "run_id": run["id"],
        "number": run["attempts"] or 1,
        "scheduler": scheduler_of(run["ticket"], run["host"]),
        "share": run["share"] or "",
        "cpus": run["cpus"] or 1,
        "gpus": [],
        "claimed_at": run["claimed_at"] or now,
        "started_at": run["started_at"] if run["handle"] else None,
    }
