"""All the runs that a list narrows down to, however many: cancelled at once."""

import time
from dataclasses import replace
from urllib.parse import urlencode

from lackey.domain.run import RunState
from lackey.services.runs import cancelling, listing
from lackey.services.runs.listing import COUNTED_AT_MOST
from lackey.services.runs.queries import Search
from lackey.web.pages.list_address import FILTERS, ListAddress, address_of
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.visits import Visit

# Web servers in front wait for an answer for a minute.
SECONDS = 20
_DIGITS = 9
_UNENDED = frozenset(state for state in RunState if not state.is_final)


@page("GET", "/run/all/cancel", scope="run")
def ask(visit: Visit) -> Html:
    """Ask whether all that the address narrows down to are to be cancelled; and how many have been, and are left."""
    address = address_of(visit)
    search = _unended(address)
    found = listing.page(visit.database, search, None, 1)
    running = listing.page(visit.database, replace(search, states=search.states & {RunState.RUNNING}), None, 1)
    done = visit.asked("done")
    shown = {
        "filters": address.filters,
        "query": address.query,
        "count": _count(found) if search.states else "0",
        "running": _count(running) if RunState.RUNNING in search.states else "0",
        "done": done if done.isascii() and done.isdigit() and len(done) <= _DIGITS else "",
        "is_complete": not visit.asked("more"),
    }
    return Html("cancel_all.html", shown)


@page("POST", "/run/all/cancel", scope="run")
def cancel(visit: Visit) -> SeeOther:
    """Cancel them, as many as can be in a while."""
    address = ListAddress({name: visit.sent(name) for name in FILTERS if visit.sent(name)})
    search, until = _unended(address), time.monotonic() + SECONDS
    count, is_complete = 0, True
    if search.states:
        count, is_complete = cancelling.cancel_all(
            visit.database, search, visit.by, visit.now, lambda: time.monotonic() < until
        )
    visit.service.wake()
    told = {**address.filters, "done": str(count), **({} if is_complete else {"more": "yes"})}
    return SeeOther(f"/run/all/cancel?{urlencode(told)}")


def _unended(address: ListAddress) -> Search:
    search = address.search()
    return replace(search, states=search.states & _UNENDED if search.states else _UNENDED)


def _count(found: listing.RunPage) -> str:
    if found.total is None:
        return "some"
    return f"more than {COUNTED_AT_MOST}" if found.total > COUNTED_AT_MOST else str(found.total)
