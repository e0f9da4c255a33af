"""Admits requests: checks who asks, then how much is sent, then what.

For a report the token may be among the fields, so there the body has to be read as far as the token; nothing else in it
is looked at before the token was found good, and what is said to a wrong one does not depend on the run.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import Any

from lackey.domain.application import Asker
from lackey.domain.limits import BODY_BYTES, REPORT_BYTES, SWEEP_BYTES
from lackey.domain.refusals import FieldError, Invalid, NotAuthenticated, TooLarge, invalid
from lackey.domain.run import Run
from lackey.services.admin import keys
from lackey.services.idempotency import Once
from lackey.services.runs import reporting
from lackey.web import authentication, early_token, incoming
from lackey.web.bodies import RAW_FIELD, BodyError, ReportBody, read_report
from lackey.web.call import Call, Service
from lackey.web.json_bodies import json_object
from lackey.web.queries import query_of, single_fields
from lackey.web.routes import PATH_ID, Route
from lackey.web.schemas.base import Body
from lackey.web.schemas.reports import Report
from lackey.web.validation import check, check_query

_ONCE_CHARACTERS = 255
_NO_RUN = -1
# No form and no JSON has a field of this name: it is no text.
_NO_LOG = "\ud800"
_JSON = "application/json"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MULTIPART = re.compile(rb'--([^\r\n"\\]{1,70})\r\nContent-Disposition:', re.IGNORECASE)
_LOOKED_AT = 100
# A name that is shown; another may be a token, or anything.
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]{0,30}")
_TABLE = "text/csv"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True)
class Sent:
    """A body of which no more than its `first` piece has been read; `pieces` are all of it."""

    content_type: str
    first: bytes
    pieces: Iterable[bytes]

    @property
    def kind(self) -> str:
        """The content type as it is compared."""
        return self.content_type.lower()

    def find_token(self) -> early_token.Finder | None:
        """What finds a token in it; None: none can be in it."""
        return early_token.finder(self.content_type) if self.first else None

    def read(self, log_field: str, log_limit: int, limit: int, known: frozenset[str] | None = None) -> ReportBody:
        """All of it. Raises BodyError."""
        if not self.first and self.kind.startswith(_JSON):
            return ReportBody({}, None)
        return read_report(self.pieces, self.content_type, log_field, log_limit, limit, known)

    def looked_at(self, names: Iterable[str]) -> "Sent":
        """The same, with the type that it plainly is where it came without one: JSON, or a form of these fields."""
        if self.content_type.strip():
            return self
        if self.first.removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(b"{"):
            return replace(self, content_type=_JSON)
        if multipart := _MULTIPART.match(self.first):
            boundary = multipart[1].decode("latin-1")
            return replace(self, content_type=f'{_FORMS[1]}; boundary="{boundary}"')
        name, separator, _ = self.first[:_LOOKED_AT].partition(b"=")
        is_form = separator and name.decode("latin-1") in names
        return replace(self, content_type=_FORMS[0]) if is_form else self


@dataclass(frozen=True)
class Admitted:
    """A call, and what its handler takes beside it."""

    call: Call
    arguments: dict[str, Any]


def admit(service: Service, route: Route, environ: dict[str, Any], path: dict[str, Any]) -> Admitted:
    """Check who asks, then what. Raises NotAuthenticated, NotAllowed, TooLarge, Invalid, Unavailable."""
    if route.is_report:
        return _admit_report(service, route, environ, path["run_id"])
    asker = None if route.scope is None else authentication.asker(service, environ, route.scope)
    arguments = dict(path)
    if route.query is not None:
        arguments["query"] = check_query(route.query, query_of(environ))
    fields: dict[str, Any] = {}
    if route.body is not None:
        fields, arguments["body"] = _read_body(route, route.body, environ, arguments)
    once = _once(asker, environ, fields)
    return Admitted(Call(service, service.clock(), asker, once, environ.get("HTTP_RANGE")), arguments)


def _read_body(
    route: Route, model: type[Body], environ: dict[str, Any], arguments: dict[str, Any]
) -> tuple[dict[str, Any], Body]:
    """The fields, and these checked; into `arguments` goes the table that came with them, where the route takes one."""
    content_type = environ.get("CONTENT_TYPE", "")
    if route.table_field is not None:
        return _read_table(route.table_field, model, environ, arguments)
    may_be_form = route.takes_forms and content_type.lower().startswith(_FORMS)
    incoming.check_length(environ, BODY_BYTES)
    sent = _sent(environ, content_type if may_be_form else _JSON)
    try:
        read = sent.read(_NO_LOG, 0, BODY_BYTES)
    except BodyError as error:
        raise _refusal(error) from None
    is_form = not sent.kind.startswith(_JSON)
    if "" in read.fields:
        raise invalid("body", "has a field without a name")
    fields = model.from_form(read.fields) if is_form else read.fields
    return fields, check(model, fields, strict=not is_form)


def _read_table(
    table_field: str, model: type[Body], environ: dict[str, Any], arguments: dict[str, Any]
) -> tuple[dict[str, Any], Body]:
    """The same of a body that may be a table, or hold one. The fields of a table that is the body are in the query."""
    incoming.check_length(environ, SWEEP_BYTES)
    is_table = environ.get("CONTENT_TYPE", "").lower().startswith(_TABLE)
    query = query_of(environ)
    if query and not is_table:
        raise invalid("query", "is read beside a body of text/csv alone; else the fields stand in the body")
    table: bytes | None = None
    if is_table:
        incoming.check_encoding(environ)
        fields, table, is_form = single_fields(query), b"".join(_limited(environ)), True
    else:
        fields, table, is_form = _fields_and_table(table_field, environ)
    if is_form:
        fields = model.from_form(fields)
    if table is not None and table_field in fields:
        raise invalid(table_field, "is given twice")
    arguments["table"] = table
    told = {} if table is None else {table_field: hashlib.sha256(table).hexdigest()}
    return {**fields, **told}, check(model, fields, strict=not is_form)


def _fields_and_table(table_field: str, environ: dict[str, Any]) -> tuple[dict[str, Any], bytes | None, bool]:
    """The fields of a form or of JSON, the table among those of a form, and whether it is one."""
    sent = _sent(environ, environ.get("CONTENT_TYPE", ""))
    is_form = sent.kind.startswith(_FORMS)
    try:
        if not is_form:
            document = b"".join(_counted(sent.pieces))
            return json_object(document) if document else {}, None, False
        # As a log, of which everything is kept.
        read = sent.read(table_field, 2 * SWEEP_BYTES, SWEEP_BYTES)
    except BodyError as error:
        raise _refusal(error) from None
    if "" in read.fields:
        raise invalid("body", "has a field without a name")
    return read.fields, None if read.log is None else read.log.head + read.log.tail, True


def _limited(environ: dict[str, Any]) -> Iterator[bytes]:
    return _counted(incoming.pieces(environ))


def _counted(pieces: Iterable[bytes]) -> Iterator[bytes]:
    received = 0
    for piece in pieces:
        received += len(piece)
        incoming.check_size(received, SWEEP_BYTES)
        yield piece


def _sent(environ: dict[str, Any], content_type: str) -> Sent:
    """The body. JSON shows by its first character too: `curl -d '{…}'` calls it a form."""
    incoming.check_encoding(environ)
    pieces = incoming.pieces(environ)
    first = next(pieces, b"")
    if first.lstrip().startswith(b"{") and content_type.lower().startswith(_FORMS):
        content_type = _JSON
    return Sent(content_type, first, chain([first], pieces))


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
    path_id = path_id.rstrip("\r")  # the end of a line of a script of Windows
    run_id = int(path_id) if re.fullmatch(PATH_ID, path_id) else _NO_RUN
    bearer = authentication.bearer(environ) or None
    if bearer is not None and keys.is_one(bearer):  # a user's, which says nothing of the run
        bearer = None
    run = None if bearer is None else reporting.authenticate(service.database, run_id, bearer)
    incoming.check_length(environ, REPORT_BYTES)
    sent = _sent(environ, environ.get("CONTENT_TYPE", ""))
    known = _known_fields(route.body)
    is_raw = bearer is not None and route.log_field == RAW_FIELD
    if not is_raw:
        sent = sent.looked_at({*(known or ()), route.log_field or ""})
    token = bearer
    try:
        if token is None:
            token, run, sent = _authenticated(service, run_id, sent, route.log_field == RAW_FIELD)
        query = _report_query(route, environ)
        read = sent.read(route.log_field or "", service.log_limit, REPORT_BYTES, known)
    except BodyError as error:
        raise _refusal(error) from None
    fields = dict(read.fields)
    named = fields.pop("token", None)
    if bearer is None and named != token:
        run = reporting.authenticate(service.database, run_id, named if isinstance(named, str) else None)
    arguments: dict[str, Any] = {"run_id": run_id, "log": read.log, **query}
    if route.body is not None:
        arguments["body"] = _checked_report(route.body, fields, read)
    return Admitted(Call(service, service.clock(), decoded=read.odd.decoded, reporter=run), arguments)


@cache
def _known_fields(model: type[Body] | None) -> frozenset[str] | None:
    """The fields that a report of this body may have beside its log; None: all of its fields are looked at."""
    if model is None or not issubclass(model, Report):
        return None
    return frozenset({"token", *model.model_fields})


def _report_query(route: Route, environ: dict[str, Any]) -> dict[str, Any]:
    """What stands behind the `?`, for a report that takes it; for others nothing may. Raises Invalid."""
    query = query_of(environ)
    if route.query is not None:
        return {"query": check_query(route.query, query)}
    if not query:
        return {}
    name = re.split("[=&]", query, maxsplit=1)[0]
    shown = name if _NAME.fullmatch(name) else "query"
    raise invalid(shown, "stands behind the ? of the address, where no report is read: send it in the body (curl -d)")


def _checked_report(model: type[Body], fields: dict[str, Any], read: ReportBody) -> Body:
    """The report, unless what nobody understands in it may be the very thing that it says. Raises Invalid."""
    objections: list[FieldError] = []
    if issubclass(model, Report):
        objections = model.objections(fields, read.log is not None, read.odd.unknown, read.odd.faults)
    try:
        body = check(model, fields)
    except Invalid as refusal:
        raise Invalid(*objections, *refusal.errors) if objections else refusal from None
    if objections:
        raise Invalid(*objections)
    return body


def _authenticated(service: Service, run_id: int, sent: Sent, may_be_raw: bool) -> tuple[str | None, Run | None, Sent]:
    """The token among the fields, which is good, its run, and the body. No more is read than it takes to find it."""
    find = sent.find_token()
    if find is None:
        if may_be_raw or not sent.first:
            reporting.authenticate(service.database, run_id, None)
        return None, None, sent  # reading it says what should have been sent
    try:
        token, pieces = early_token.begin(iter(sent.pieces), find)
    except early_token.NoToken as error:
        raise NotAuthenticated(str(error)) from None
    run = reporting.authenticate(service.database, run_id, token)
    return token, run, replace(sent, pieces=pieces)
