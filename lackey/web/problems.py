"""Refusals become HTTP here, and nowhere else: RFC 9457, `application/problem+json`."""

from http import HTTPStatus
from typing import Any

from lackey.domain.refusals import (
    Conflict,
    Invalid,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotReadable,
    Refusal,
    TooLarge,
    TooMany,
    Unavailable,
)
from lackey.files import FileError, FileMissing, ShareAway
from lackey.web.schemas.problem import FieldProblem, Problem
from lackey.web.schemas.runs import RunOut

CONTENT_TYPE = "application/problem+json"

STATUS: dict[type[Refusal], int] = {
    Invalid: 400,
    NotAuthenticated: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    NotReadable: 415,
    TooMany: 429,
    Unavailable: 503,
}
HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": 'Bearer realm="lackey"'},
    # RFC 9110, section 12.5.3.
    415: {"Accept-Encoding": "identity"},
    429: {"Retry-After": "60"},
    503: {"Retry-After": "5"},
}


def status_of(refusal: type[Refusal]) -> int:
    """The status of a refusal, or of the one that it is a kind of."""
    return next(STATUS[kind] for kind in refusal.__mro__ if kind in STATUS)


def problem_of(refusal: Refusal, run: RunOut | None = None) -> Problem:
    """A refusal in HTTP's words; `run` shows the outcome that stands against what was asked."""
    status = status_of(type(refusal))
    errors = [FieldProblem(**vars(error)) for error in refusal.errors] if isinstance(refusal, Invalid) else None
    return Problem(
        type=f"urn:lackey:problem:{refusal.code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=str(refusal),
        errors=errors,
        run=run,
    )


def plain_problem(status: int, detail: str) -> Problem:
    """A problem that its status says all about."""
    return Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail)


def written(problem: Problem) -> bytes:
    """The document. Members without a value are left out."""
    shown: dict[str, Any] = {}
    if problem.errors is None:
        shown["errors"] = True
    if problem.run is None:
        shown["run"] = True
    return problem.model_dump_json(exclude=shown).encode()


def refusal_of(error: FileError) -> Refusal:
    """What it means for the asker that a file can't be read."""
    if isinstance(error, ShareAway):
        return Unavailable(str(error))
    return NotFound(str(error)) if isinstance(error, FileMissing) else Conflict(str(error))
