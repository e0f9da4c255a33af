"""Visits to pages: who looks, what they sent, and whether their own browser meant it.

Somebody has signed in with a key, which a cookie stands for, or the web server vouches for them. A form carries a CSRF
token, an HMAC of a cookie: another site can make a browser send the cookie, and does not know the token (OWASP,
Cross-Site Request Forgery Prevention). Its second half is of who was signed in when the form was shown: somebody else,
who has signed in since, is asked first. `/api` never looks at the cookies.

Over https the names of the cookies begin with `__Host-` or `__Secure-` (RFC 6265bis, section 4.1.3), so that no
neighbouring host and nobody on plain http can set them.
"""

import hashlib
import hmac
import re
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal
from urllib.parse import parse_qs

from lackey.domain.application import Asker
from lackey.domain.limits import BODY_BYTES, FORM_FIELDS
from lackey.domain.refusals import NotAllowed, invalid
from lackey.services import Database
from lackey.services.admin import keys, sessions
from lackey.services.runs.waiting import WaitReasons
from lackey.web import authentication, incoming, queries
from lackey.web.call import Service

# Half a CSRF token, in hexadecimal digits.
_HALF = 64
SESSION = "lackey_session"
SEED = "lackey_seed"
TOKEN = "lackey_token"

System = Literal["windows", "mac", "linux"]

_HOST = re.compile(r"[A-Za-z0-9._\[\]:-]+")
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

    @cached_property
    def turns(self) -> WaitReasons:
        """Whose turn it is, of the runs that wait for it."""
        return WaitReasons(self.service.database, self.now)

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
        """The CSRF token that each form on the page has to carry."""
        return self._digest("form") + self._digest(f"form of {self.asker and self.asker.identity!r}")

    @property
    def is_of_asker(self) -> bool:
        """Whether the form that was sent was shown to who is signed in now."""
        return hmac.compare_digest(self.sent("word").encode(), self.word.encode())

    @property
    def is_of_this_browser(self) -> bool:
        """Whether the form that was sent was shown in this browser, by a page of ours."""
        return hmac.compare_digest(self.sent("word")[:_HALF].encode(), self.word[:_HALF].encode())

    def _digest(self, of: str) -> str:
        return hmac.new(self.seed.encode(), of.encode(), hashlib.sha256).hexdigest()

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


def visit_of(service: Service, environ: dict[str, Any], body_bytes: int = BODY_BYTES) -> Visit:
    """The visit that a request is; of who has signed in a form of `body_bytes` is read.

    Raises Invalid, NotAllowed, NotAuthenticated, TooLarge, Unavailable.
    """
    cookies, now = _cookies(environ), service.clock()
    is_secure = environ.get("wsgi.url_scheme") == "https"

    def cookie(name: str, path: str = "/") -> str | None:
        return cookies.get(cookie_name(name, path, is_secure))

    session = cookie(SESSION)
    known = sessions.asker_of(service.database, session, now) if session else None
    asker = known or authentication.vouched_for(service, environ)
    visit = Visit(
        service=service,
        now=now,
        path=environ.get("PATH_INFO", "/"),
        query=queries.fields_of(environ),
        asker=asker,
        session=session if known else None,
        seed=cookie(SEED) or secrets.token_urlsafe(16),
        is_secure=is_secure,
        known=environ.get("HTTP_IF_NONE_MATCH"),
        range=environ.get("HTTP_RANGE"),
        token=_token(cookie(TOKEN, environ.get("PATH_INFO", "/"))),
        system=_system(environ),
        origin=_origin(environ),
        form={} if environ["REQUEST_METHOD"] in _ASKS else _form(environ, body_bytes if asker else BODY_BYTES),
    )
    if environ["REQUEST_METHOD"] not in _ASKS:
        authentication.refuse_other_sites(environ)
        if not visit.is_of_this_browser:
            raise NotAllowed("this form is from another time or place; go back, load the page again and repeat it")
    return visit


def cookie_name(name: str, path: str, is_secure: bool) -> str:
    """What a cookie for what lies below `path` is called on its way."""
    if not is_secure:
        return name
    return f"__Host-{name}" if path == "/" else f"__Secure-{name}"


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


def _form(environ: dict[str, Any], limit: int) -> dict[str, list[str]]:
    incoming.check_length(environ, limit)
    body = bytearray()
    for piece in incoming.pieces(environ):
        body += piece
        incoming.check_size(len(body), limit)
    try:
        return parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise invalid("form", f"is not UTF-8, or has more than {FORM_FIELDS} fields") from None
