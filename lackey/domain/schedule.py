"""A recurring schedule, and its history."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lackey.domain.recurrence import CatchUp, Overlap, Rule
from lackey.domain.sweep import Spread

# `made`, or `caught_up` of one that was missed: a run was made, or a sweep. `skipped`: one before had not ended.
# `refused`: none could be made of it. `missed`: nobody was there, and they were let go.
CameTo = Literal["made", "caught_up", "skipped", "refused", "missed"]


@dataclass(frozen=True)
class Schedule:
    """A rule by which runs of an application are made again and again, as `by`.

    `sweep`: it makes not one run each time, but one for each of these points. `application` is its full name.
    `next_at`: when it fires next; None while it is `paused`, and if it never does. `passed_at`: the last time that
    was dealt with; none up to then is dealt with again, whatever the clock shows. `revision` grows with each
    change.
    """

    id: int
    application_id: int
    application: str
    parameters: dict[str, str]
    cron: str
    timezone: str
    overlap: Overlap
    catch_up: CatchUp
    paused: bool
    by: str
    created_at: datetime
    next_at: datetime | None
    passed_at: datetime | None
    revision: int
    sweep: Spread | None = None

    @property
    def rule(self) -> Rule:
        """When it fires."""
        return Rule(self.cron, self.timezone)


@dataclass(frozen=True)
class Tick:
    """A line of a schedule's history: what a time came to at which it was due, told `at`; the `reason` in a sentence.

    Of those `missed` one line tells all: how many (`count`, up to one more than `COUNTED_AT_MOST`), and when the last
    of them was due.
    """

    due_at: datetime
    at: datetime
    came_to: CameTo
    run_id: int | None = None
    reason: str | None = None
    count: int = 1
    last_due_at: datetime | None = None
    sweep_id: int | None = None
