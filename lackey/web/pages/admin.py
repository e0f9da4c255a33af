"""Shares, schedulers and keys, for admins."""

from lackey.domain.refusals import Invalid
from lackey.services import health, keys
from lackey.web.pages.forms import problems_of
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.present import share_out
from lackey.web.schemas.keys import NewKey
from lackey.web.validation import check
from lackey.web.visits import Visit

_PAGE = 1000


@page("GET", "/admin", scope="admin")
def admin(visit: Visit) -> Html:
    """How all that lackey stands on is, and who may use it."""
    return _admin(visit, "", {})


@page("POST", "/admin/key", scope="admin")
def add_key(visit: Visit) -> Html:
    """Make a key, and show it this once."""
    try:
        body = check(NewKey, {"name": visit.sent("name"), "scope": visit.sent("scope")})
    except Invalid as refusal:
        return _admin(visit, "", problems_of(refusal))
    _, secret = keys.create(visit.database, body.name, body.scope, visit.now)
    return _admin(visit, secret, {})


@page("POST", "/admin/key/<key_id:id>/revoke", scope="admin")
def revoke_key(visit: Visit, key_id: int) -> SeeOther:
    """Revoke a key, and with it all that was signed in with it."""
    keys.revoke(visit.database, key_id, visit.now)
    return SeeOther("/admin")


def _admin(visit: Visit, secret: str, problems: dict[str, str]) -> Html:
    shares = visit.service.shares
    healths = visit.service.files.healths(shares)
    shown = {
        "shares": [share_out(share, healths[name]) for name, share in shares.items()],
        "schedulers": health.schedulers(visit.database, visit.now),
        "keys": keys.listing(visit.database, None, _PAGE),
        "scopes": keys.SCOPES,
        "secret": secret,
        "problems": problems,
    }
    return Html("admin.html", shown, 400 if problems else 200)
