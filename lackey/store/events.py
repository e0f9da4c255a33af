"""The history of runs."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from lackey.domain.limits import EVENTS
from lackey.domain.run import Event
from lackey.store import waiting_writes
from lackey.store.compiled import FIRST, Compiled
from lackey.store.models import EventRow

_EVENT = EventRow.metadata.tables[EventRow.__tablename__]
_ADD = Compiled(insert(_EVENT).inline())
_LAST_ROOM = Compiled(
    select(_EVENT.c.id)
    .where(_EVENT.c.run_id == bindparam("wanted_id"))
    .order_by(_EVENT.c.id)
    .limit(FIRST)
    .offset(bindparam("most"))
)


def add(connection: Connection, event: Event) -> None:
    """Write one line of history."""
    waiting_writes.insert(connection, _ADD, vars(event))


def add_all(connection: Connection, some: Iterable[Event]) -> None:
    """Write lines of history, one at least."""
    _ADD.run_each(connection, [vars(event) for event in some])


def has_room(connection: Connection, run_id: int) -> bool:
    """Whether the run's history has fewer than `EVENTS` lines: else what a client can repeat is written no more."""
    return not _LAST_ROOM.rows(connection, {"wanted_id": run_id, "most": EVENTS - 1})


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
