"""Checks what came in against the schemas; all that is wrong is said at once, in words."""

import re
from collections.abc import Iterator
from typing import Any, TypeVar, get_origin
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lackey.domain.limits import QUERY_FIELDS
from lackey.domain.refusals import FieldError, Invalid, invalid

Model = TypeVar("Model", bound=BaseModel)

_IN_WORDS = {"missing": "is needed", "extra_forbidden": "is not known here"}

# How pydantic's sentences begin; here the field's name comes before them.
_SUBJECT = re.compile(r"^(?:Input|String|List|Dictionary) ")


def check(model: type[Model], fields: dict[str, Any], *, strict: bool = False) -> Model:
    """The fields as `model`. `strict`: numbers in text are no numbers. Raises Invalid."""
    try:
        checked = model.model_validate(fields, strict=strict)
    except ValidationError as error:
        raise Invalid(*(_in_words(each) for each in error.errors(include_url=False))) from None
    if unstorable := list(_unstorable(checked.model_dump(), "")):
        raise Invalid(*unstorable)
    return checked


def check_query(model: type[Model], query: str) -> Model:
    """What stands behind the `?`. Raises Invalid."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=QUERY_FIELDS)
    except ValueError:
        raise invalid("query", "is not UTF-8") from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    several = [name for name, values in fields.items() if len(values) > 1 and name not in _lists(model)]
    if several:
        raise Invalid(*(FieldError(name, "is given more than once") for name in several))
    return check(model, {name: values if name in _lists(model) else values[0] for name, values in fields.items()})


def _lists(model: type[BaseModel]) -> set[str]:
    return {name for name, field in model.model_fields.items() if get_origin(field.annotation) is frozenset}


def _in_words(error: ErrorDetails) -> FieldError:
    where = ".".join(str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "value_error":  # raised by a validator of ours
        return FieldError(where or "body", str(error["ctx"]["error"]))
    return FieldError(where or "body", _IN_WORDS.get(error["type"]) or _SUBJECT.sub("", error["msg"]))


def _unstorable(value: Any, where: str) -> Iterator[FieldError]:
    """Text that no database and no process takes. (What is no text at all, the readers have refused before.)"""
    if isinstance(value, str) and "\0" in value:
        yield FieldError(where, "holds a NUL character")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _unstorable(inner, f"{where}.{name}" if where else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unstorable(inner, f"{where}.{number}")
