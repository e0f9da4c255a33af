"""The history of runs."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, insert, select

from lackey.domain.limits import EVENTS
from lackey.domain.run import Event
from lackey.store.models import EventRow

_EVENT = EventRow.metadata.tables[EventRow.__tablename__]
_ADD = insert(_EVENT)


def add(connection: Connection, event: Event) -> None:
    """Write one line of history."""
    connection.execute(_ADD, vars(event))


def add_all(connection: Connection, some: Iterable[Event]) -> None:
    """Write lines of history, one at least."""
    connection.execute(_ADD, [vars(event) for event in some])


def has_room(connection: Connection, run_id: int) -> bool:
    """Whether the run's history has fewer than `EVENTS` lines: else what a client can repeat is written no more."""
    statement = select(EventRow.id).where(EventRow.run_id == run_id).order_by(EventRow.id)
    return connection.execute(statement.limit(1).offset(EVENTS - 1)).first() is None


def details_of(connection: Connection, run_id: int, kind: str, limit: int) -> list[dict[str, Any]]:
    """The details of the first events of one kind in a run's history."""
    statement = select(EventRow.details).where(EventRow.run_id == run_id, EventRow.kind == kind)
    return list(connection.execute(statement.order_by(EventRow.id).limit(limit)).scalars())


def of_run(connection: Connection, run_id: int, before_id: int | None, limit: int) -> list[tuple[int, Event]]:
    """The newest events of a run first, each with its id."""
    statement = select(_EVENT).where(EventRow.run_id == run_id)
    if before_id is not None:
        statement = statement.where(EventRow.id < before_id)
    rows = connection.execute(statement.order_by(EventRow.id.desc()).limit(limit)).mappings()
    return [(row["id"], Event(**{name: row[name] for name in row if name != "id"})) for row in rows]
