"""`Range` (RFC 9110, section 14): which bytes of a text are wanted."""

import re

from lackey.web import problems
from lackey.web.routes import Raw

_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class Unsatisfiable(Exception):
    """The text has no such bytes."""


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last; None for all: no range, several, or none that can be understood.

    Raises Unsatisfiable.
    """
    found = _ONE_RANGE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = size - min(int(found[2]), size), size
    else:
        start, end = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return start, end


def unsatisfiable(what: str, size: int) -> Raw:
    """The answer where `what` has none of the bytes that are wanted."""
    problem = problems.written(problems.plain_problem(416, f"{what} has {size} bytes, and none of those asked for"))
    return Raw(problems.CONTENT_TYPE, problem, len(problem), 416, {"Content-Range": f"bytes */{size}"})
