"""lackey itself: the installation's name, the schedulers' heartbeats, who may lead."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import Connection, delete, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from lackey.domain.resources import Capacity
from lackey.store.compiled import Compiled
from lackey.store.models import InstallationRow, SchedulerRow

# Any number will do, as long as nothing else in the same database uses it.
_LEADERSHIP = 0x6C61636B6579
# All in one statement, so that there is no moment at which the lock is held and silence has no end.
_TRY_TO_LEAD = text(
    "WITH tried AS MATERIALIZED (SELECT pg_try_advisory_lock(:it) AS ours)"
    " SELECT pg_backend_pid(),"
    " (SELECT set_config(name, :silence, false) FROM pg_settings WHERE name = 'idle_session_timeout')"
    " FROM tried WHERE ours"
)
_LEADS = text(
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = :pid AND objsubid = 1"
    " AND classid = :high AND objid = :low"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_SCHEDULER = SchedulerRow.metadata.tables[SchedulerRow.__tablename__]
_NAMES = tuple(column.name for column in _SCHEDULER.columns)
_HEARTBEATS = Compiled(select(_SCHEDULER).order_by(_SCHEDULER.c.beat_at.desc()))


@dataclass(frozen=True)
class Heartbeat:
    """When a scheduler last said that it is there, and whether it claims runs. `name`: its host and its series.

    `capacity` is what it has for runs; None: it does not say, being of the version before. `trouble`: why it launches
    nothing at all now. `kept_for`: the run for which it keeps what is free.
    """

    name: str
    started_at: datetime
    beat_at: datetime
    leads: bool
    capacity: Capacity | None = None
    trouble: str | None = None
    kept_for: int | None = None

    def to_row(self) -> dict[str, Any]:
        """As it is stored. `slots` is what the version before reads."""
        has = self.capacity
        return {
            **{name: value for name, value in vars(self).items() if name != "capacity"},
            "slots": has.slots if has else None,
            "cpus": has.cpus if has else None,
            "memory_bytes": has.memory_bytes if has else None,
            "gpus": list(has.gpus) if has else None,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The inverse."""
        has = {name: row[name] for name in ("cpus", "memory_bytes", "gpus", "slots")}
        capacity = None if has["cpus"] is None else Capacity(**{**has, "gpus": tuple(has["gpus"] or ())})
        return cls(capacity=capacity, **{name: value for name, value in row.items() if name not in has})


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
    statement = make(SchedulerRow).values(row := heartbeat.to_row())
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))


def forget_other_names(connection: Connection, series: str, name: str) -> None:
    """The scheduler of this series has this name: its host may have had another one before."""
    others = SchedulerRow.name.endswith(series), SchedulerRow.name != name
    connection.execute(delete(SchedulerRow).where(*others))


def heartbeats(connection: Connection) -> list[Heartbeat]:
    """Of all schedulers, the latest first."""
    return [Heartbeat.from_row(dict(zip(_NAMES, row, strict=True))) for row in _HEARTBEATS.rows(connection, {})]


def try_to_lead(connection: Connection, silence: timedelta) -> int | None:
    """PostgreSQL: take the session-level advisory lock, held as long as the connection lives; the session's pid then.

    The server itself ends a session that was silent for as long as `silence`: the leader's host may have lost its
    power, or its scheduler be stopped, and no word of that ever comes. (Before version 14 it does not.)
    """
    given = {"it": _LEADERSHIP, "silence": f"{silence // timedelta(milliseconds=1)}ms"}
    return connection.execute(_TRY_TO_LEAD, given).scalar()


def say_something(connection: Connection) -> None:
    """A sign of life, for a server that ends silent sessions."""
    connection.execute(text("SELECT 1"))


def leads(connection: Connection, pid: int) -> bool:
    """PostgreSQL: whether the session of this pid holds the advisory lock; asked on any connection."""
    known = {"high": _LEADERSHIP >> 32, "low": _LEADERSHIP & 0xFFFFFFFF, "pid": pid}
    return connection.execute(_LEADS, known).first() is not None
