"""Runs, and what is kept of them."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from lackey.domain.run import ACTIVE, FINAL, RunState
from lackey.web.schemas.base import Answer, Body, Limit, Page, PageQuery, Paths, Query
from lackey.web.schemas.types import (
    Executor,
    Id,
    Moment,
    MomentOrNow,
    NotCounted,
    ParameterValue,
    Priority,
    Reference,
    Retries,
    RunCursor,
    Seconds,
    ShortText,
    Variable,
)

_FIGURE = {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]}
_FORM_PARAMETER = "parameters."
_GROUPS = {"active": ACTIVE, "final": FINAL, **{state.value: frozenset({state}) for state in RunState}}


def _states(value: Any) -> frozenset[RunState]:
    words = [word for each in value for word in each.split(",")]
    if unknown := [word for word in words if word not in _GROUPS]:
        raise ValueError(f"{unknown[0][:40]!r} is no state; there are: {', '.join(_GROUPS)}")
    return frozenset().union(*(_GROUPS[word] for word in words))


class NewRun(Body):
    """A run to make. Fields that its application has too take the place of those. Limits are in seconds."""

    application: Annotated[
        Reference | None, Field(description="id or `project/name`; needed, unless `launch` is false")
    ] = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    launch: Annotated[bool, Field(description="false: lackey does not start it; it is only reported to")] = True
    at: MomentOrNow = None
    parameters: Annotated[
        dict[Variable, ParameterValue], Field(description="in a form: `parameters.NAME=value`, once for each")
    ] = {}
    after: Annotated[
        list[Id], Field(max_length=1000, description="runs that have to succeed first; in a form `1,2`")
    ] = []
    priority: Annotated[Priority, Field(description="higher first, then older")] = 0
    time_limit: Seconds | None = None
    start_grace: Seconds | None = None
    silence: Seconds | None = None
    retries: Retries = 0
    executor: Executor = "local"
    cpus: NotCounted = None
    memory: NotCounted = None
    gpus: NotCounted = None

    @staticmethod
    def from_form(fields: dict[str, Any]) -> dict[str, Any]:
        """What a form sent, as JSON would have it."""
        named = {name for name in fields if name.startswith(_FORM_PARAMETER)}
        body = {name: value for name, value in fields.items() if name not in named}
        if named:
            body["parameters"] = {name.removeprefix(_FORM_PARAMETER): fields[name] for name in sorted(named)}
        if "after" in body:
            body["after"] = [each.strip() for each in body["after"].split(",")]
        return body


# The fields of a new run that take the place of its application's.
INSTEAD = {"time_limit", "start_grace", "silence", "retries", "executor"}


class RunChange(Body):
    """What can change while a run waits."""

    priority: Priority = 0
    at: MomentOrNow = None
    hold: Annotated[bool, Field(description="true: it is not started; false: released")] = False


class Received(Answer):
    """When the reports of its start and its end were received."""

    start: datetime | None
    stop: datetime | None


class ProgressOut(Answer):
    """How far a run is, by its own word at the time `at`; `eta` only while it runs."""

    fraction: float | None
    done: float | None
    total: float | None
    message: str | None
    eta: datetime | None
    at: datetime | None


class RunOut(Answer):
    """A run."""

    PLACE: ClassVar[str] = "/api/run"

    id: int
    name: str
    project: str | None
    application: str | None
    state: RunState
    reason: str | None
    outcome_source: str | None
    launched: bool
    by: str
    parent: int | None
    cause: str | None
    sweep: int | None
    schedule: int | None
    command: str | None
    shell: Annotated[str | None, Field(description="its application's own; null: the executor's")]
    directory: str | None
    paths: Paths | None
    parameters: dict[str, str]
    priority: int
    executor: str
    handle: str | None
    host: str | None
    after: list[int]
    scheduled_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    received: Received
    marks: list[str]
    duration: float | None
    exit_code: int | None
    signal: int | None
    max_rss_bytes: int | None
    cpu_seconds: float | None
    left_behind: Annotated[int, Field(description="how many processes its command left, which were ended")]
    progress: ProgressOut | None
    log_size: int


class MadeRun(RunOut):
    """A new run."""

    token: Annotated[str, Field(description="speaks for this run in its reports; shown this once")]


class Runs(Page[RunOut]):
    """Runs, newest first; where a time is asked for, those scheduled latest first.

    Where few of many runs are those searched for, a page may hold fewer than `limit`, or none, and have a `next` all
    the same: so far it was searched.
    """


class RunsQuery(Limit):
    """Which part of a list of runs."""

    cursor: Annotated[RunCursor, Field(description="`next` of the page before")] = None


class RunQuery(RunsQuery):
    """Which runs."""

    state: Annotated[
        frozenset[RunState],
        PlainValidator(_states),
        WithJsonSchema({"type": "array", "items": {"type": "string", "enum": list(_GROUPS)}}),
        Field(description="names of states, `active`, `final`; several with commas between, or repeated"),
    ] = frozenset()
    project: Annotated[Reference | None, Field(description="id or name")] = None
    application: Annotated[Reference | None, Field(description="id or `project/name`")] = None
    by: Annotated[ShortText, Field(description="the name of the key that it was made with")] | None = None
    since: Annotated[Moment, Field(description="scheduled for this time or later")] | None = None
    until: Annotated[Moment, Field(description="scheduled for this time or earlier")] | None = None
    q: Annotated[ShortText, Field(description="words that all occur in its name, command or log")] = ""
    # There are no sweeps yet, so no run belongs to one.
    sweep: SkipJsonSchema[Id | None] = None


class EventOut(Answer):
    """One line of a run's history."""

    at: datetime
    kind: str
    by: str
    text: str
    details: dict[str, Any]


class Events(Page[EventOut]):
    """A run's history, newest first."""


class MetricOut(Answer):
    """A figure; `at` is its own time. JSON has no words for a value that is no finite number: it is a string then."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    name: str
    value: Annotated[float, WithJsonSchema(_FIGURE, mode="serialization")]
    step: float | None
    at: datetime | None


class Metrics(Page[MetricOut]):
    """A run's figures, by name, then step, then time."""


class MetricQuery(PageQuery):
    """Which figures."""

    name: ShortText | None = None


class FileOut(Answer):
    """What lies in a run's directory. `kind` is `file`, `directory`, `link` (not followed) or `other`."""

    name: str
    size: int
    modified_at: datetime | None
    kind: str


class Files(Page[FileOut]):
    """What lies in a run's directory, by name; not `complete` where there are too many to list."""

    complete: bool


class LogQuery(Query):
    """Which part of a log."""

    offset: Annotated[int, Field(ge=0, le=2**62, description="at most 1 MiB from this byte on")] | None = None
