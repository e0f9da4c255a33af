"""lackey itself: the installation's name, the schedulers' heartbeats, who may lead."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

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


@dataclass(frozen=True)
class Heartbeat:
    """When a scheduler last said that it is there, and whether it claims runs. `name`: its host and its series.

    `slots`: how many runs it has at once; None: it does not say.
    """

    name: str
    started_at: datetime
    beat_at: datetime
    leads: bool
    slots: int | None = None


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


def forget_other_names(connection: Connection, series: str, name: str) -> None:
    """The scheduler of this series has this name: its host may have had another one before."""
    others = SchedulerRow.name.endswith(series), SchedulerRow.name != name
    connection.execute(delete(SchedulerRow).where(*others))


def heartbeats(connection: Connection) -> list[Heartbeat]:
    """Of all schedulers, the latest first."""
    rows = connection.execute(select(SchedulerRow.__table__).order_by(SchedulerRow.beat_at.desc())).mappings()
    return [Heartbeat(**row) for row in rows]


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
