"""Keys, for admins: who may use the service, and what each may do."""

import hashlib
import secrets
from typing import Any

from lackey.domain.refusals import Invalid, NotAuthenticated
from lackey.services.admin import keys as service
from lackey.services.admin import sessions
from lackey.services.idempotency import Once
from lackey.web.pages.forms import problems_of
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.schemas.keys import NewKey
from lackey.web.validation import check
from lackey.web.visits import Visit

_PAGE = 1000
_MAY = {
    "read": "look at everything",
    "run": "schedule, cancel and repeat runs",
    "manage": "change projects and applications",
    "admin": "make keys, pause executors",
}


@page("GET", "/key", scope="admin")
def keys(visit: Visit) -> Html:
    """All keys, and a form for another one. `again`: a form came that had made its key before."""
    return _keys(visit, {"name": "", "scope": "run"}, {}, {"again": visit.asked("again") != ""})


@page("POST", "/key", scope="admin")
def add_key(visit: Visit) -> Html | SeeOther:
    """Make a key, and show it this once. The page loaded again sends the form again: that makes no second one."""
    typed = {"name": visit.sent("name"), "scope": visit.sent("scope")}
    try:
        body = check(NewKey, typed)
    except Invalid as refusal:
        return _keys(visit, typed, problems_of(refusal), {})
    secret = service.create_once(visit.database, body.name, body.scope, visit.now, _once(visit, body))
    if secret is None:
        return SeeOther("/key?again=1")
    may = list(_MAY.values())[: service.SCOPES.index(body.scope) + 1]
    return Html("key_made.html", {"made": body, "secret": secret, "may": may}, is_secret=True)


@page("POST", "/key/<key_id:id>/revoke", scope="admin")
def revoke_key(visit: Visit, key_id: int) -> SeeOther:
    """Revoke a key, and with it all that was signed in with it."""
    service.revoke(visit.database, key_id, visit.now)
    return SeeOther("/key")


def _once(visit: Visit, body: NewKey) -> Once:
    """The same form, filled in alike. Who goes back and types another name wants another key."""
    if visit.asker is None:
        raise NotAuthenticated("sign in first")
    request = f"/key {body.scope} {body.name}"
    return Once(visit.asker.identity, f"{visit.sent('once')} {request}", hashlib.sha256(request.encode()).digest())


def _keys(visit: Visit, typed: dict[str, str], problems: dict[str, str], more: dict[str, Any]) -> Html:
    found = service.listing(visit.database, None, _PAGE)
    shown = {
        "in_force": [key for key in found if key.revoked_at is None],
        "revoked": [key for key in found if key.revoked_at is not None],
        "signed_in": sessions.count_by_key(visit.database, visit.now),
        "may": _MAY,
        "typed": typed,
        "problems": problems,
        "once": secrets.token_urlsafe(16),
        "again": False,
        **more,
    }
    return Html("keys.html", shown, 400 if problems else 200)
