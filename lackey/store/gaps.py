"""Gaps in which lackey could not hear (see `services.dispatch.hearing`), and when a web service last listened."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from lackey.store.models import GapRow, ListenerRow, SchedulerRow

_KEPT = timedelta(days=400)
_WEB = "web"


def add(connection: Connection, since: datetime, until: datetime) -> None:
    """Note that lackey could not hear between the two; those of more than a year ago are forgotten."""
    connection.execute(delete(GapRow).where(GapRow.until < until - _KEPT))
    statement = _insert(connection)(GapRow).values(since=since, until=until)
    later = statement.excluded.until > GapRow.until
    connection.execute(statement.on_conflict_do_update(index_elements=["since"], set_={"until": until}, where=later))


def after(connection: Connection, since: datetime) -> list[tuple[datetime, datetime]]:
    """Those that end after `since`, each from when to when; they may overlap."""
    rows = connection.execute(select(GapRow.since, GapRow.until).where(GapRow.until > since).order_by(GapRow.since))
    return [(since, until) for since, until in rows]


def listened(connection: Connection) -> datetime | None:
    """When a web service last said that it listens; None: none ever has."""
    return connection.execute(select(ListenerRow.at)).scalar_one_or_none()


def listen(connection: Connection, now: datetime) -> None:
    """A web service listens."""
    statement = _insert(connection)(ListenerRow).values(name=_WEB, at=now)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"at": now}))


def led(connection: Connection) -> datetime | None:
    """When a scheduler that claims runs was last heard from."""
    return connection.execute(select(func.max(SchedulerRow.beat_at)).where(SchedulerRow.leads)).scalar_one()


def forget_the_future(connection: Connection, now: datetime) -> None:
    """The clock was set back to `now`: what was noted by its later times counts as noted now."""
    connection.execute(delete(GapRow).where(GapRow.since >= now))
    connection.execute(update(GapRow).where(GapRow.until > now).values(until=now))
    connection.execute(update(ListenerRow).where(ListenerRow.at > now).values(at=now))
    connection.execute(update(SchedulerRow).where(SchedulerRow.beat_at > now).values(beat_at=now))


def _insert(connection: Connection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
