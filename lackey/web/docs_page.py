"""The API to read, as one HTML page, made from the same table as the OpenAPI document."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lackey.web.openapi import path_of
from lackey.web.rendering import render
from lackey.web.routes import TABLE, Route


@dataclass(frozen=True)
class Operation:
    """What can be asked for, as people read it. `fields`: of each in query and body its name, kind and purpose."""

    heading: str
    paragraphs: list[str]
    who: str
    fields: list[tuple[str, str, str]]


def page() -> str:
    """The page, the same for everybody."""
    return render("docs.html", None, {"operations": [_operation(route) for route in TABLE]})


def _operation(route: Route) -> Operation:
    return Operation(
        heading=f"{' or '.join(route.methods)} {path_of(route)}",
        paragraphs=[route.summary, *filter(None, [route.description])],
        who=_who(route),
        fields=list(_fields(route)),
    )


def _who(route: Route) -> str:
    if route.is_report:
        return "With the run's token, as the field token or as Authorization: Bearer."
    return f"With a key of scope {route.scope}." if route.scope else "Without a key."


def _fields(route: Route) -> Iterator[tuple[str, str, str]]:
    for model, where in ((route.query, "?"), (route.body, "")):
        if model is None:
            continue
        schema = model.model_json_schema()
        for name, field in schema.get("properties", {}).items():
            kind = _kind(field, schema.get("$defs", {}))
            yield f"{where}{name}", kind, field.get("description", "")
    if route.log_field == "text" or route.path.startswith("/api/run/stop/"):
        yield route.log_field or "", "text", "bytes of the log, as sent"


def _kind(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in field:
        return _kind(definitions[field["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(each, definitions) for each in field["anyOf"]))
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    if field.get("type") == "array":
        return f"list of {_kind(field['items'], definitions)}"
    if field.get("type") == "object" and "properties" in field:
        return "{" + ", ".join(field["properties"]) + "}"
    return str(field.get("type", "any")).replace("string", "text")
