"""Recurring schedules, read. Nothing here changes anything."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from lackey.domain.recurrence import Rule
from lackey.domain.refusals import Invalid
from lackey.domain.schedule import Schedule, Tick
from lackey.services.catalogue.reading import application_id, project_id
from lackey.store import schedules
from lackey.store.database import Database

FIRINGS = 5


def listing(
    database: Database, application: int | str | None, project: int | str | None, before_id: int | None, limit: int
) -> list[Schedule]:
    """The newest first, below the id `before_id`; of one application or project, by id or name. Raises Invalid."""
    with database.read() as connection:
        of = application_id(connection, application), project_id(connection, project)
        return schedules.listing(connection, *of, before_id, limit)


def schedule(database: Database, schedule_id: int) -> Schedule:
    """One schedule. Raises NotFound."""
    with database.read() as connection:
        return schedules.get(connection, schedule_id)


def ticks(database: Database, schedule_id: int, before_id: int | None, limit: int) -> list[tuple[int, Tick]]:
    """Its history, the newest line first, each with its id."""
    with database.read() as connection:
        return schedules.ticks(connection, schedule_id, before_id, limit)


def last_ticks(database: Database, found: Sequence[Schedule]) -> dict[int, Tick]:
    """What came of the last time of each, by its id; those that never were due are left out."""
    with database.read() as connection:
        return schedules.last_ticks(connection, [one.id for one in found])


def firings_of(schedule: Schedule, now: datetime) -> list[datetime]:
    """When it fires next, five times at most; never while it is paused, and where its zone is not known here."""
    if schedule.next_at is None:
        return []
    try:
        return firings(schedule.rule, max(now, schedule.passed_at or now))
    except Invalid:
        return []


def firings(rule: Rule, after: datetime) -> list[datetime]:
    """The next five firings of a rule. Raises Invalid."""
    return list(islice(rule.firings(after), FIRINGS))
