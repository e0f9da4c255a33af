"""Recurring schedules: make, change, remove."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lackey.domain.recurrence import Rule, check
from lackey.domain.refusals import invalid
from lackey.domain.resources import Capacity
from lackey.domain.schedule import Schedule
from lackey.domain.sweep import Spread
from lackey.services.idempotency import Once, answered, remember
from lackey.services.runs import scheduling
from lackey.services.schedules.firing import wanted_of
from lackey.services.sweeps import making
from lackey.services.sweeps.making import WantedSweep
from lackey.store import applications, schedules
from lackey.store.database import Database

# What makes it one of a sweep, as `values` have it.
_SPREAD = ("grid", "points", "max_running")


def add(
    database: Database,
    values: dict[str, Any],
    by: str,
    now: datetime,
    once: Once | None = None,
    capacity: Capacity | None = None,
) -> Schedule:
    """Make a schedule. `values` as the contract lists them; `application` is an id or `project/name`.

    It makes its runs as `by`. What no run could be made of now is refused. Raises Invalid, NotFound, Conflict.
    """
    rule = Rule(values["cron"], values["timezone"])
    check(rule, now)
    refuse_unfit(database, values, now, capacity)
    spread = spread_of(values)

    def work(connection: Connection) -> Schedule:
        known = answered(connection, once, now, schedules.get)
        if known is None:
            columns = _columns(connection, values, spread)
            next_at = None if values["paused"] else rule.next(now)
            made = {**columns, "by": by, "created_at": now, "next_at": next_at, "passed_at": None}
            known = schedules.add(connection, made)
            remember(connection, once, known, now)
        return schedules.get(connection, known)

    return database.write(work)


def change(
    database: Database, schedule_id: int, values: dict[str, Any], now: datetime, capacity: Capacity | None = None
) -> Schedule:
    """Change the fields given. Raises NotFound, Invalid, Conflict.

    With another rule, and when it goes on after a pause, it fires next at the first time after now: what was due before
    and made no run yet is let go.
    """

    with database.read() as connection:
        before = schedules.get(connection, schedule_id)
    spread = spread_of(values, before.sweep)
    if values.keys() & {"application", "parameters", "overlap", *_SPREAD}:
        refuse_unfit(database, values, now, capacity, before)

    def work(connection: Connection) -> Schedule:
        known = schedules.get(connection, schedule_id)
        columns = _columns(connection, values, spread)
        changed = {**vars(known), **columns}
        rule = Rule(changed["cron"], changed["timezone"])
        if "cron" in columns or "timezone" in columns:
            check(rule, now)
        if changed["paused"]:
            columns["next_at"] = None
        elif known.paused or rule != known.rule:
            columns["next_at"] = rule.next(max(now, known.passed_at or now))
        if columns:
            schedules.change(connection, known, columns)
        return schedules.get(connection, schedule_id)

    return database.write(work)


def remove(database: Database, schedule_id: int) -> None:
    """Remove a schedule with its history. The runs that it has made stay. Raises NotFound."""

    def work(connection: Connection) -> None:
        schedules.get(connection, schedule_id)
        schedules.remove(connection, schedule_id)

    database.write(work)


def spread_of(values: dict[str, Any], known: Spread | None = None) -> Spread | None:
    """The points of the sweep that it makes; None: it makes a run. Those that are given take the place of others."""
    stored = vars(known or Spread({}, []))
    grid, points = values.get("grid"), values.get("points")
    of: dict[str, Any] = {"grid": {}, "points": []} if grid or points else {}
    given = {name: values[name] for name in _SPREAD if name in values}
    found = Spread(**{**stored, **of, **given})
    if found.grid and found.points:
        raise invalid("grid", "is there together with `points`, and one of them is taken")
    if found.grid or found.points:
        return replace(found, runs=found.size()) if given else found
    if values.get("max_running") is not None:
        raise invalid("max_running", "is of a sweep: it needs `grid` or `points`")
    return None


def _columns(connection: Connection, values: dict[str, Any], spread: Spread | None) -> dict[str, Any]:
    columns = {name: value for name, value in values.items() if name not in ("application", *_SPREAD)}
    if values.keys() & set(_SPREAD):
        columns["sweep"] = None if spread is None else vars(spread)
    if "application" in values:
        columns["application_id"] = applications.application(connection, values["application"]).id
    return columns


def refuse_unfit(
    database: Database,
    values: dict[str, Any],
    now: datetime,
    capacity: Capacity | None = None,
    known: Schedule | None = None,
) -> None:
    """Raises Invalid, NotFound, Conflict, TooMany for what nothing could be made of now.

    `values` as the contract lists them; what is not among them is as in the schedule that is `known`.
    """
    spread, asked = spread_of(values, known.sweep if known else None), values
    if known is not None:
        asked = {**vars(known), "application": known.application_id, **values}
    with database.read() as connection:
        application = applications.application(connection, asked["application"]).id
        wanted = wanted_of(application, asked["parameters"])
        if spread is None:
            scheduling.check(connection, wanted, now, capacity)
            return
    making.check(database, WantedSweep(wanted, spread.each, spread.max_running), now, capacity)
