"""The history of runs."""

from sqlalchemy import Connection, insert, select

from lackey.domain.run import Event
from lackey.store.models import EventRow


def add(connection: Connection, event: Event) -> None:
    """Write one line of history."""
    connection.execute(
        insert(EventRow).values(
            run_id=event.run_id, at=event.at, kind=event.kind, by=event.by, text=event.text, details=event.details
        )
    )


def of_run(connection: Connection, run_id: int, before_id: int | None, limit: int) -> list[tuple[int, Event]]:
    """The newest events of a run first, each with its id."""
    statement = select(EventRow.__table__).where(EventRow.run_id == run_id)
    if before_id is not None:
        statement = statement.where(EventRow.id < before_id)
    rows = connection.execute(statement.order_by(EventRow.id.desc()).limit(limit)).mappings()
    return [(row["id"], Event(**{name: row[name] for name in row if name != "id"})) for row in rows]
