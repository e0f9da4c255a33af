"""What simulations say about themselves.

What is understood counts, and what is not is passed over, for no outcome is lost to what lies beside it. Only where
nothing is understood, or a stop names no `exit`, is what nobody knows refused: it may be how the run has ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from lackey.domain.refusals import FieldError, Invalid
from lackey.web.schemas.base import Body, Query
from lackey.web.schemas.types import TEXT_INTEGER, AnyNumber, Fraction, Integer, Number
from lackey.web.validation import check

_HOST_CHARACTERS = 255
_MESSAGE_CHARACTERS = 1000


def _cut(length: int) -> BeforeValidator:
    """Text that is kept as far as it can be: no report is refused for it."""

    def cut(value: Any) -> Any:
        return value[:length].rstrip("\r\n").replace("\0", "\ufffd") if isinstance(value, str) else value

    return BeforeValidator(cut)


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _left_out_if_empty(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _no_null(value: Any) -> Any:
    # It is what is known of the exit code of a process that still runs, or was ended by a signal.
    if value is None:
        raise ValueError("is null, which says nothing: name the code, such as exit=0, or leave the field out")
    return value


_CODE = {"anyOf": [{"type": "integer", "minimum": -(2**31), "maximum": 2**32 - 1}, TEXT_INTEGER]}
_TEXT = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})
Host = Annotated[str | None, _cut(_HOST_CHARACTERS), _TEXT]
Timestamp = Annotated[
    Number | None,
    BeforeValidator(_left_out_if_empty),
    Field(description="unix seconds; left out or empty, the time of receipt counts"),
]
Name = Annotated[str, BeforeValidator(_stripped), Field(min_length=1, max_length=200)]
_Code = Annotated[Integer, Field(ge=-(2**31), le=2**32 - 1)]


class Report(Body):
    """What every report may say."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    ts: Timestamp = None

    IN_WORDS: ClassVar[str] = ""

    @classmethod
    def objections(
        cls, fields: Mapping[str, Any], has_log: bool, unknown: Sequence[str], faults: Sequence[FieldError]
    ) -> list[FieldError]:
        """Why the report is refused for what is not understood: the names of `unknown` fields, `faults` of the body."""
        says_something = has_log or not fields.keys().isdisjoint(cls.model_fields)
        return [*faults, *([] if says_something else cls._not_known(unknown))]

    @classmethod
    def _not_known(cls, names: Sequence[str]) -> list[FieldError]:
        if any(len(name.split()) > 1 for name in names):
            return [FieldError("body", f"is no form, though it is sent as one: {cls.IN_WORDS}")]
        return [FieldError(name or "body", f"is not known here: {cls.IN_WORDS}") for name in names]


class StartReport(Report):
    """It has started."""

    host: Host = None

    IN_WORDS = "a start may say ts and host"


class StopReport(Report):
    """It has ended."""

    exit: Annotated[
        _Code | None,
        BeforeValidator(_no_null),
        Field(description="the exit code; Windows has 32 bits of them. Without one, no unknown field is taken"),
        WithJsonSchema(_CODE),
    ] = None
    exit_code: Annotated[
        _Code | None, BeforeValidator(_no_null), Field(description="the same as `exit`"), WithJsonSchema(_CODE)
    ] = None
    host: Host = None

    IN_WORDS = "how a run has ended is told as exit=0 (success) or exit=<code>; beside it ts, log and host"

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if None not in (self.exit, self.exit_code) and self.exit != self.exit_code:
            raise ValueError(f"exit is {self.exit}, and exit_code is {self.exit_code}: say one of them")
        return self

    @property
    def code(self) -> int | None:
        """The exit code, under whichever name."""
        return self.exit_code if self.exit is None else self.exit

    @classmethod
    def objections(
        cls, fields: Mapping[str, Any], has_log: bool, unknown: Sequence[str], faults: Sequence[FieldError]
    ) -> list[FieldError]:
        """A stop that names no exit code is a success, so nothing in it may be anything else."""
        if "exit" in fields or "exit_code" in fields:
            return []
        return [*faults, *cls._not_known(unknown)]


