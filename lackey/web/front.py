"""Answers for pages: lets visitors in, calls the page, writes HTML. The API's counterpart is `wsgi`."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import bottle

from lackey.domain.refusals import Invalid, Refusal
from lackey.files import FileError
from lackey.web import problems
from lackey.web.call import Service
from lackey.web.pages.entry import NEXT_CHARACTERS, kept_fields
from lackey.web.pages.routes import Cookie, Html, PageRoute, Raw, SeeOther, Unchanged
from lackey.web.rendering import POLICY, render
from lackey.web.streaming import begun
from lackey.web.visits import SEED, Visit, cookie_name, visit_of

log = logging.getLogger(__name__)

_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Vary": "Cookie, Sec-CH-UA-Platform, User-Agent",
}
_KEPT_BY_NOBODY = {"Cache-Control": "no-store"}


def callback(service: Service, route: PageRoute) -> Callable[..., bottle.HTTPResponse]:
    """What Bottle calls for a page."""

    def answer(**path: Any) -> bottle.HTTPResponse:
        environ, visit = bottle.request.environ, None
        try:
            visit = visit_of(service, environ, route.body_bytes)
            return _answer(route, visit, path)
        except Refusal as refusal:
            return _refused(visit, refusal)
        except FileError as error:
            return _refused(visit, problems.refusal_of(error))
        except Exception:
            log.exception("%s %s failed", environ["REQUEST_METHOD"], route.path)
            return _html(visit, Html("error.html", {"status": 500, "refusal": None}, 500))

    return answer


def no_page(service: Service, environ: dict[str, Any], status: int) -> bottle.HTTPResponse:
    """What a browser is told of an address that is none of a page, or of what can't be done there."""
    try:
        visit = visit_of(service, environ)
    except Refusal:
        visit = None
    return _html(visit, Html("error.html", {"status": status, "refusal": None}, status))


def _answer(route: PageRoute, visit: Visit, path: dict[str, Any]) -> bottle.HTTPResponse:
    if route.scope is not None and visit.asker is None and visit.form:
        kept = kept_fields(visit.form)
        return _html(
            visit, Html("sign_in.html", {"next": visit.path, "kept": kept, "problem": None}, 401, is_secret=True)
        )
    if route.scope is not None and visit.asker is None:
        return _see_other(visit, SeeOther(f"/sign-in?next={quote(_wanted(visit))}"))
    if route.scope is not None and not visit.may(route.scope):
        return _html(visit, Html("error.html", {"status": 403, "refusal": None}, 403))
    if route.scope is not None and visit.form and not visit.is_of_asker:
        shown = {"target": visit.path, "fields": _fields(visit)}
        return _html(visit, Html("form_again.html", shown, 409, is_secret=True))
    answer = route.handler(visit, **path)
    if isinstance(answer, SeeOther):
        return _see_other(visit, answer)
    if isinstance(answer, Unchanged):
        return bottle.HTTPResponse(status=304, headers={"ETag": answer.tag, **_HEADERS})
    if isinstance(answer, Raw):
        headers = {"Content-Type": answer.content_type, "Content-Length": str(answer.length), **answer.headers}
        return bottle.HTTPResponse(begun(answer.body), answer.status, headers)
    return _html(visit, answer)


def _fields(visit: Visit) -> list[tuple[str, str]]:
    return [(name, value) for name, values in visit.form.items() for value in values if name != "word"]


def _wanted(visit: Visit) -> str:
    """What to go on with after signing in."""
    whole = f"{visit.path}?{urlencode(visit.query, doseq=True)}" if visit.query else visit.path
    return next((path for path in (whole, visit.path) if len(quote(path)) <= NEXT_CHARACTERS), "/")


def _html(visit: Visit | None, page: Html) -> bottle.HTTPResponse:
    if visit is not None and page.asker is not None:
        visit = replace(visit, asker=page.asker)
    body = render(page.template, visit, page.shown).encode()
    if page.is_secret:
        answer = bottle.HTTPResponse(body, page.status, {**_HEADERS, **_KEPT_BY_NOBODY})
        return _with_cookies(answer, visit, page.cookies)
    tag = page.tag or f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if page.status == 200 and visit is not None and visit.known == tag:
        return bottle.HTTPResponse(status=304, headers={"ETag": tag, **_HEADERS})
    answer = bottle.HTTPResponse(body, page.status, {**_HEADERS, "ETag": tag})
    return _with_cookies(answer, visit, page.cookies)


def _see_other(visit: Visit, way: SeeOther) -> bottle.HTTPResponse:
    answer = bottle.HTTPResponse(status=303, headers={"Location": way.location, **_KEPT_BY_NOBODY})
    return _with_cookies(answer, visit, way.cookies)


def _refused(visit: Visit | None, refusal: Refusal) -> bottle.HTTPResponse:
    status = problems.status_of(type(refusal))
    errors = refusal.errors if isinstance(refusal, Invalid) else ()
    shown = {"status": status, "title": HTTPStatus(status).phrase, "refusal": str(refusal), "errors": errors}
    answer = _html(visit, Html("error.html", shown, status))
    for name, value in problems.HEADERS.get(status, {}).items():
        if name != "WWW-Authenticate":  # a browser would ask for a password that is of no use here
            answer.set_header(name, value)
    return answer


def _with_cookies(answer: bottle.HTTPResponse, visit: Visit | None, cookies: dict[str, Cookie]) -> bottle.HTTPResponse:
    if visit is None:
        return answer
    options = {"httponly": True, "samesite": "lax", "secure": visit.is_secure}
    for name, cookie in {SEED: Cookie(visit.seed), **cookies}.items():
        sent = cookie_name(name, cookie.path, visit.is_secure)
        if cookie.value:
            answer.set_cookie(sent, cookie.value, path=cookie.path, max_age=cookie.seconds, **options)
        else:
            # The other name as well: the same browser may have been here by http before, or by https.
            for each in {sent, name}:
                answer.delete_cookie(each, path=cookie.path, **options)
    return answer
