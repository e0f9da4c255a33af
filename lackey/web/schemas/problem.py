"""Errors, as RFC 9457 has them, and how the service is."""

from typing import Annotated

from pydantic import Field

from lackey.web.schemas.base import Answer
from lackey.web.schemas.runs import RunOut


class FieldProblem(Answer):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(Answer):
    """What went wrong. `type` is stable: clients may rely on it."""

    type: str
    title: str
    status: int
    detail: str
    errors: Annotated[list[FieldProblem] | None, Field(description="all faulty fields, with status 400")] = None
    run: Annotated[RunOut | None, Field(description="after a stop that contradicts it: the outcome on record")] = None


class Health(Answer):
    """The service is well."""

    status: str = "ok"
