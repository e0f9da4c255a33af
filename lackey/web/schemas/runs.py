"""Runs, and what is kept of them."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from lackey.domain.dependencies import Dependency, Kind, Wants
from lackey.domain.limits import AFTER
from lackey.domain.run import ACTIVE, FINAL, RunState
from lackey.web.schemas.base import Answer, Body, Limit, Page, PageQuery, Paths, Query
from lackey.web.schemas.types import (
    MAX_ID,
    Cpus,
    Executor,
    Gpus,
    Id,
    Memory,
    Moment,
    MomentOrNow,
    NameCursor,
    Number,
    ParameterValue,
    Priority,
    Reference,
    Retries,
    RetryOn,
    RetryWait,
    RunCursor,
    Seconds,
    ShellText,
    ShortText,
    Tag,
    Tags,
    Variable,
    words_of,
)

FIGURE = {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]}
_GROUPS = {"active": ACTIVE, "final": FINAL, **{state.value: frozenset({state}) for state in RunState}}


def states_of(value: Any) -> frozenset[RunState]:
    """The states that words name, several of them with commas between. Raises ValueError."""
    words = [word for each in value for word in each.split(",")]
    if unknown := [word for word in words if word not in _GROUPS]:
        raise ValueError(f"{unknown[0][:40]!r} is no state; there are: {', '.join(_GROUPS)}")
    return frozenset().union(*(_GROUPS[word] for word in words))


class After(Body):
    """A run or a sweep that is waited for: to have succeeded, ended in any way, or failed (or timed out, or lost)."""

    run: Id | None = None
    sweep: Id | None = None
    on: Wants = "succeeded"

    @model_validator(mode="after")
    def _one_of_both(self) -> "After":
        if (self.run is None) == (self.sweep is None):
            raise ValueError("names a `run`, or a `sweep`")
        return self

    def dependency(self) -> Dependency:
        """What is waited for."""
        if self.sweep is not None:
            return Dependency(self.sweep, self.on, "sweep")
        return Dependency(self.run or 0, self.on)


def after_in_words(text: str) -> list[Any]:
    """`7:ended, sweep:3` as JSON has it."""
    found: list[Any] = []
    for each in text.split(","):
        kind, colon, named = each.strip().partition(":")
        if kind != "sweep" or not colon:
            kind, named = "run", each.strip()
        on_id, colon, wants = named.partition(":")
        found.append({kind: on_id, "on": wants} if colon else {kind: on_id})
    return found


_ID_IN_JSON = {"type": "integer", "minimum": 0, "maximum": MAX_ID}
_ON = {"type": "string", "enum": list(get_args(Wants)), "default": "succeeded"}
_AFTER = [
    {
        "type": "object",
        "properties": {kind: _ID_IN_JSON, "on": _ON},
        "required": [kind],
        "additionalProperties": False,
        "description": f"a {kind}, and what it is to come to: to fail is also to be timed out, or lost",
    }
    for kind in get_args(Kind)
]


def _not_too_many(awaited: list[After]) -> list[After]:
    if len(awaited) > AFTER:
        raise ValueError(f"names {len(awaited)} runs, and at most {AFTER} are waited for (AFTER); do so in two steps")
    return awaited


AfterIn = Annotated[
    After,
    BeforeValidator(lambda value: {"run": value} if isinstance(value, int) else value),
    WithJsonSchema({"anyOf": [_ID_IN_JSON, *_AFTER]}, mode="validation"),
]
AllAfter = Annotated[list[AfterIn], AfterValidator(_not_too_many)]


def _from_form(fields: dict[str, Any]) -> dict[str, Any]:
    """What a form sent of a run to make, as JSON would have it."""
    body = dict(fields)
    for name in ("parameters", "environment"):
        if named := sorted(each for each in fields if each.startswith(f"{name}.")):
            body[name] = {each.removeprefix(f"{name}."): body.pop(each) for each in named}
    if "after" in body:
        body["after"] = after_in_words(body["after"])
    for name in ("retry_on", "tags"):
        if name in body:
            body[name] = words_of(body[name])
    return body


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
        AllAfter,
        Field(
            description="runs that it waits for, with their retries, and sweeps, which have succeeded when all their "
            f"points have; at most {AFTER}; in a form `1,2:ended,sweep:3`"
        ),
    ] = []
    environment: Annotated[
        dict[Variable, ShellText],
        Field(
            description="variables beside its application's, or in place of them; in a form `environment.NAME=value`"
        ),
    ] = {}
    tags: Annotated[Tags, Field(description="to find it by; in a form `a,b`")] = []
    priority: Annotated[
        Priority, Field(description="higher first, then the user with the fewest cpus in use, then older")
    ] = 0
    time_limit: Seconds | None = None
    start_grace: Seconds | None = None
    silence: Seconds | None = None
    retries: Retries = 0
    retry_on: RetryOn | None = None
    retry_wait: RetryWait | None = None
    executor: Executor = "local"
    cpus: Cpus | None = None
    memory_bytes: Annotated[Memory | None, Field(alias="memory")] = None
    gpus: Gpus = 0

    @staticmethod
    def from_form(fields: dict[str, Any]) -> dict[str, Any]:
        """What a form sent, as JSON would have it."""
        return _from_form(fields)

    def dependencies(self) -> tuple[Dependency, ...]:
        """What it waits for."""
        return tuple(one.dependency() for one in self.after)


# The fields of a new run that take the place of its application's.
INSTEAD = {"time_limit", "start_grace", "silence", "retries", "retry_on", "retry_wait", "executor"}
INSTEAD |= {"cpus", "memory_bytes", "gpus"}


class Rerun(Body):
    """How a run is run again. The fields beside `dependents` say in what it differs; what is left out stays."""

    parameters: Annotated[
        dict[Variable, ParameterValue], Field(description="those that change; in a form `parameters.NAME=value`")
    ] = {}
    environment: Annotated[
        dict[Variable, ShellText], Field(description="those that change; in a form `environment.NAME=value`")
    ] = {}
    after: Annotated[
        AllAfter,
        Field(
            description="runs and sweeps that it waits for; those that the run before waited for it does not wait for"
        ),
    ] = []
    tags: Annotated[Tags, Field(description="in place of those of the run before")] = []
    priority: Priority = 0
    time_limit: Seconds | None = None
    cpus: Cpus | None = None
    memory_bytes: Annotated[Memory | None, Field(alias="memory")] = None
    gpus: Gpus = 0
    dependents: Annotated[
        bool,
        Field(description="true: what was to start after it, and never has, waits for the new run in its place"),
    ] = False

    @staticmethod
    def from_form(fields: dict[str, Any]) -> dict[str, Any]:
        """What a form sent, as JSON would have it."""
        return _from_form(fields)

    def dependencies(self) -> tuple[Dependency, ...]:
        """What it waits for."""
        return tuple(one.dependency() for one in self.after)

    def instead(self) -> dict[str, Any]:
        """The columns that are to have another value."""
        apart = {"parameters", "environment", "after", "dependents"}
        return {name: value for name, value in self.given().items() if name not in apart}


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


class AfterRun(Answer):
    """A run that is waited for."""

    run: int
    on: str


class AfterSweep(Answer):
    """A sweep that is waited for."""

    sweep: int
    on: str


class RunOut(Answer):
    """A run."""

    PATH: ClassVar[str] = "/api/run"

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
    environment: Annotated[dict[str, str], Field(description="the variables that were given for this run")]
    tags: list[str]
    priority: int
    executor: str
    handle: str | None
    host: str | None
    cpus: Annotated[int | None, Field(description="null: lackey does not launch it, and counts nothing")]
    memory: Annotated[int | None, Field(description="bytes; null: not counted")]
    gpus: int
    after: Annotated[list[AfterRun | AfterSweep], Field(description="what it waits for, or has waited for")]
    retries: Annotated[int, Field(description="how often it may be run again yet")]
    retry_on: list[str] | None
    retry_wait: float | None
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
        PlainValidator(states_of),
        WithJsonSchema({"type": "array", "items": {"type": "string", "enum": list(_GROUPS)}}),
        Field(description="names of states, `active`, `final`; several with commas between, or repeated"),
    ] = frozenset()
    project: Annotated[Reference | None, Field(description="id or name")] = None
    application: Annotated[Reference | None, Field(description="id or `project/name`")] = None
    by: Annotated[ShortText, Field(description="the name of the key that it was made with")] | None = None
    since: Annotated[Moment, Field(description="scheduled for this time or later")] | None = None
    until: Annotated[Moment, Field(description="scheduled for this time or earlier")] | None = None
    q: Annotated[ShortText, Field(description="words that all occur in its name, command or log")] = ""
    sweep: Annotated[Id | None, Field(description="the runs of this sweep, with their retries and reruns")] = None
    schedule: Annotated[Id | None, Field(description="the recurring schedule that it was made by")] = None
    tag: Annotated[Tag, Field(description="one of its tags")] | None = None


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
    value: Annotated[float, WithJsonSchema(FIGURE, mode="serialization")]
    step: float | None
    at: datetime | None


class Metrics(Page[MetricOut]):
    """A run's figures, by name, then step, then time."""


