"""The API about itself."""

import json

from lackey.web import docs_page, openapi
from lackey.web.call import Call
from lackey.web.rendering import POLICY
from lackey.web.routes import Raw, route


@route("GET", "/api/openapi.json", scope="read")
def description(call: Call) -> Raw:
    """Describe the API as OpenAPI 3.1."""
    text = json.dumps(openapi.document()).encode()
    return Raw("application/json", text, len(text))


@route("GET", "/api/docs", scope=None, content_type="text/html")
def docs(call: Call) -> Raw:
    """Describe the API to people, whose browsers have no key to send."""
    page = docs_page.page().encode()
    return Raw("text/html; charset=utf-8", page, len(page), headers={"Content-Security-Policy": POLICY})
