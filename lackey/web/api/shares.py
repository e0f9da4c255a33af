"""Shares, which their readers look at; here nothing touches them."""

from itertools import islice

from lackey.web.call import Call
from lackey.web.paging import page
from lackey.web.present import share_out
from lackey.web.routes import route
from lackey.web.schemas.base import PageQuery
from lackey.web.schemas.shares import Shares


@route("GET", "/api/share", scope="read")
def shares(call: Call, query: PageQuery) -> Shares:
    """List the shares, with how they are, as seen from the host of the web service."""
    passed = query.cursor or 0
    known = call.service.shares
    found = [known[name] for name in islice(known, passed, passed + query.limit + 1)]
    healths = call.service.files.healths(share.name for share in found)
    return page(
        Shares, query, found, lambda share: share_out(share, healths[share.name]), lambda _: passed + query.limit
    )