_Seconds = Annotated[float, Field(allow_inf_nan=False, le=2**53, ge=-(2**53))]


class ReceiptReport(Body):
    """How a launched run's process has ended; exactly one of `exit_code` and `signal` is set."""

    version: Literal[1]
    installation: str
    run_id: int
    run_uid: str
    ticket: str
    result: Literal["ended"]
    ended_at: _Seconds
    exit_code: Annotated[int, Field(ge=0, le=255)] | None
    signal: Annotated[int, Field(ge=1, le=64)] | None
    started_at: _Seconds | None
    duration: Annotated[_Seconds, Field(ge=0)]
    max_rss_bytes: Annotated[int, Field(ge=0, le=2**53)] | None
    cpu_seconds: _Seconds | None
    killed: Literal["cancelled", "timed_out"] | None
    left_behind: Annotated[int, Field(ge=0, le=2**22, description="how many processes the command left")]
    reason: None
    share_away: Literal[False]
    ran_as: None
    run_directory: Annotated[str | None, Field(description="relative to the share")]


class ProgressReport(Report):
    """How far it is."""

    fraction: Fraction | None = None
    done: Annotated[Number, Field(ge=0)] | None = None
    total: Annotated[Number, Field(gt=0, description="needs `done`")] | None = None
    message: Annotated[str | None, _cut(_MESSAGE_CHARACTERS), _TEXT] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.fraction is None and self.done is None and self.message is None:
            raise ValueError("say a fraction, how much is done, or a message")
        return self

    IN_WORDS = "progress is told as fraction (0 to 1), or done and total; also message and ts"


class Figure(Report):
    """A figure. One without a `step` stands at its `ts`."""

    name: Name
    value: AnyNumber
    step: Number | None = None


@dataclass(frozen=True)
class Batch:
    """Several figures: those that are good, and what is wrong with the others."""

    good: tuple[Figure, ...]
    errors: tuple[FieldError, ...]


def _batch(value: Any) -> Batch | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise ValueError("should be a list of figures, each with a name and a value")
    good: list[Figure] = []
    errors: list[FieldError] = []
    for number, one in enumerate(value):
        try:
            good.append(check(Figure, one))
        except Invalid as refusal:
            errors += [FieldError(f"metrics.{number}.{each.field}", each.message) for each in refusal.errors]
    return Batch(tuple(good), tuple(errors))


_BATCH = {"type": "array", "minItems": 1, "items": Figure.model_json_schema(mode="validation")}


class MetricReport(Report):
    """A figure to keep, or several of them in `metrics`, of which the good ones are kept whatever the others are."""

    name: Name | None = None
    value: AnyNumber | None = None
    step: Number | None = None
    metrics: Annotated[
        Batch | None, Field(exclude=True), PlainValidator(_batch), WithJsonSchema({"anyOf": [_BATCH, {"type": "null"}]})
    ] = None

    IN_WORDS = "a figure is told as name and value; also step and ts"

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.metrics is None and (self.name is None or self.value is None):
            raise ValueError("say a name and a value, or several of them in metrics")
        return self

    @property
    def figures(self) -> list[Figure]:
        """All that are good."""
        several = list(self.metrics.good) if self.metrics else []
        if self.name is None or self.value is None:
            return several
        return [Figure(name=self.name, value=self.value, step=self.step, ts=self.ts), *several]


Offset = Annotated[Integer, Field(ge=0, le=2**62, description="in bytes, as sent; left out, at the end")]


class LogReport(Report):
    """A piece of the log, `text`, which may also be the whole body."""

    offset: Offset | None = None

    IN_WORDS = "a piece of the log is told as text, with its offset; a file as it is: curl -T FILE"

    @classmethod
    def objections(
        cls, fields: Mapping[str, Any], has_log: bool, unknown: Sequence[str], faults: Sequence[FieldError]
    ) -> list[FieldError]:
        """An `&` in a text that was not encoded is a part of it; there is no outcome that it could hide."""
        others = [fault for fault in faults if fault.field != "text"]
        return [*others, *([] if has_log else cls._not_known(unknown))]


class LogReportQuery(Query):
    """For a body that has no fields."""

    offset: Offset | None = None
