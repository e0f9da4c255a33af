"""The table of pages, and what a page's handler may answer with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lackey.domain.application import Asker
from lackey.domain.limits import BODY_BYTES
from lackey.services.admin.sessions import KEPT
from lackey.web.routes import Raw

Handler = Callable[..., Any]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True)
class Cookie:
    """What a browser is to send along below `path`, for so many seconds; an empty value ends it."""

    value: str
    path: str = "/"
    seconds: int = int(KEPT.total_seconds())


@dataclass(frozen=True)
class Html:
    """A page: a template, and what it shows. `cookies` are set.

    `asker` is who the page is for, where the answer itself signs them in. `tag` is its entity tag (RFC 9110, section
    8.8.3); None: one is made from the whole page. `is_secret`: nobody is to keep the page.
    """

    template: str
    shown: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    cookies: dict[str, Cookie] = field(default_factory=dict)
    tag: str | None = None
    is_secret: bool = False
    asker: Asker | None = None


@dataclass(frozen=True)
class Unchanged:
    """The visitor has what there is to see: the page of this tag (RFC 9110, section 15.4.5)."""

    tag: str


@dataclass(frozen=True)
class SeeOther:
    """The way on, after a form (RFC 9110, section 15.4.4)."""

    location: str
    cookies: dict[str, Cookie] = field(default_factory=dict)


@dataclass(frozen=True)
class PageRoute:
    """A row of the table. `scope` is what a visitor has to be allowed; None: anybody may look.

    `body_bytes`: how much of a form is read of who has signed in.
    """

    methods: tuple[str, ...]
    path: str
    scope: str | None
    handler: Handler
    body_bytes: int = BODY_BYTES


PAGES: list[PageRoute] = []

__all__ = ["PAGES", "Cookie", "Html", "PageRoute", "Raw", "SeeOther", "Unchanged", "page"]


def page(methods: str, path: str, *, scope: str | None, body_bytes: int = BODY_BYTES) -> Callable[[H], H]:
    """Enter a handler into the table: a function of a `Visit` and of what varies in the path."""

    def enter(handler: H) -> H:
        PAGES.append(PageRoute(tuple(methods.split()), path, scope, handler, body_bytes))
        return handler

    return enter
