"""Types of fields. Each says what is wrong in words for the person who sent it.

What a form or a query sends is text, so numbers are taken as text too where reports or forms may carry them. The
schemas shown in OpenAPI are those of the text forms as well.
"""

import base64
import binascii
import math
import os
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from lackey.domain import durations, run_list, sizes
from lackey.domain.application import NAME, composed
from lackey.domain.evidence import instant
from lackey.domain.limits import TAGS
from lackey.domain.refusals import Invalid
from lackey.domain.shell.program import SHELL_LENGTH, checked_shell
from lackey.services.catalogue.changing import EXECUTORS

MAX_ID = 10**18 - 1

# RFC 3339, section 5.6, where the offset is not optional.
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# What simulations print. Fortran writes D for double precision, and drops the letter before three digits of exponent;
# a value that does not fit its format is a row of stars. C libraries of Windows write 1.#INF and -1.#IND.
_FIGURE = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:[eEdDqQ]([+-]?[0-9]+)|([+-][0-9]{3}))?")
_NO_NUMBERS = re.compile(
    r"([+-]?)(?:(inf|infinity|1\.#inf0*)|(?:nan|nanq|nans|1\.#(?:[qs]?nan|ind)0*)(?:\([^)]*\))?)", re.IGNORECASE
)
_NO_CURSOR = "is no cursor that was given out here"
_STARS = re.compile(r"\*+")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_TEXT_NUMBER = {"type": "string", "pattern": f"^{_FIGURE.pattern}$"}
_TEXT_FIGURE = {"type": "string", "description": "also `nan`, `inf`, `-inf` and Fortran's `1.0D-03`"}
TEXT_INTEGER = {"type": "string", "pattern": f"^{_INTEGER.pattern}$"}
# The kernel takes no single argument or variable over 128 KiB (execve(2)); a character has up to four bytes.
SHELL_TEXT = 30_000
# By so much a fraction may pass 0 or 1: what adding up in single precision comes to.
_ROUNDING = 1e-6
_TAG_LENGTH = 100


