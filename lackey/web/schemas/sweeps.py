"""Sweeps, and the table of their points."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from lackey.domain.run import FINAL, RunState
from lackey.domain.sweep import values_of
from lackey.web.schemas.base import Answer, Body, Page, PageQuery
from lackey.web.schemas.runs import FIGURE, AfterRun, AfterSweep, AllAfter, after_in_words, states_of
from lackey.web.schemas.types import (
    Cpus,
    Executor,
    Gpus,
    Memory,
    MomentOrNow,
    ParameterValue,
    Priority,
    Reference,
    Retries,
    RetryOn,
    RetryWait,
    Seconds,
    ShellText,
    ShortText,
    Tags,
    Variable,
    words_of,
)

_NAMED = ("grid.", "parameters.", "environment.")
_TYPED = {
    "type": "string",
    "description": "`0.1, 0.2`; `1..10`; `0..1/11`: eleven, evenly; `1e-6..1e-2/5 log`; text; with a comma: in quotes",
}


def _values(value: Any) -> Any:
    return values_of(value) if isinstance(value, str) else value


_TAKEN_APART: dict[str, Callable[[str], Any]] = {"retry_on": words_of, "tags": words_of, "after": after_in_words}


def _states_named(value: Any) -> frozenset[RunState]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("should be the name of a state, or a list of names")
    return states_of(names)


Values = Annotated[
    list[ParameterValue],
    BeforeValidator(_values),
    WithJsonSchema(
        {"anyOf": [{"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1}, _TYPED]},
        mode="validation",
    ),
]
# Values that are kept as they were typed.
GivenValues = Annotated[
    list[ParameterValue] | Annotated[str, Field(max_length=10_000)],
    WithJsonSchema(
        {"anyOf": [{"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1}, _TYPED]},
        mode="validation",
    ),
]
MaxRunning = Annotated[int, Field(ge=1, le=1_000_000, description="how many of its runs may run at a time")]


class NewSweep(Body):
    """A sweep to make: of `grid` and `points` one is needed. Fields that its application has too take their place."""

    application: Annotated[Reference, Field(description="id or `project/name`")]
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    grid: Annotated[
        dict[Variable, Values], Field(description="a run for each combination; the first parameter changes slowest")
    ] = {}
    points: Annotated[
        list[dict[Variable, ParameterValue]],
        Field(description="a run for each row; also CSV, as a file of a form, or as the body, the fields in the query"),
    ] = []
    parameters: Annotated[dict[Variable, ParameterValue], Field(description="those that are the same in all runs")] = {}
    at: MomentOrNow = None
    priority: Priority = 0
    max_running: MaxRunning | None = None
    hold: Annotated[bool, Field(description="true: nothing of it starts before it is released")] = False
    time_limit: Seconds | None = None
    start_grace: Seconds | None = None
    silence: Seconds | None = None
    after: Annotated[
        AllAfter, Field(description="runs and sweeps that it waits for, as for a run; in a form `1,2:ended,sweep:3`")
    ] = []
    environment: Annotated[
        dict[Variable, ShellText],
        Field(description="variables of all its runs beside its application's; in a form `environment.NAME=value`"),
    ] = {}
    tags: Annotated[Tags, Field(description="to find its runs by; in a form `a,b`")] = []
    retries: Retries = 0
    retry_on: RetryOn | None = None
    retry_wait: RetryWait | None = None
    executor: Executor = "local"
    cpus: Cpus | None = None
    memory_bytes: Annotated[Memory | None, Field(alias="memory")] = None
    gpus: Gpus = 0

    @model_validator(mode="after")
    def _one_of_both(self) -> "NewSweep":
        if self.grid and self.points:
            raise ValueError("has both `grid` and `points`, and one of them is taken")
        return self

    @staticmethod
    def from_form(fields: dict[str, Any]) -> dict[str, Any]:
        """What a form sent, as JSON would have it."""
        body: dict[str, Any] = {}
        for name, value in fields.items():
            for prefix in _NAMED:
                if name.startswith(prefix):
                    body.setdefault(prefix.removesuffix("."), {})[name.removeprefix(prefix)] = value
                    break
            else:
                body[name] = _TAKEN_APART.get(name, str)(value)
        return body


class SweepChange(Body):
    """What can change; it holds at once for all its runs that wait."""

    priority: Priority = 0
    max_running: MaxRunning | None = None
    hold: Annotated[bool, Field(description="true: nothing of it starts; false: released")] = False


class RerunSweep(Body):
    """Which of its points are run again."""

    state: Annotated[
        frozenset[RunState],
        PlainValidator(_states_named),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "enum": sorted(FINAL)},
                    {"type": "array", "items": {"type": "string", "enum": sorted(FINAL)}},
                ]
            }
        ),
        Field(description="names of states, those whose run is in one of them; left out: all that did not succeed"),
    ] = frozenset(FINAL - {RunState.SUCCEEDED})

    @model_validator(mode="after")
    def _final(self) -> "RerunSweep":
        if not self.state or not self.state <= FINAL:
            raise ValueError(f"state: should be of {', '.join(sorted(FINAL))}")
        return self


class SweepOut(Answer):
    """A sweep. `counts`: how many points' runs are in each state; a point counts with its last run."""

    PATH: ClassVar[str] = "/api/sweep"

    id: int
    name: str
    project: str
    application: str
    by: str
    created_at: datetime
    scheduled_at: datetime
    runs: Annotated[int, Field(description="how many points it has")]
    parameters: Annotated[list[str], Field(description="the names of those that differ")]
    counts: dict[RunState, int]
    state: Annotated[
        RunState | None,
        Field(description="null: it goes on; else `succeeded`, `failed` if any run has, `cancelled` if any was"),
    ]
    reason: Annotated[str | None, Field(description="why it waits for others, or is cancelled on their account")]
    progress: Annotated[float, Field(description="which part of its runs has ended")]
    eta: Annotated[
        datetime | None, Field(description="by the runs that have ended, and how many run now; null: nothing tells")
    ]
    after: Annotated[list[AfterRun | AfterSweep], Field(description="what it waits for, or has waited for")]
    environment: Annotated[dict[str, str], Field(description="variables that were given for it")]
    tags: list[str]
    priority: int
    max_running: int | None
    hold: bool
    cancelled_at: datetime | None
    cancelled_by: str | None
    schedule: Annotated[int | None, Field(description="the recurring schedule that has made it")]


