"""Recurring schedules."""

from datetime import datetime
from functools import partial
from typing import Any

from lackey.domain import recurrence
from lackey.domain.recurrence import Rule
from lackey.domain.refusals import Conflict, NotFound, invalid
from lackey.domain.schedule import Schedule, Tick
from lackey.domain.sweep import Spread
from lackey.services.schedules import changing, reading
from lackey.web.call import Call, Service
from lackey.web.paging import page, page_of
from lackey.web.routes import route
from lackey.web.schemas.base import PageQuery
from lackey.web.schemas.schedules import (
    Firings,
    NewSchedule,
    Preview,
    ScheduleChange,
    ScheduleHistory,
    ScheduleOut,
    ScheduleQuery,
    Schedules,
    TickOut,
)
from lackey.web.schemas.types import cursor


@route("GET", "/api/schedule", scope="read")
def schedules(call: Call, query: ScheduleQuery) -> Schedules:
    """List the recurring schedules, newest first."""
    read = partial(reading.listing, call.database, query.application, query.project)
    return page(Schedules, query, read, partial(_out, now=call.now), lambda schedule: schedule.id)


@route("POST", "/api/schedule", scope="manage", status=201, may=[Conflict, NotFound])
def add_schedule(call: Call, body: NewSchedule) -> ScheduleOut:
    """Make a recurring schedule."""
    values = {**body.model_dump(), "timezone": zone_of(call.service, body.timezone)}
    return _out(changing.add(call.database, values, call.by, call.now, call.once, call.service.capacity), call.now)


@route("POST", "/api/schedule/preview", scope="read")
def preview(call: Call, body: Preview) -> Firings:
    """Show when a rule would fire, and make nothing."""
    rule = Rule(body.cron, zone_of(call.service, body.timezone))
    recurrence.check(rule, call.now)
    return Firings(timezone=rule.timezone, firings=reading.firings(rule, call.now))


@route("GET", "/api/schedule/<schedule_id:id>", scope="read")
def show_schedule(call: Call, schedule_id: int, query: PageQuery) -> ScheduleHistory:
    """Show a schedule, when it fires next, and what came of the times at which it was due."""
    found = reading.schedule(call.database, schedule_id)

    def read(before_id: int | None, limit: int) -> tuple[list[tuple[int, Tick]], None]:
        return reading.ticks(call.database, schedule_id, before_id, limit), None

    ticks, reached = page_of(query.limit, query.cursor, read, lambda one: _tick(one[1]), lambda one: one[0])
    following = None if reached is None else cursor(reached)
    return ScheduleHistory(**_fields(found, call.now), ticks=ticks, next=following)


@route("PUT", "/api/schedule/<schedule_id:id>", scope="manage", may=[Conflict])
def change_schedule(call: Call, schedule_id: int, body: ScheduleChange) -> ScheduleOut:
    """Change the fields given.

    With another rule, and after a pause, it goes on with the first time after now; what it missed is not caught up.
    """
    values = body.given()
    if "timezone" in values:
        values["timezone"] = zone_of(call.service, values["timezone"])
    return _out(changing.change(call.database, schedule_id, values, call.now, call.service.capacity), call.now)


@route("DELETE", "/api/schedule/<schedule_id:id>", scope="manage", status=204)
def remove_schedule(call: Call, schedule_id: int) -> None:
    """Remove a schedule with its history; the runs that it has made stay."""
    changing.remove(call.database, schedule_id)


def zone_of(service: Service, told: str) -> str:
    """The zone that is told, or the server's own if none is. Raises Invalid if that has no name."""
    if told:
        return told
    if service.timezone is None:
        raise invalid("timezone", "is needed: this server does not tell the name of its own zone; UTC is one")
    return service.timezone


def _out(schedule: Schedule, now: datetime) -> ScheduleOut:
    return ScheduleOut(**_fields(schedule, now))


def _fields(schedule: Schedule, now: datetime) -> dict[str, Any]:
    hidden = ("application_id", "next_at", "passed_at", "revision", "sweep")
    shown = {name: value for name, value in vars(schedule).items() if name not in hidden}
    spread = vars(schedule.sweep or Spread({}, []))
    return {**shown, **spread, "runs": spread["runs"] or None, "firings": reading.firings_of(schedule, now)}


def _tick(tick: Tick) -> TickOut:
    shown = {name: value for name, value in vars(tick).items() if name not in ("run_id", "sweep_id")}
    return TickOut(**shown, run=tick.run_id, sweep=tick.sweep_id)
