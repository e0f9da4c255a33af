"""Attempts: add, read the open ones, close."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from lackey.domain.attempt import Attempt, CameTo
from lackey.store.models import AttemptRow
from lackey.store.models.attempt import OPEN

_ATTEMPT = AttemptRow.metadata.tables[AttemptRow.__tablename__]
_ADD = insert(_ATTEMPT)
_CHANGE = update(_ATTEMPT).where(OPEN, _ATTEMPT.c.ticket == bindparam("wanted_ticket"))
_OPEN = select(_ATTEMPT).where(OPEN)


def add_all(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert attempts; each names the same columns."""
    connection.execute(_ADD, rows)


def open_attempts(connection: Connection, executor: str) -> list[Attempt]:
    """Those of an executor under whose tickets something may run, the oldest first, of whichever scheduler."""
    statement = _OPEN.where(_ATTEMPT.c.executor == executor).order_by(_ATTEMPT.c.id)
    return [Attempt(**row) for row in connection.execute(statement).mappings()]


def change(connection: Connection, ticket: str, /, **values: Any) -> None:
    """Write to an open attempt."""
    connection.execute(_CHANGE.values(values), {"wanted_ticket": ticket})


def close(connection: Connection, ticket: str, came_to: CameTo, now: datetime, **values: Any) -> None:
    """Nothing can run under its ticket any more; one that is closed stays as it is."""
    change(connection, ticket, closed_at=now, came_to=came_to, **values)


def of_run(connection: Connection, run_id: int) -> list[Attempt]:
    """All of a run's, the first first."""
    statement = select(_ATTEMPT).where(_ATTEMPT.c.run_id == run_id).order_by(_ATTEMPT.c.number, _ATTEMPT.c.id)
    return [Attempt(**row) for row in connection.execute(statement).mappings()]
