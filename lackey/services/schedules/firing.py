"""What comes of schedules whose time has come: a run is made, or not, and their history says which.

A firing is dealt with in one transaction: the schedule moves on to its next time, guarded, the line of its history is
written, of which there can be one only for each time, and the run is made. So it fires once, whoever else is at it,
and wherever it is interrupted. What is to be done is reckoned before, for to count what was missed may take a while.

A sweep is written before, too, in pieces, so many in a call: nothing of it counts until that same transaction completes
it. What is written by a scheduler that dies is removed as that of any other maker (`services.sweeps.making`).
"""

import logging
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from lackey.domain.dependencies import Dependency, decision_of, family_of
from lackey.domain.recurrence import Before, Reckoning, overlapping, reckon
from lackey.domain.refusals import NotFound, Refusal, Unavailable
from lackey.domain.schedule import Schedule, Tick
from lackey.domain.sweep import Spread
from lackey.services.runs import scheduling
from lackey.services.runs.scheduling import Wanted
from lackey.services.sweeps.making import Draft, WantedSweep
from lackey.store import dependencies, schedules, sweep_points, sweeps
from lackey.store.database import Database

log = logging.getLogger(__name__)

_AT_ONCE = 20
# So many pieces of each sweep are written in one call: it takes less than 50 ms.
_PIECES_AT_ONCE = 4


class Drafts:
    """The sweeps that are being written, by their schedules, each for a revision of it. They can be lost."""

    def __init__(self) -> None:
        """None is."""
        self._of: dict[int, tuple[int, Draft]] = {}

    def of(self, database: Database, schedule: Schedule, due: datetime, now: datetime) -> Draft:
        """The one of this schedule, begun if it is not. Raises Refusal."""
        revision, draft = self._of.get(schedule.id, (None, None))
        if draft is None or revision != schedule.revision:
            self.drop(schedule.id)
            names = [] if schedule.sweep is None else schedule.sweep.names
            draft = Draft(database, wanted_sweep(schedule), names, schedule.by, schedule.id, due, now)
            self._of[schedule.id] = schedule.revision, draft
        return draft

    def drop(self, schedule_id: int) -> None:
        """It is completed, or not wanted any more."""
        if schedule_id in self._of:
            _, draft = self._of.pop(schedule_id)
            with suppress(Unavailable):
                draft.drop()

    def keep_only(self, due: Collection[int]) -> None:
        """Drop those of schedules that are not due any more."""
        for schedule_id in self._of.keys() - set(due):
            self.drop(schedule_id)


