"""What pages show of recurring schedules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lackey.domain.recurrence import COUNTED_AT_MOST, Rule
from lackey.domain.run import RunState
from lackey.domain.schedule import Schedule, Tick
from lackey.services.runs import queries
from lackey.services.schedules import reading
from lackey.web.visits import Visit


@dataclass(frozen=True)
class Firing:
    """A time at which a schedule fires, and what the clocks of its zone show then."""

    at: datetime
    clock: str


@dataclass(frozen=True)
class ShownTick:
    """A line of a schedule's history. `state`: of the run that was made, if that is kept still."""

    tick: Tick
    state: RunState | None

    @property
    def times(self) -> str:
        """How many times it tells of, as far as they are counted."""
        count = self.tick.count
        return f"more than {COUNTED_AT_MOST}" if count > COUNTED_AT_MOST else str(count)


@dataclass(frozen=True)
class ShownSchedule:
    """A schedule in a table: what its expression means, when it fires next, what came of the last time."""

    schedule: Schedule
    words: str
    next: Firing | None
    last: ShownTick | None


def firings_by_clock(rule: Rule, firings: Sequence[datetime]) -> list[Firing]:
    """Times as the clocks of the rule's zone show them. Raises Invalid."""
    local = [(at, rule.by_its_clocks(at)) for at in firings]
    return [Firing(at, f"{clock:%a %Y-%m-%d %H:%M} {clock.tzname()}") for at, clock in local]


def schedule_rows(visit: Visit, found: Sequence[Schedule]) -> list[ShownSchedule]:
    """The rows of schedules, in the order given."""
    if not found:
        return []
    last = reading.last_ticks(visit.database, found)
    shown = dict(zip(last, tick_rows(visit, list(last.values())), strict=True))
    return [_row(visit, each, shown.get(each.id)) for each in found]


def _row(visit: Visit, schedule: Schedule, last: ShownTick | None) -> ShownSchedule:
    firings = firings_by_clock(schedule.rule, reading.firings_of(schedule, visit.now)[:1])
    return ShownSchedule(schedule, schedule.rule.in_words(), firings[0] if firings else None, last)


def tick_rows(visit: Visit, ticks: Sequence[Tick]) -> list[ShownTick]:
    """Lines of a history, with the states of the runs that were made."""
    made = [tick.run_id for tick in ticks if tick.run_id is not None]
    runs = queries.these_runs(visit.database, made) if made else {}
    return [ShownTick(tick, runs[tick.run_id].state if tick.run_id in runs else None) for tick in ticks]
