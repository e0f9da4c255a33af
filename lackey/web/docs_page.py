"""The API to read, as one HTML page without scripts, made from the same table as the OpenAPI document."""

from collections.abc import Iterator
from html import escape
from typing import Any

from lackey.web.openapi import path_of
from lackey.web.routes import TABLE, Route

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>lackey: the API</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
code {{ font-size: 0.95em; }}
h2 {{ font-size: 1.05rem; margin: 2.5rem 0 0.25rem; border-top: 1px solid #ccc; padding-top: 1rem; }}
table {{ border-collapse: collapse; margin: 0.5rem 0; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.15rem 1rem 0.15rem 0; }}
.scope {{ color: #555; }}
</style>
</head>
<body>
<h1>lackey: the API</h1>
<p>The same for programs: <a href="/api/openapi.json"><code>/api/openapi.json</code></a>.</p>
{operations}
</body>
</html>
"""


def page() -> str:
    """The page."""
    return _PAGE.format(operations="\n".join(_operation(route) for route in TABLE))


def _operation(route: Route) -> str:
    heading = f"{' or '.join(route.methods)} {path_of(route)}"
    paragraphs = [route.summary, *filter(None, [route.description])]
    return "\n".join(
        [
            f"<h2><code>{escape(heading)}</code></h2>",
            *(f"<p>{escape(text)}</p>" for text in paragraphs),
            f'<p class="scope">{_who(route)}</p>',
            _table(list(_fields(route))),
        ]
    )


def _who(route: Route) -> str:
    if route.is_report:
        return "With the run's token, as the field <code>token</code> or as <code>Authorization: Bearer</code>."
    return f"With a key of scope <code>{route.scope}</code>." if route.scope else "Without a key."


def _fields(route: Route) -> Iterator[tuple[str, str, str]]:
    """Of each field in query and body: its name, what it takes, what it is for."""
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


def _table(rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    cells = "\n".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(text)}</td></tr>"
        for name, kind, text in rows
    )
    return f"<table>\n<tr><th>field</th><th>takes</th><th></th></tr>\n{cells}\n</table>"