def _moment(value: Any) -> datetime:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return _rfc3339(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("should be unix seconds, or RFC 3339 with an offset")
    found = instant(float(value)) if math.isfinite(float(value)) else None
    if found is None:
        raise ValueError("no calendar has such a time; unix seconds are taken, not milliseconds")
    return found


def _rfc3339(text: str) -> datetime:
    if len(text.split()) >= 5 or text.startswith("@"):
        raise ValueError("looks like a cron expression; a run starts at one moment: unix seconds, or RFC 3339")
    if not _RFC3339.fullmatch(text):
        example = "2013-05-23T12:36:35Z or 2013-05-23T14:36:35+02:00"
        raise ValueError(f"should be unix seconds, or RFC 3339 with an offset, such as {example}")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("no calendar has such a time") from None


def _moment_or_now(value: Any) -> datetime | None:
    return None if value is None or value == "now" else _moment(value)


def _figure(value: Any) -> float:
    if isinstance(value, str):
        value = _printed(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("should be a number")
    return float(value)


def _printed(text: str) -> float | None:
    """The number that a simulation printed; None if it is none."""
    if found := _FIGURE.fullmatch(text):
        digits, exponent, bare_exponent = found.groups()
        return float(f"{digits}e{exponent or bare_exponent or 0}")
    if odd := _NO_NUMBERS.fullmatch(text):
        return math.nan if odd[2] is None else -math.inf if odd[1] == "-" else math.inf
    if _STARS.fullmatch(text):
        raise ValueError("is a row of stars: the value does not fit the format that it was written with")
    return None


def _number(value: Any) -> float:
    number = _figure(value)
    if not math.isfinite(number):
        raise ValueError("should be a finite number")
    return number


def _near_one(value: Any) -> float:
    number = _number(value)
    return min(max(number, 0.0), 1.0) if -_ROUNDING <= number <= 1 + _ROUNDING else number


def _integer(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("should be a whole number")
    return value


def _reference(value: Any) -> int | str:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("should be an id or a name")
    if isinstance(value, int) and not 0 <= value <= MAX_ID:
        raise ValueError("is no id")
    return value


def _name(value: str) -> str:
    value = composed(value)
    if not NAME.fullmatch(value):
        raise ValueError("should be 1 to 100 characters, not all digits, without / and without blanks at its ends")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError("should be letters, digits and _ only, at most 100, not beginning with a digit")
    return value


def _duration(value: Any) -> Any:
    return durations.parse(value) if isinstance(value, str) else value


def _size(value: Any) -> Any:
    return sizes.parse(value) if isinstance(value, str) else value


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("should be a finite number")
    if not isinstance(value, int | float | str):
        raise ValueError("should be a string, a number or a boolean")
    text = str(value)
    if len(text) > SHELL_TEXT:
        raise ValueError(f"should have at most {SHELL_TEXT} characters")
    return text


def _tag(value: str) -> str:
    value = composed(value).strip()
    if not 0 < len(value) <= _TAG_LENGTH or "," in value or not value.isprintable():
        raise ValueError(f"should be 1 to {_TAG_LENGTH} characters, all of them visible, and no comma")
    return value


def _each_once(tags: list[str]) -> list[str]:
    tags = list(dict.fromkeys(tags))
    if len(tags) > TAGS:
        raise ValueError(f"are {len(tags)}, and a run has at most {TAGS} (TAGS); parameters say more")
    return tags


def _executor(value: str) -> str:
    if value not in EXECUTORS:
        raise ValueError(f"there is no such executor; there are: {', '.join(EXECUTORS)}")
    return value


def _cursor(value: Any) -> int | None:
    if value is None:
        return None
    text = _decoded(value)
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError(_NO_CURSOR)
    return int(text)


def words_of(text: str) -> list[str]:
    """The words of a list as a form has it, with commas between."""
    return [word.strip() for word in text.split(",")]


def _run_cursor(value: Any) -> run_list.Cursor | None:
    if value is None:
        return None
    text = _decoded(value)
    try:
        # In a list by ids the id is all there is to it.
        found = run_list.Cursor.parse(f"{text}.{text}" if text.isdigit() else text)
    except Invalid:
        raise ValueError(_NO_CURSOR) from None
    if found.previous:
        raise ValueError(_NO_CURSOR)
    return found


def _decoded(value: Any) -> str:
    try:
        return base64.b64decode(value, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError, TypeError):
        return ""


def cursor(place: object) -> str:
    """A place in a list as clients get it, who shall not reckon with it."""
    return base64.urlsafe_b64encode(str(place).encode()).decode()


def _name_cursor(value: Any) -> str | None:
    if value is None:
        return None
    try:
        name = os.fsdecode(base64.b64decode(value, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        name = ""
    if not name or "/" in name or "\0" in name:
        raise ValueError(_NO_CURSOR)
    return name


def name_cursor(name: str) -> str:
    """A place in a list of names, which may be no UTF-8."""
    return base64.urlsafe_b64encode(os.fsencode(name)).decode()


_MOMENT = {"anyOf": [{"type": "number"}, {"type": "string"}], "description": "unix seconds, or RFC 3339 with an offset"}

Moment = Annotated[datetime, PlainValidator(_moment), WithJsonSchema(_MOMENT)]
MomentOrNow = Annotated[
    datetime | None,
    PlainValidator(_moment_or_now),
    WithJsonSchema({"anyOf": [*_MOMENT["anyOf"], {"type": "null"}], "description": "`now`, unix seconds, or RFC 3339"}),
]
Number = Annotated[
    float, BeforeValidator(_number), WithJsonSchema({"anyOf": [{"type": "number"}, _TEXT_NUMBER]}, mode="validation")
]
# May be infinite, or NaN.
AnyNumber = Annotated[
    float, BeforeValidator(_figure), WithJsonSchema({"anyOf": [{"type": "number"}, _TEXT_FIGURE]}, mode="validation")
]
Fraction = Annotated[
    float,
    BeforeValidator(_near_one),
    Field(ge=0, le=1),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, _TEXT_NUMBER]}, mode="validation"),
]
Integer = Annotated[
    int, BeforeValidator(_integer), WithJsonSchema({"anyOf": [{"type": "integer"}, TEXT_INTEGER]}, mode="validation")
]
Reference = Annotated[
    int | str,
    PlainValidator(_reference),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}),
]
Name = Annotated[
    str,
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 100, "pattern": f"^{NAME.pattern}$"}),
]
Variable = Annotated[
    str, AfterValidator(_variable), WithJsonSchema({"type": "string", "pattern": f"^{_VARIABLE.pattern}$"})
]
ParameterValue = Annotated[
    str,
    BeforeValidator(_parameter),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "maxLength": SHELL_TEXT}, {"type": "number"}, {"type": "boolean"}]},
        mode="validation",
    ),
]
Executor = Annotated[
    str, AfterValidator(_executor), WithJsonSchema({"type": "string", "enum": list(EXECUTORS)}, mode="validation")
]
Shell = Annotated[
    str,
    AfterValidator(checked_shell),
    WithJsonSchema({"type": "string", "pattern": "^/", "maxLength": SHELL_LENGTH}),
]
ShellText = Annotated[str, Field(max_length=SHELL_TEXT)]
Tag = Annotated[
    str,
    AfterValidator(_tag),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _TAG_LENGTH, "pattern": r"^[^\s,]([^,]*[^\s,])?$"}),
]
Tags = Annotated[
    list[Tag],
    AfterValidator(_each_once),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "description": f"at most {TAGS}"}),
]
Cursor = Annotated[int | None, PlainValidator(_cursor), WithJsonSchema({"type": "string"})]

