"""The OpenAPI 3.1 document, made from the table of routes and the schemas."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from lackey import __version__
from lackey.domain.refusals import (
    Invalid,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotReadable,
    Refusal,
    TooLarge,
    Unavailable,
)
from lackey.web import problems
from lackey.web.routes import TABLE, Route
from lackey.web.schemas.problem import Problem

_REFERENCE = "#/components/schemas/{model}"
_ABOUT = """Schedules, launches, follows and records the runs of simulations.

Times go out as RFC 3339 in UTC, and come in as unix seconds or RFC 3339 with an offset. Lists come in pages: `next` is
the `cursor` of the next one. Errors are `application/problem+json` (RFC 9457). A POST that makes something may carry an
`Idempotency-Key`: sent again with it within 24 hours, it answers the same resource."""
_KEY = "an API key; who has signed in at the web server needs none, where the service's administrator trusts that"
_RAW = {"type": "string", "contentMediaType": "application/octet-stream"}
_TOKEN = {
    "token": {"type": "string", "description": "the run's token, unless it comes as `Authorization: Bearer`"},
}
_LOG = {"type": "string", "description": "bytes, as sent; past the service's limit head and tail are kept"}


def document() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in TABLE:
        for method in route.methods:
            paths.setdefault(path_of(route), {})[method.lower()] = _operation(route, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": "lackey", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": _KEY},
                "token": {"type": "http", "scheme": "bearer", "description": "the token of the run"},
            },
        },
    }


def path_of(route: Route) -> str:
    """Its path as OpenAPI writes it."""
    return re.sub(r"<(\w+)(?::\w+)?>", r"{\1}", route.path)


def refusals_of(route: Route) -> list[type[Refusal]]:
    """Every way in which it may say no."""
    found: set[type[Refusal]] = {*route.may}
    if route.scope is not None or route.is_report:
        found |= {NotAuthenticated, Unavailable}
    if route.scope is not None:
        found |= {NotAllowed}
        found |= {NotFound} if route.path_names else set()
    if route.body is not None:
        found |= {Invalid, TooLarge, NotReadable}
    if route.query is not None or route.is_report or route.status == 201:
        found |= {Invalid}
    return sorted(found, key=problems.status_of)


def _models() -> Iterator[tuple[type[BaseModel], str]]:
    yield Problem, "serialization"
    for route in TABLE:
        if route.body is not None:
            yield route.body, "validation"
        if route.answer is not None:
            yield route.answer, "serialization"


def _schemas() -> dict[str, Any]:
    models: Any = list(dict.fromkeys(_models()))
    _, definitions = models_json_schema(models, ref_template=_REFERENCE)
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def _operation(route: Route, method: str) -> dict[str, Any]:
    name = f"report_{route.handler.__name__}" if route.is_report else route.handler.__name__
    operation: dict[str, Any] = {
        "operationId": name if method == route.methods[0] else f"{name}_{method.lower()}",
        "summary": route.summary,
        "tags": [route.handler.__module__.rpartition(".")[2]],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route, method)],
        "responses": _responses(route),
        "security": _security(route),
    }
    if description := _description(route):
        operation["description"] = description
    if route.body is not None:
        operation["requestBody"] = {"content": _report_bodies(route) if route.is_report else _bodies(route)}
    return operation


def _description(route: Route) -> str:
    scope = f"Needs a key of scope `{route.scope}`." if route.scope is not None else ""
    return " ".join(part for part in (route.description.replace("\n", " "), scope) if part)


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.is_report:  # the token may be a field as well
        return [{"token": []}, {}]
    return [] if route.scope is None else [{"key": []}]


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    number = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
    for name in route.path_names:
        schema = number if name.endswith("_id") else {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route) -> Iterator[dict[str, Any]]:
    if route.query is None:
        return
    schema = route.query.model_json_schema(ref_template=_REFERENCE)
    for name, value in schema["properties"].items():
        shown = {key: each for key, each in value.items() if key not in ("default", "title", "description")}
        described = {"description": value["description"]} if "description" in value else {}
        yield {"name": name, "in": "query", "schema": _not_null(shown), **described}


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null; what may be left out is not required anyway."""
    if "anyOf" not in schema:
        return schema
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else {**schema, "anyOf": kinds}


def _header_parameters(route: Route, method: str) -> Iterator[dict[str, Any]]:
    if method == "POST" and route.status == 201:
        schema = {"type": "string", "minLength": 1, "maxLength": 255}
        yield {"name": "Idempotency-Key", "in": "header", "schema": schema}


def _bodies(route: Route) -> dict[str, Any]:
    assert route.body is not None
    schema = {"$ref": _REFERENCE.format(model=route.body.__name__)}
    types = ["application/json", *(["application/x-www-form-urlencoded"] if route.takes_forms else [])]
    bodies: dict[str, Any] = {kind: {"schema": schema} for kind in types}
    if route.table_field is not None:
        described = {**_RAW, "description": "CSV; its first line has the names"}
        as_file = {"type": "object", "properties": {route.table_field: described}, "required": [route.table_field]}
        bodies["multipart/form-data"] = {"schema": as_file}
        bodies["text/csv"] = {"schema": {"type": "string", "description": "the other fields stand in the query"}}
    return bodies


def _report_bodies(route: Route) -> dict[str, Any]:
    """Form, multipart, JSON: the same fields; and for a piece of log the text alone."""
    assert route.body is not None
    known = {"$ref": _REFERENCE.format(model=route.body.__name__)}
    fields = {**_TOKEN, **({"log": _LOG} if route.path.startswith("/api/run/stop/") else {})}
    own: dict[str, Any] = {"type": "object", "properties": fields}
    if route.log_field == "text":
        own = {"type": "object", "properties": {**fields, "text": _LOG}, "required": ["text"]}
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data", "application/json")
    content: dict[str, Any] = {kind: {"schema": {"allOf": [known, own]}} for kind in kinds}
    if route.log_field == "text":
        content["application/octet-stream"] = {"schema": _RAW}
    return content


def _responses(route: Route) -> dict[str, Any]:
    responses: dict[str, Any] = {str(route.status): _success(route)}
    if route.content_type == "text/plain":
        responses["206"] = {**_success(route), "description": "The range asked for."}
        responses["416"] = _problem("The text has no such bytes.")
    for refusal in refusals_of(route):
        status = problems.status_of(refusal)
        explained = (refusal.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
        responses.setdefault(str(status), _problem(explained))
        if headers := problems.HEADERS.get(status):
            shown = {name: {"schema": {"type": "string"}} for name in headers}
            responses[str(status)]["headers"] = shown
    return responses


def _success(route: Route) -> dict[str, Any]:
    if route.status == 204:
        return {"description": "Done; there is nothing to say."}
    schema: dict[str, Any] = {"type": "string"} if route.content_type.startswith("text/") else {"type": "object"}
    if route.answer is not None:
        schema = {"$ref": _REFERENCE.format(model=route.answer.__name__)}
    success: dict[str, Any] = {
        "description": (route.answer.__doc__ or "").partition("\n\n")[0] if route.answer else "As asked.",
        "content": {route.content_type: {"schema": schema}},
    }
    if route.status == 201:
        success["headers"] = {"Location": {"schema": {"type": "string"}}}
    return success


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {"description": description, "content": {problems.CONTENT_TYPE: {"schema": schema}}}
