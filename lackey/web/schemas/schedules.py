"""Recurring schedules."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from lackey.domain.recurrence import COUNTED_AT_MOST, CatchUp, Overlap
from lackey.domain.schedule import CameTo
from lackey.web.schemas.base import Answer, Body, Page, PageQuery
from lackey.web.schemas.sweeps import GivenValues, MaxRunning
from lackey.web.schemas.types import ParameterValue, Reference, Variable

_CRON = "minute, hour, day of the month, month, day of the week: `0 2 * * *` is each night at two"
_OVERLAP = (
    "while the run before, or a retry of it, has not ended: `skip` makes none, `queue` one that waits for that end "
    "(one at most waits; further ones are skipped; not for a sweep), `allow` runs both"
)
_CATCH_UP = (
    "after a time in which no scheduler was at work: `latest` makes a run for the last time that was missed, `none` "
    "makes none; five minutes late is not missed"
)

Cron = Annotated[str, Field(min_length=1, max_length=200, description=_CRON)]
Timezone = Annotated[str, Field(max_length=100, description="of the IANA database; left out, the server's own")]


class ScheduleChange(Body):
    """The fields of a schedule that are to change."""

    application: Annotated[Reference, Field(description="id or `project/name`")] = ""
    parameters: dict[Variable, ParameterValue] = {}
    grid: Annotated[
        dict[Variable, GivenValues],
        Field(description="it makes a sweep each time: a run for each combination; empty: none of these"),
    ] = {}
    points: Annotated[
        list[dict[Variable, ParameterValue]], Field(description="in place of `grid`: a run for each row")
    ] = []
    max_running: MaxRunning | None = None
    cron: Cron = ""
    timezone: Timezone = ""
    overlap: Annotated[Overlap, Field(description=_OVERLAP)] = "skip"
    catch_up: Annotated[CatchUp, Field(description=_CATCH_UP)] = "latest"
    paused: Annotated[bool, Field(description="true: it makes none, and what it misses is not caught up")] = False


class NewSchedule(ScheduleChange):
    """A schedule to make."""

    application: Annotated[Reference, Field(description="id or `project/name`")]
    cron: Cron


class Preview(Body):
    """A rule to be tried out."""

    cron: Cron
    timezone: Timezone = ""


class Firings(Answer):
    """When a rule fires next."""

    timezone: str
    firings: Annotated[list[datetime], Field(description="the next five")]


class TickOut(Answer):
    """What came of a time at which a schedule was due; of those missed one line tells all, from `due_at` on."""

    due_at: datetime
    last_due_at: Annotated[datetime | None, Field(description="of those missed, when the last one was due")]
    at: Annotated[datetime, Field(description="when this was told")]
    came_to: CameTo
    count: Annotated[int, Field(description=f"how many were missed; {COUNTED_AT_MOST + 1}: that many, or more")]
    run: int | None
    sweep: int | None
    reason: str | None


class ScheduleOut(Answer):
    """A schedule. `application` is its full name; its runs are `by`'s."""

    PATH: ClassVar[str] = "/api/schedule"

    id: int
    application: str
    parameters: dict[str, str]
    grid: Annotated[dict[str, str | list[str]], Field(description="as it was given")]
    points: list[dict[str, str]]
    max_running: int | None
    runs: Annotated[int | None, Field(description="how many it makes each time; null: one, and no sweep")]
    cron: str
    timezone: str
    overlap: Overlap
    catch_up: CatchUp
    paused: bool
    by: str
    created_at: datetime
    firings: Annotated[list[datetime], Field(description="the next five; none while it is paused")]


class ScheduleHistory(ScheduleOut):
    """A schedule, and what came of the times at which it was due, the latest first."""

    ticks: list[TickOut]
    next: Annotated[str | None, Field(description="the `cursor` of further ticks; null where there are none")] = None


class Schedules(Page[ScheduleOut]):
    """Schedules, newest first."""


class ScheduleQuery(PageQuery):
    """Which schedules."""

    application: Annotated[Reference | None, Field(description="id or `project/name`")] = None
    project: Annotated[Reference | None, Field(description="id or name")] = None
