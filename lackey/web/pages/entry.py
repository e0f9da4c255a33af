"""Signing in and out."""

from urllib.parse import quote

from lackey.domain.refusals import NotAuthenticated
from lackey.services import sessions
from lackey.web.pages.routes import Cookie, Html, SeeOther, page
from lackey.web.visits import SESSION, Visit

# Of where to go on after signing in: what is longer makes headers that web servers in front refuse.
NEXT_CHARACTERS = 2000


@page("GET", "/sign-in", scope=None)
def sign_in_form(visit: Visit) -> Html:
    """Ask for a key."""
    return Html("sign_in.html", {"next": _place(visit.asked("next")), "problem": None})


@page("POST", "/sign-in", scope=None)
def sign_in(visit: Visit) -> Html | SeeOther:
    """Let somebody in who has a key."""
    place = _place(visit.sent("next"))
    try:
        cookie = sessions.sign_in(visit.database, visit.sent("key").strip(), visit.now)
    except NotAuthenticated:
        problem = "There is no such key in force."
        return Html("sign_in.html", {"next": place, "problem": problem}, status=401)
    return SeeOther(place, {SESSION: Cookie(cookie)})


@page("GET", "/sign-in/<code>", scope=None)
def link(visit: Visit, code: str) -> Html:
    """What the link leads to that the terminal prints: a button, for a look alone must change nothing."""
    place = _place(visit.asked("next"))
    return Html("sign_in_link.html", {"code": code, "good": visit.service.link.fits(code), "next": place})


@page("POST", "/sign-in/<code>", scope=None)
def enter(visit: Visit, code: str) -> Html | SeeOther:
    """Let in who has the link, once."""
    key = visit.service.link.take(code)
    if key is None:
        return Html("sign_in_link.html", {"code": code, "good": False, "next": "/"}, status=401)
    return SeeOther(_place(visit.sent("next")), {SESSION: Cookie(sessions.sign_in(visit.database, key, visit.now))})


@page("POST", "/sign-out", scope=None)
def sign_out(visit: Visit) -> SeeOther:
    """End it."""
    if visit.session:
        sessions.sign_out(visit.database, visit.session)
    return SeeOther("/sign-in", {SESSION: Cookie("")})


def _place(asked: str) -> str:
    """Where to go on: a page here, whatever the address says."""
    inside = (
        len(quote(asked)) <= NEXT_CHARACTERS
        and asked.startswith("/")
        and not asked.startswith(("//", "/\\"))
        and asked.isprintable()
    )
    return asked if inside else "/"
