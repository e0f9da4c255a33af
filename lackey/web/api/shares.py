"""Shares, which their readers look at; here nothing touches them."""

from lackey.domain.paths import Share
from lackey.domain.share_health import ShareHealth
from lackey.web.call import Call
from lackey.web.paging import numbered, page
from lackey.web.present import share_out
from lackey.web.routes import route
from lackey.web.schemas.base import PageQuery
from lackey.web.schemas.shares import Shares


@route("GET", "/api/share", scope="read")
def shares(call: Call, query: PageQuery) -> Shares:
    """List the shares, with how they are, as seen from the host of the web service."""
    known = list(call.service.shares.values())

    def read(passed: int, limit: int) -> list[tuple[Share, ShareHealth]]:
        found = known[passed : passed + limit]
        healths = call.service.files.healths(share.name for share in found)
        return [(share, healths[share.name]) for share in found]

    return page(Shares, query, numbered(read), lambda one: share_out(*one[1]), lambda one: one[0])
