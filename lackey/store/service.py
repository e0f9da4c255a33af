"""lackey itself: the installation's name, the schedulers' heartbeats, who may lead."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from lackey.store.models import InstallationRow, SchedulerRow

# Any number will do, as long as nothing else in the same database uses it.
_LEADERSHIP = 0x6C61636B6579


@dataclass(frozen=True)
class Heartbeat:
    """When a scheduler last said that it is there, and whether it claims runs. `name`: its host and its series."""

    name: str
    started_at: datetime
    beat_at: datetime
    leads: bool


def installation(connection: Connection) -> str | None:
    """The random name of this installation."""
    return connection.execute(select(InstallationRow.id)).scalar_one_or_none()


def found(connection: Connection, now: datetime) -> str:
    """The name of this installation, drawn now if it has none."""
    known = installation(connection)
    if known is None and connection.dialect.name == "postgresql":
        # Two services that start at once would else draw two names. On SQLite there is one writer anyway.
        connection.execute(text("LOCK TABLE installation IN EXCLUSIVE MODE"))
        known = installation(connection)
    if known is None:
        known = uuid.uuid4().hex
        connection.execute(insert(InstallationRow).values(id=known, created_at=now))
    return known


def beat(connection: Connection, heartbeat: Heartbeat) -> None:
    """Note that this scheduler is there."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(SchedulerRow).values(**vars(heartbeat))
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=vars(heartbeat)))


def heartbeats(connection: Connection) -> list[Heartbeat]:
    """Of all schedulers, the latest first."""
    rows = connection.execute(select(SchedulerRow.__table__).order_by(SchedulerRow.beat_at.desc())).mappings()
    return [Heartbeat(**row) for row in rows]


def try_to_lead(connection: Connection) -> bool:
    """PostgreSQL: take the session-level advisory lock; it is held as long as the connection lives."""
    return bool(connection.execute(text("SELECT pg_try_advisory_lock(:it)"), {"it": _LEADERSHIP}).scalar_one())


def time(connection: Connection) -> datetime | None:
    """PostgreSQL: what time it is by the server's clock; None on SQLite."""
    if connection.dialect.name != "postgresql":
        return None
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now