class MetricQuery(PageQuery):
    """Which figures. `from` and `to` are steps, or for figures without steps unix seconds; both are included."""

    name: ShortText | None = None
    first: Annotated[Number | None, Field(alias="from", description="from this step or time on")] = None
    last: Annotated[Number | None, Field(alias="to", description="up to this step or time")] = None
    points: Annotated[
        int | None,
        Field(ge=5, le=1000, description="thin each figure out to so many points; its peaks and gaps are among them"),
    ] = None


class FileOut(Answer):
    """What lies in a run's directory. `kind` is `file`, `directory`, `link` (which leads nowhere) or `other`."""

    name: str
    size: int
    modified_at: datetime | None
    kind: str
    link: Annotated[bool, Field(description="it is a link, to what `kind` says, on the same share")]


class FileQuery(Limit):
    """Which part of a directory."""

    directory: Annotated[str, Field(max_length=4096, description="below the run's directory")] = ""
    cursor: Annotated[NameCursor, Field(description="`next` of the page before")] = None


class Files(Page[FileOut]):
    """What lies in a run's directory, by name; not `complete` where there are too many to list all of them."""

    complete: bool


class LogQuery(Query):
    """Which part of a log."""

    offset: Annotated[int, Field(ge=0, le=2**62, description="at most 1 MiB from this byte on")] | None = None
