"""What simulations say about themselves. Fields that are not known are passed over: no outcome is lost to one."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from lackey.web.schemas.base import Body
from lackey.web.schemas.types import Integer, Number

_HOST_CHARACTERS = 255
_MESSAGE_CHARACTERS = 1000


def _cut(length: int) -> BeforeValidator:
    """Text that is kept as far as it can be: no report is refused for it."""

    def cut(value: Any) -> Any:
        return value[:length].replace("\0", "\ufffd") if isinstance(value, str) else value

    return BeforeValidator(cut)


_TEXT = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})
Host = Annotated[str | None, _cut(_HOST_CHARACTERS), _TEXT]
Timestamp = Annotated[Number | None, Field(description="unix seconds; left out, the time of receipt counts")]


class Report(Body):
    """What every report may say."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    ts: Timestamp = None


class StartReport(Report):
    """It has started."""

    host: Host = None


class StopReport(Report):
    """It has ended."""

    exit: (
        Annotated[Integer, Field(ge=-(2**31), le=2**32 - 1, description="the exit code; Windows has 32 bits of them")]
        | None
    ) = None
    host: Host = None


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

    fraction: Annotated[Number, Field(ge=0, le=1)] | None = None
    done: Annotated[Number, Field(ge=0)] | None = None
    total: Annotated[Number, Field(gt=0, description="needs `done`")] | None = None
    message: Annotated[str | None, _cut(_MESSAGE_CHARACTERS), _TEXT] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.fraction is None and self.done is None and self.message is None:
            raise ValueError("say a fraction, how much is done, or a message")
        return self


class Figure(Report):
    """A figure. One without a `step` stands at its `ts`."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    value: Number
    step: Number | None = None


class MetricReport(Report):
    """A figure to keep, or several of them in `metrics`."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    value: Number | None = None
    step: Number | None = None
    metrics: Annotated[list[Figure], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.metrics is None and (self.name is None or self.value is None):
            raise ValueError("say a name and a value, or several of them in metrics")
        return self

    @property
    def figures(self) -> list[Figure]:
        """All of them."""
        if self.name is None or self.value is None:
            return self.metrics or []
        return [Figure(name=self.name, value=self.value, step=self.step, ts=self.ts), *(self.metrics or [])]


Offset = Annotated[Integer, Field(ge=0, le=2**62, description="in bytes, as sent; left out, at the end")]


class LogReport(Report):
    """A piece of the log, `text`, which may also be the whole body."""

    offset: Offset | None = None


class LogReportQuery(BaseModel):
    """For a body that has no fields."""

    offset: Offset | None = None
