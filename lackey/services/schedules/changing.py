"""Recurring schedules: make, change, remove."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lackey.domain.recurrence import Rule, check
from lackey.domain.resources import Capacity
from lackey.domain.schedule import Schedule
from lackey.services.idempotency import Once, answered, remember
from lackey.services.runs import scheduling
from lackey.services.schedules.firing import wanted_of
from lackey.store import applications, schedules
from lackey.store.database import Database


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

    def work(connection: Connection) -> Schedule:
        known = answered(connection, once, now, schedules.get)
        if known is None:
            columns = _columns(connection, values)
            _refuse_unfit(connection, columns, now, capacity)
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

    def work(connection: Connection) -> Schedule:
        known = schedules.get(connection, schedule_id)
        columns = _columns(connection, values)
        changed = {**vars(known), **columns}
        rule = Rule(changed["cron"], changed["timezone"])
        if "cron" in columns or "timezone" in columns:
            check(rule, now)
        if "application_id" in columns or "parameters" in columns:
            _refuse_unfit(connection, changed, now, capacity)
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


def _columns(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
    columns = {name: value for name, value in values.items() if name != "application"}
    if "application" in values:
        columns["application_id"] = applications.application(connection, values["application"]).id
    return columns


def _refuse_unfit(connection: Connection, columns: dict[str, Any], now: datetime, capacity: Capacity | None) -> None:
    scheduling.check(connection, wanted_of(columns["application_id"], columns["parameters"]), now, capacity)
