"""What comes of schedules whose time has come: a run is made, or not, and their history says which.

A firing is dealt with in one transaction: the schedule moves on to its next time, guarded, the line of its history is
written, of which there can be one only for each time, and the run is made. So it fires once, whoever else is at it,
and wherever it is interrupted. What is to be done is reckoned before, for to count what was missed may take a while.
"""

import logging
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from lackey.domain.dependencies import Dependency, decision_of, family_of
from lackey.domain.recurrence import Before, Reckoning, overlapping, reckon
from lackey.domain.refusals import NotFound, Refusal, Unavailable
from lackey.domain.schedule import Schedule, Tick
from lackey.services.runs import scheduling
from lackey.services.runs.scheduling import Wanted
from lackey.store import dependencies, schedules
from lackey.store.database import Database

log = logging.getLogger(__name__)

_AT_ONCE = 20


def fire(database: Database, now: datetime) -> datetime | None:
    """Deal with some of the schedules whose time has come; when there is more to do, None: never, as far as is known.

    One that is faulty stops no other. Raises Unavailable.
    """
    with database.read() as connection:
        due = schedules.due(connection, now, _AT_ONCE)
        if not due:
            return schedules.next_at(connection)
    for schedule_id in due:
        try:
            _fire(database, schedule_id, now)
        except Unavailable:
            raise
        except Exception as error:
            # It can't be read, or its next time not be told. It would be met again each second.
            log.exception("schedule %d can't fire; it is paused", schedule_id)
            why = str(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
            database.write(partial(_stop, schedule_id=schedule_id, why=why, now=now))
    with database.read() as connection:
        return schedules.next_at(connection)


def _fire(database: Database, schedule_id: int, now: datetime) -> None:
    with database.read() as connection:
        try:
            schedule = schedules.get(connection, schedule_id)
        except NotFound:
            return
    if schedule.next_at is None or schedule.next_at > now:
        return
    reckoning = reckon(schedule.rule, schedule.next_at, now, schedule.catch_up)
    carry_out = partial(_carry_out, schedule=schedule, reckoning=reckoning, now=now)
    try:
        database.write(carry_out)
    except Unavailable:
        raise
    except Exception as error:
        log.exception("schedule %d can't make a run", schedule_id)
        database.write(partial(carry_out, fault=f"no run can be made: {type(error).__name__}: {error}"))


def _carry_out(
    connection: Connection, schedule: Schedule, reckoning: Reckoning, now: datetime, fault: str | None = None
) -> None:
    try:
        known = schedules.get(connection, schedule.id)
    except NotFound:
        return
    if known.revision != schedule.revision:
        return  # somebody has changed it, or another scheduler has dealt with this
    schedules.change(connection, known, {"next_at": reckoning.next_at, "passed_at": reckoning.passed_at})
    if reckoning.first_missed is not None:
        first, last = reckoning.first_missed, reckoning.last_missed
        missed = Tick(first, now, "missed", count=reckoning.missed, last_due_at=last, reason=_NOBODY_THERE)
        schedules.add_tick(connection, schedule.id, missed)
    if reckoning.fires is not None:
        tick = Tick(reckoning.fires, now, "caught_up" if reckoning.is_late else "made")
        tick = _made(connection, known, tick) if fault is None else replace(tick, came_to="refused", reason=fault)
        schedules.add_tick(connection, schedule.id, tick)
        log.info("schedule %d: %s: %s", schedule.id, tick.came_to, tick.reason or f"run {tick.run_id}")


_NOBODY_THERE = "no scheduler was at work, or the clock was put forward"


def _made(connection: Connection, schedule: Schedule, tick: Tick) -> Tick:
    """The line of its history, with the run that was made, or why none was."""
    decided = overlapping(schedule.overlap, _before(connection, schedule.id))
    if decided.skipped is not None:
        return replace(tick, came_to="skipped", reason=decided.skipped)
    try:
        return replace(tick, run_id=make(connection, schedule, tick.due_at, decided.after, tick.at))
    except Unavailable:
        raise
    except Refusal as refusal:
        return replace(tick, came_to="refused", reason=str(refusal))


def make(connection: Connection, schedule: Schedule, due: datetime, after: int | None, now: datetime) -> int:
    """Make what the schedule makes at a time at which it was due; the run's id. Raises Refusal, and writes nothing.

    `after`: a run that is to have ended before.
    """
    awaited = () if after is None else (Dependency(after, "ended"),)
    wanted = replace(wanted_of(schedule.application_id, schedule.parameters), at=due, after=awaited)
    run, _ = scheduling.make(
        connection, replace(wanted, schedule=schedule.id), schedule.by, now, made_by=f"schedule {schedule.id}"
    )
    return run.id


def wanted_of(application_id: int, parameters: dict[str, str]) -> Wanted:
    """What each of its times asks for."""
    return Wanted(application=application_id, parameters=parameters)


def _before(connection: Connection, schedule_id: int) -> Before:
    last = schedules.last_run(connection, schedule_id)
    if last is None:
        return Before()
    if decision_of(dependencies.members(connection, family_of(last))) is None:
        return Before(last.id, is_open=True, waits=schedules.has_waiting(connection, schedule_id))
    unended = schedules.last_unended(connection, schedule_id)
    return Before() if unended is None else Before(unended, is_open=True)


def _stop(connection: Connection, schedule_id: int, why: str, now: datetime) -> None:
    if schedules.stop(connection, schedule_id):
        schedules.add_tick(connection, schedule_id, Tick(now, now, "refused", reason=f"paused by lackey: {why}"))
