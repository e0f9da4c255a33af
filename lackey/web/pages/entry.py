"""Signing in and out.

Whoever was signed out while they filled in a form signs in, and is shown what they had sent, to send it. It is not sent
by itself: who has signed in may be somebody else.
"""

from urllib.parse import quote

from lackey.domain.refusals import NotAuthenticated
from lackey.services.admin import sessions
from lackey.web.pages.routes import Cookie, Html, SeeOther, page
from lackey.web.visits import SESSION, Visit

# Of where to go on after signing in: what is longer makes headers that web servers in front refuse.
NEXT_CHARACTERS = 2000
# How a field of a form is called that is kept meanwhile.
_KEPT = "kept."


@page("GET", "/sign-in", scope=None)
def sign_in_form(visit: Visit) -> Html:
    """Ask for a key."""
    return Html("sign_in.html", {"next": _target(visit.asked("next")), "kept": None, "problem": None})


@page("POST", "/sign-in", scope=None)
def sign_in(visit: Visit) -> Html | SeeOther:
    """Let somebody in who has a key."""
    target = _target(visit.sent("next"))
    named = [(name, value) for name, values in visit.form.items() if name.startswith(_KEPT) for value in values]
    kept = named if visit.sent("again") else None
    try:
        cookie = sessions.sign_in(visit.database, visit.sent("key").strip(), visit.now)
    except NotAuthenticated:
        problem = "There is no such key in force."
        return Html("sign_in.html", {"next": target, "kept": kept, "problem": problem}, status=401)
    if kept is not None:
        fields = [(name.removeprefix(_KEPT), value) for name, value in kept]
        asker = sessions.asker_of(visit.database, cookie, visit.now)
        shown = {"target": target, "fields": fields}
        return Html("form_again.html", shown, cookies={SESSION: Cookie(cookie)}, is_secret=True, asker=asker)
    return SeeOther(target, {SESSION: Cookie(cookie)})


def kept_fields(form: dict[str, list[str]]) -> list[tuple[str, str]]:
    """The fields of a form as the page that signs in keeps them; without its CSRF token."""
    return [(f"{_KEPT}{name}", value) for name, values in form.items() for value in values if name != "word"]


@page("GET", "/sign-in/<code>", scope=None)
def link(visit: Visit, code: str) -> Html:
    """What the link leads to that the terminal prints: a button, for a look alone must change nothing."""
    target = _target(visit.asked("next"))
    return Html("sign_in_link.html", {"code": code, "good": visit.service.link.fits(code), "next": target})


@page("POST", "/sign-in/<code>", scope=None)
def enter(visit: Visit, code: str) -> Html | SeeOther:
    """Let in who has the link, once."""
    key = visit.service.link.take(code)
    if key is None:
        return Html("sign_in_link.html", {"code": code, "good": False, "next": "/"}, status=401)
    return SeeOther(_target(visit.sent("next")), {SESSION: Cookie(sessions.sign_in(visit.database, key, visit.now))})


@page("POST", "/sign-out", scope=None)
def sign_out(visit: Visit) -> SeeOther:
    """End it."""
    if visit.session:
        sessions.sign_out(visit.database, visit.session)
    return SeeOther("/sign-in", {SESSION: Cookie("")})


def _target(asked: str) -> str:
    """Where to go on: a page here, whatever the address says."""
    inside = (
        len(quote(asked)) <= NEXT_CHARACTERS
        and asked.startswith("/")
        and not asked.startswith(("//", "/\\"))
        and asked.isprintable()
    )
    return asked if inside else "/"