class RerunOut(SweepOut):
    """A sweep, and how many of its points were run again by now; of very many the others follow."""

    rerun: int


class Sweeps(Page[SweepOut]):
    """Sweeps, newest first."""


class SweepQuery(PageQuery):
    """Which sweeps."""

    application: Annotated[Reference | None, Field(description="id or `project/name`")] = None


class TableQuery(PageQuery):
    """Which part of the table, in which order, and how."""

    sort: Annotated[
        ShortText,
        Field(
            description="`point`, `run`, `state`, `exit_code`, `duration`, `parameters.NAME`, `metrics.NAME`; "
            "with - before it: downwards. A column of numbers is sorted as such; what has no value comes last"
        ),
    ] = "point"
    format: Annotated[str, Field(pattern="^(json|csv)$", description="`csv`: all of it, whatever the limit")] = "json"


class TableRowOut(Answer):
    """A point and what has become of it; `duration` in seconds. `metrics`: the last value of each figure."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    point: int
    run: Annotated[int | None, Field(description="null: it is about to be made")]
    parameters: dict[str, str]
    state: RunState
    exit_code: int | None
    duration: float | None
    metrics: Annotated[
        dict[str, float],
        WithJsonSchema({"type": "object", "additionalProperties": FIGURE}, mode="serialization"),
    ]


class Table(Page[TableRowOut]):
    """The points of a sweep."""