# Not a text to be checked as one: see `os.fsdecode`.
NameCursor = Annotated[
    str | None, PlainValidator(_name_cursor), PlainSerializer(lambda name: name), WithJsonSchema({"type": "string"})
]
RunCursor = Annotated[
    run_list.Cursor | None,
    PlainValidator(_run_cursor),
    PlainSerializer(lambda place: place),
    WithJsonSchema({"type": "string"}),
]

Id = Annotated[int, Field(ge=0, le=MAX_ID)]
Seconds = Annotated[
    float,
    BeforeValidator(_duration),
    Field(gt=0, le=1e9, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9},
                {"type": "string", "pattern": "^ *[0-9]"},
            ],
            "description": f"seconds, or a text such as {durations.FORMS}",
        },
        mode="validation",
    ),
]
Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
Retries = Annotated[int, Field(ge=0, le=100, description="how often it is run again if it ends badly")]
RetryOn = Annotated[
    list[Literal["failed", "timed_out", "lost"]],
    Field(min_length=1, max_length=3, description="which ends are retried; all three if left out"),
]
RetryWait = Annotated[
    float,
    BeforeValidator(_duration),
    Field(ge=0, le=3600, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0, "maximum": 3600}, {"type": "string", "pattern": "^ *[0-9]"}],
            "description": "before the first retry, doubled for each further one, at most an hour; 10 s if left out",
        },
        mode="validation",
    ),
]
Cpus = Annotated[int, Field(ge=1, le=1_000_000, description="how many it takes as long as it runs; null: 1")]
Memory = Annotated[
    int,
    BeforeValidator(_size),
    Field(ge=1, le=2**60),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 1, "maximum": 2**60}, {"type": "string", "pattern": "^[0-9]"}],
            "description": "how much it takes: bytes, or `4 GiB`; null: not counted",
        },
        mode="validation",
    ),
]
Gpus = Annotated[int, Field(ge=0, le=10_000, description="how many devices it is given")]
ShortText = Annotated[str, Field(max_length=200)]
LongText = Annotated[str, Field(max_length=20_000)]
