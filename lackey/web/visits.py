"""Visits to pages: who looks, what they sent, and whether their own browser meant it.

Somebody has signed in with a key, which a cookie stands for, or the web server vouches for them. A form carries a word
that only a page of ours can know, made from a cookie: another site can make a browser send the cookie, and not the word
(OWASP, Cross-Site Request Forgery Prevention). `/api` never looks at the cookies.
"""

import hashlib
import hmac
import re
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal
from urllib.parse import parse_qs

from lackey.domain.application import Asker
from lackey.domain.refusals import NotAllowed, invalid
from lackey.services import Database, keys, sessions
from lackey.web import asking, incoming
from lackey.web.call import Service

SESSION = "lackey_session"
SEED = "lackey_seed"
TOKEN = "lackey_token"

System = Literal["windows", "mac", "linux"]

_HOST = re.compile(r"[A-Za-z0-9._\[\]:-]+")
_FORM_LIMIT = 1 << 20
_FIELDS_AT_MOST = 2000
_ASKS = ("GET", "HEAD")


@dataclass(frozen=True)
class Visit:
    """A request for a page. `seed` is the cookie that the forms' word is made from; `form` is what a POST sent.

    `token`: of the run that the page is of, if it was made just now. `system`: what the visitor sits at.
    `origin`: scheme, name and port by which they reach the service.
    """

    service: Service
    now: datetime
    path: str
    query: dict[str, list[str]]
    asker: Asker | None
    session: str | None
    seed: str
    is_secure: bool
    known: str | None = None
    range: str | None = None
    token: str | None = None
    system: System = "linux"
    origin: str = "http://localhost:8000"
    form: dict[str, list[str]] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        """The service's database."""
        return self.service.database

    @property
    def by(self) -> str:
        """The name of who looks."""
        return self.asker.name if self.asker else "nobody"

    @property
    def word(self) -> str:
        """What each form on the page has to carry."""
        return hmac.new(self.seed.encode(), b"form", hashlib.sha256).hexdigest()

    @property
    def url(self) -> str:
        """Where reports go: how simulations reach the service."""
        return (self.service.url or self.origin).rstrip("/")

    def may(self, scope: str) -> bool:
        """Whether who looks may do what needs `scope`."""
        return self.asker is not None and keys.SCOPES.index(self.asker.scope) >= keys.SCOPES.index(scope)

    def asked(self, name: str) -> str:
        """A field behind the `?`; empty if it is not there."""
        return self.query.get(name, [""])[-1]

    def sent(self, name: str) -> str:
        """A field of the form; empty if it is not there."""
        return self.form.get(name, [""])[-1]


def visit_of(service: Service, environ: dict[str, Any]) -> Visit:
    """The visit that a request is. Raises Invalid, NotAllowed, NotAuthenticated, TooLarge, Unavailable."""
    cookies, now = _cookies(environ), service.clock()
    session = cookies.get(SESSION)
    asker = sessions.asker_of(service.database, session, now) if session else None
    visit = Visit(
        service=service,
        now=now,
        path=environ.get("PATH_INFO", "/"),
        query=parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=_FIELDS_AT_MOST),
        asker=asker or asking.vouched_for(service, environ),
        session=session if asker else None,
        seed=cookies.get(SEED) or secrets.token_urlsafe(16),
        is_secure=environ.get("wsgi.url_scheme") == "https",
        known=environ.get("HTTP_IF_NONE_MATCH"),
        range=environ.get("HTTP_RANGE"),
        token=_token(cookies.get(TOKEN)),
        system=_system(environ),
        origin=_origin(environ),
        form={} if environ["REQUEST_METHOD"] in _ASKS else _form(environ),
    )
    if environ["REQUEST_METHOD"] not in _ASKS:
        asking.refuse_other_sites(environ)
        if not hmac.compare_digest(visit.sent("word").encode(), visit.word.encode()):
            raise NotAllowed("this form is from another time or place; go back, load the page again and repeat it")
    return visit


def _cookies(environ: dict[str, Any]) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(environ.get("HTTP_COOKIE", "")).items()}
    except CookieError:
        return {}


def _token(text: str | None) -> str | None:
    """A token, if it is one: a cookie may have been set by another service of the same host."""
    try:
        return None if text is None else str(uuid.UUID(text))
    except ValueError:
        return None


def _system(environ: dict[str, Any]) -> System:
    """What the visitor's browser says that it runs on (User-Agent Client Hints, section 3.5; else User-Agent)."""
    said = environ.get("HTTP_SEC_CH_UA_PLATFORM", "").strip('"') or environ.get("HTTP_USER_AGENT", "")
    if "Windows" in said:
        return "windows"
    return "mac" if "mac" in said.lower() else "linux"


def _origin(environ: dict[str, Any]) -> str:
    host = environ.get("HTTP_HOST", "")
    known = host if _HOST.fullmatch(host) else "localhost:8000"
    return f"{environ.get('wsgi.url_scheme', 'http')}://{known}"


def _form(environ: dict[str, Any]) -> dict[str, list[str]]:
    incoming.check_length(environ, _FORM_LIMIT)
    body = bytearray()
    for piece in incoming.pieces(environ):
        body += piece
        incoming.check_size(len(body), _FORM_LIMIT)
    try:
        return parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_AT_MOST)
    except (UnicodeDecodeError, ValueError):
        raise invalid("form", "is not UTF-8, or has too many fields") from None