def fire(database: Database, now: datetime, drafts: Drafts | None = None) -> datetime | None:
    """Deal with some of the schedules whose time has come; when there is more to do, None: never, as far as is known.

    `drafts`: what earlier calls have written of sweeps; without them each is written in one call. One that is faulty
    stops no other. Raises Unavailable.
    """
    with database.read() as connection:
        due = schedules.due(connection, now, _AT_ONCE)
        if drafts is not None:
            drafts.keep_only(due)
        if not due:
            return schedules.next_at(connection)
    for schedule_id in due:
        try:
            _fire(database, schedule_id, now, drafts)
        except Unavailable:
            if drafts is not None:
                drafts.drop(schedule_id)
            raise
        except Exception as error:
            # It can't be read, or its next time not be told. It would be met again each second.
            log.exception("schedule %d can't fire; it is paused", schedule_id)
            why = str(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
            database.write(partial(_stop, schedule_id=schedule_id, why=why, now=now))
    with database.read() as connection:
        return schedules.next_at(connection)


def _fire(database: Database, schedule_id: int, now: datetime, drafts: Drafts | None) -> None:
    with database.read() as connection:
        try:
            schedule = schedules.get(connection, schedule_id)
        except NotFound:
            return
    if schedule.next_at is None or schedule.next_at > now:
        return
    reckoning = reckon(schedule.rule, schedule.next_at, now, schedule.catch_up)
    carry_out = partial(_carry_out, schedule=schedule, reckoning=reckoning, now=now)
    kept = drafts or Drafts()
    try:
        draft = None
        if schedule.sweep is not None and reckoning.fires is not None and not _is_skipped(database, schedule):
            draft = kept.of(database, schedule, reckoning.fires, now)
            if not _is_written(draft, now, None if drafts is None else _PIECES_AT_ONCE):
                return
        database.write(partial(carry_out, draft=draft))
    except Unavailable:
        raise
    except Refusal as refusal:
        database.write(partial(carry_out, fault=str(refusal)))
    except Exception as error:
        log.exception("schedule %d can't make a run", schedule_id)
        database.write(partial(carry_out, fault=f"no run can be made: {type(error).__name__}: {error}"))
    kept.drop(schedule_id)


def _is_skipped(database: Database, schedule: Schedule) -> bool:
    """Whether it would be in vain to write a sweep."""
    with database.read() as connection:
        return overlapping(schedule.overlap, _before(connection, schedule.id)).skipped is not None


def _is_written(draft: Draft, now: datetime, at_most: int | None) -> bool:
    """Write some pieces, or all; whether it is written now."""
    while at_most is None or at_most > 0:
        if not draft.go_on(now):
            return True
        at_most = None if at_most is None else at_most - 1
    return False


def _carry_out(
    connection: Connection,
    schedule: Schedule,
    reckoning: Reckoning,
    now: datetime,
    fault: str | None = None,
    draft: Draft | None = None,
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
        tick = (
            _made(connection, known, tick, draft) if fault is None else replace(tick, came_to="refused", reason=fault)
        )
        schedules.add_tick(connection, schedule.id, tick)
        made = f"run {tick.run_id}" if tick.sweep_id is None else f"sweep {tick.sweep_id}"
        log.info("schedule %d: %s: %s", schedule.id, tick.came_to, tick.reason or made)


_NOBODY_THERE = "no scheduler was at work, or the clock was put forward"


def _made(connection: Connection, schedule: Schedule, tick: Tick, draft: Draft | None) -> Tick:
    """The line of its history, with the run or the sweep that was made, or why none was."""
    decided = overlapping(schedule.overlap, _before(connection, schedule.id))
    if decided.skipped is not None:
        return replace(tick, came_to="skipped", reason=decided.skipped)
    try:
        if draft is not None:
            draft.complete(connection, decided.after, tick.at)
            return replace(tick, sweep_id=draft.sweep_id)
        if schedule.sweep is not None:
            raise Unavailable("what kept it from making a sweep has ended meanwhile: it is tried again at once")
        return replace(tick, run_id=make(connection, schedule, tick.due_at, decided.after, tick.at))
    except Unavailable:
        raise
    except Refusal as refusal:
        return replace(tick, came_to="refused", reason=str(refusal))


def make(connection: Connection, schedule: Schedule, due: datetime, after: Dependency | None, now: datetime) -> int:
    """Make what the schedule makes at a time at which it was due; the run's id. Raises Refusal, and writes nothing.

    `after`: what is to have ended before.
    """
    awaited = () if after is None else (after,)
    wanted = replace(wanted_of(schedule.application_id, schedule.parameters), at=due, after=awaited)
    run, _ = scheduling.make(
        connection, replace(wanted, schedule=schedule.id), schedule.by, now, made_by=f"schedule {schedule.id}"
    )
    return run.id


def wanted_of(application_id: int, parameters: dict[str, str]) -> Wanted:
    """What each of its times asks for."""
    return Wanted(application=application_id, parameters=parameters)


def wanted_sweep(schedule: Schedule) -> WantedSweep:
    """What each of its times asks for, if that is a sweep."""
    spread = schedule.sweep or Spread({}, [])
    wanted = wanted_of(schedule.application_id, schedule.parameters)
    return WantedSweep(wanted, spread.each, spread.max_running)


def _before(connection: Connection, schedule_id: int) -> Before:
    sweep_id = sweeps.last_of_schedule(connection, schedule_id)
    if sweep_id is not None and sweep_points.counts(connection, [sweep_id])[sweep_id].outcome is None:
        return Before(sweep_id=sweep_id, waits=sweeps.get(connection, sweep_id).unmet > 0)
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
