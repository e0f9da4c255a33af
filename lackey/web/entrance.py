"""Lets requests in: who asks comes first, then how much, then what.

For a report the token may be among the fields, so there the body has to be read first; nothing in it is looked at
before the token was found good, and what is said to a wrong one does not depend on the run.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import chain
from typing import Any

from lackey.domain.application import Asker
from lackey.domain.refusals import Invalid, TooLarge, invalid
from lackey.services import reporting
from lackey.services.once import Once
from lackey.web import asking, incoming
from lackey.web.bodies import BODY_LIMIT, BodyError, ReportBody, read_report
from lackey.web.call import Call, Service
from lackey.web.routes import PATH_ID, Route
from lackey.web.schemas.base import Body
from lackey.web.validation import check, check_query

_BODY_LIMIT = 1 << 20
_ONCE_CHARACTERS = 255
_NO_RUN = -1
_JSON = "application/json"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True)
class Admitted:
    """A call, and what its handler takes beside it."""

    call: Call
    arguments: dict[str, Any]


def admit(service: Service, route: Route, environ: dict[str, Any], path: dict[str, Any]) -> Admitted:
    """Check who asks, then what. Raises NotAuthenticated, NotAllowed, TooLarge, Invalid, Unavailable."""
    if route.is_report:
        return _admit_report(service, route, environ, path["run_id"])
    asker = None if route.scope is None else asking.asker(service, environ, route.scope)
    arguments = dict(path)
    if route.query is not None:
        arguments["query"] = check_query(route.query, environ.get("QUERY_STRING", ""))
    fields: dict[str, Any] = {}
    if route.body is not None:
        fields, arguments["body"] = _read_body(route, route.body, environ)
    once = _once(asker, environ, fields)
    return Admitted(Call(service, service.clock(), asker, once, environ.get("HTTP_RANGE")), arguments)


def _read_body(route: Route, model: type[Body], environ: dict[str, Any]) -> tuple[dict[str, Any], Body]:
    content_type = environ.get("CONTENT_TYPE", "")
    may_be_form = route.takes_forms and content_type.lower().startswith(_FORMS)
    read, is_form = _read(environ, content_type if may_be_form else _JSON, "", 0, _BODY_LIMIT)
    if read.log is not None:  # what the reader takes for a log here is a field without a name
        raise invalid("body", "has a field without a name")
    fields = model.from_form(read.fields) if is_form else read.fields
    return fields, check(model, fields, strict=not is_form)


def _read(
    environ: dict[str, Any], content_type: str, log_field: str, log_limit: int, limit: int
) -> tuple[ReportBody, bool]:
    """The body, and whether it was a form. JSON shows by its first character too: `curl -d '{…}'` calls it a form."""
    incoming.check_length(environ, limit)
    pieces = incoming.pieces(environ)
    first = next(pieces, b"")
    kind = content_type.lower()
    if first.lstrip().startswith(b"{") and kind.startswith(_FORMS):
        content_type = kind = _JSON
    if not first and kind.startswith(_JSON):
        return ReportBody({}, None), False
    try:
        return read_report(chain([first], pieces), content_type, log_field, log_limit, limit), kind.startswith(_FORMS)
    except BodyError as error:
        raise _refusal(error) from None


def _refusal(error: BodyError) -> Invalid | TooLarge:
    return TooLarge(error.message) if error.too_large else invalid(error.field or "body", error.message)


def _once(asker: Asker | None, environ: dict[str, Any], fields: dict[str, Any]) -> Once | None:
    name = environ.get("HTTP_IDEMPOTENCY_KEY")
    if name is None or asker is None or environ["REQUEST_METHOD"] != "POST":
        return None
    if not 1 <= len(name) <= _ONCE_CHARACTERS:
        raise invalid("Idempotency-Key", f"should have 1 to {_ONCE_CHARACTERS} characters")
    asked = json.dumps([environ["PATH_INFO"], fields], sort_keys=True)
    return Once(asker.identity, name, hashlib.sha256(asked.encode()).digest())


def _admit_report(service: Service, route: Route, environ: dict[str, Any], path_id: str) -> Admitted:
    run_id = int(path_id) if re.fullmatch(PATH_ID, path_id) else _NO_RUN
    token = asking.bearer(environ) or None
    if token is not None:
        reporting.authenticate(service.database, run_id, token)
    content_type = environ.get("CONTENT_TYPE", "")
    read, _ = _read(environ, content_type, route.log_field or "", service.log_limit, BODY_LIMIT)
    fields = dict(read.fields)
    named = fields.pop("token", None)
    if token is None:
        reporting.authenticate(service.database, run_id, named if isinstance(named, str) else None)
    arguments: dict[str, Any] = {"run_id": run_id, "log": read.log}
    if route.query is not None:
        arguments["query"] = check_query(route.query, environ.get("QUERY_STRING", ""))
    if route.body is not None:
        arguments["body"] = check(route.body, fields)
    return Admitted(Call(service, service.clock()), arguments)
