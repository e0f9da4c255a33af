"""Is the service well: database, schema, scheduler."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from lackey.domain.refusals import Refusal
from lackey.domain.resources import Capacity
from lackey.domain.run import scheduler_of
from lackey.store import clock, schema, service
from lackey.store.database import Database, unavailable
from lackey.store.service import Heartbeat

BEAT_EVERY = timedelta(seconds=10)
_BEAT_IS_LATE = timedelta(seconds=30)
# A leader says something once a second. One that does not for this long lets others lead.
LEADER_IS_SILENT = timedelta(seconds=30)


class Leadership:
    """The right to claim runs among the schedulers of one PostgreSQL database; held by a connection of its own."""

    def __init__(self, database: Database) -> None:
        """Nothing is taken yet."""
        self._database = database
        self._connection: Connection | None = None
        self._pid: int | None = None

    def take(self) -> bool:
        """Whether it is ours now. Raises Unavailable, and lets go, when the database is away."""
        try:
            with unavailable():
                self._connection = self._connection or self._database.reader.connect()
                if self._pid is None:
                    self._pid = service.try_to_lead(self._connection, LEADER_IS_SILENT)
                else:
                    service.say_something(self._connection)
        except BaseException:
            self.release()
            raise
        return self._pid is not None

    def is_ours(self, connection: Connection) -> bool:
        """Whether it still is, as the transaction on `connection` sees it."""
        return self._pid is not None and service.leads(connection, self._pid)

    def release(self) -> None:
        """Let the next one have it: the lock ends with its connection."""
        self._pid = None
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def found(database: Database, now: datetime) -> str:
    """The name of this installation, drawn if it has none yet."""
    return database.write(lambda connection: service.found(connection, now))


def beat(
    database: Database,
    name: str,
    started_at: datetime,
    leads: bool,
    now: datetime,
    capacity: Capacity | None = None,
    trouble: str | None = None,
    kept_for: int | None = None,
) -> None:
    """The scheduler of this name is there. See `Heartbeat`."""

    def work(connection: Connection) -> None:
        service.beat(connection, Heartbeat(name, started_at, now, leads, capacity, trouble, kept_for))
        if (series := scheduler_of(name)) != name:
            service.forget_other_names(connection, series, name)

    database.write(work)


def is_late(heartbeat: Heartbeat, now: datetime) -> bool:
    """Whether the scheduler should have been heard from again by now."""
    return now - heartbeat.beat_at >= _BEAT_IS_LATE


def leader(connection: Connection, now: datetime) -> Heartbeat | None:
    """The scheduler that claims runs, if one has been heard from lately."""
    return next((one for one in service.heartbeats(connection) if one.leads and not is_late(one, now)), None)


def schedulers(database: Database, now: datetime) -> list[tuple[Heartbeat, float]]:
    """Those heard from lately, the latest first, each with how long ago that was, in seconds. Raises Unavailable."""
    with database.read() as connection:
        beats = service.heartbeats(connection)
    return [(one, (now - one.beat_at).total_seconds()) for one in beats if not is_late(one, now)]


def server_time(database: Database) -> datetime | None:
    """What time it is by the clock of a PostgreSQL server; None: SQLite has no clock of its own. Raises Unavailable."""
    if database.is_sqlite:
        return None
    with database.read() as connection:
        return clock.server_time(connection)


def troubles(database: Database, now: datetime) -> list[str]:
    """What keeps the service from being ready, a sentence each; empty: it is ready."""
    try:
        at, needed = schema.current(database), schema.expected()
        # A later version's is none: while that one is brought in, this one goes on with it.
        if at != needed and (at is None or schema.is_known(at)):
            return [f"the schema is at {at or 'nothing'}, this version needs {needed}: lackey db upgrade"]
        with database.read() as connection:
            beats = service.heartbeats(connection)
    except Refusal as error:
        return [str(error)]
    if not any(one.leads and not is_late(one, now) for one in beats):
        return ["no scheduler has been heard from lately: lackey scheduler"]
    return []
