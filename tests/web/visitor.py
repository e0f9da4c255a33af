"""A visitor with a browser: cookies, forms, links, and no JavaScript."""

from dataclasses import dataclass, field
from typing import Any

from webtest import TestApp

from tests.web.client import Api

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@dataclass
class Visitor:
    """Somebody who looks at the pages of a service."""

    api: Api
    browser: Any = field(init=False)

    def __post_init__(self) -> None:
        self.browser = TestApp(self.api.wsgi)

    def sign_in(self, scope: str = "admin") -> Any:
        """Sign in with a new key of this scope; the page that is shown then."""
        form = self.browser.get("/sign-in").forms[0]
        form["key"] = self.api.key_of(scope)
        return form.submit().follow()

    def see(self, path: str, status: int = 200) -> Any:
        """Look at a page."""
        return self.browser.get(path, status=status)

    def post(self, path: str, status: int, **fields: str) -> Any:
        """Send a form that no page of ours has shown."""
        return self.browser.post(path, fields, status=status)


def form_to(page: Any, action: str) -> Any:
    """The form of a page that goes there."""
    return next(form for form in page.forms.values() if form.action == action)
