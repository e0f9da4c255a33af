"""The list of runs: found, sorted, gone through."""

from dataclasses import dataclass

from lackey.domain.refusals import Invalid
from lackey.domain.run import Run, RunState
from lackey.services.catalogue import reading
from lackey.services.runs import listing
from lackey.services.runs.listing import COUNTED_AT_MOST, Order, RunPage
from lackey.services.runs.queries import Search
from lackey.web.pages.forms import problems_of
from lackey.web.pages.list_address import TIMES, UNENDED, ListAddress, address_of
from lackey.web.pages.routes import Html, page
from lackey.web.visits import Visit

_PAGE = 50
_OFFERED = 100
_PARAMETERS = 80
_STATES = (*(state.value for state in RunState), UNENDED, "final")
# What the neighbouring pages hold, where the list goes down.
_BESIDE = {Order.DURATION: ("Longer", "Shorter")}
_BESIDE_ELSE = ("Newer", "Older")


@dataclass(frozen=True)
class Listed:
    """A page of the list that an address asks for, and how it is sorted."""

    search: Search
    page: RunPage
    order: Order
    down: bool
    back: bool


@page("GET", "/run", scope="read")
def runs(visit: Visit) -> Html:
    """The runs that the address asks for."""
    address, problems, listed = address_of(visit), {}, None
    try:
        listed = _listed(visit, address)
    except Invalid as refusal:
        problems = problems_of(refusal)
    shown = {
        "address": address,
        "typed": _typed(address, problems, listed),
        "problems": problems,
        "states": _STATES,
        "projects": [each.name for each in reading.projects(visit.database, None, _OFFERED)],
        "applications": [each.full_name for each in reading.applications(visit.database, None, None, _OFFERED)],
        "filters": [(name, _worth(name, address, listed), address.without(name)) for name in address.filters],
        **({"listed": None} if listed is None else _shown(visit, address, listed)),
    }
    return Html("runs.html", shown, 400 if problems else 200)


def _listed(visit: Visit, address: ListAddress) -> Listed:
    search, sorting = address.search(), address.sorting()
    order, cursor = sorting.order or listing.order_of(search), sorting.cursor
    found = listing.page(visit.database, search, cursor, _PAGE, order, sorting.down)
    return Listed(search, found, order, sorting.down, cursor is not None and cursor.previous)


def _shown(visit: Visit, address: ListAddress, listed: Listed) -> dict[str, object]:
    before, after = _BESIDE.get(listed.order, _BESIDE_ELSE)[:: 1 if listed.down else -1]
    page = listed.page
    beyond = page.previous if listed.back else page.next
    return {
        "listed": listed,
        "runs": page.runs,
        "reasons": {run.id: visit.turns.reason_of(run) for run in page.runs},
        "parameters": {run.id: parameters_in_short(run) for run in page.runs},
        "heads": {order.value: _head(address, listed, order) for order in Order},
        "previous": (before, address.at(page.previous)) if page.previous else None,
        "next": (after, address.at(page.next)) if page.next else None,
        "first": address.at(None) if address.cursor else None,
        "go_on": address.at(beyond) if beyond and not page.searched_to_end else None,
        "total": _total(page),
    }


def _head(address: ListAddress, listed: Listed, order: Order) -> tuple[ListAddress, str | None]:
    """Where the head of a column leads, and which way the list is sorted by it now."""
    if order is not listed.order:
        return address.sorted_by(order, down=True), None
    return address.sorted_by(order, down=not listed.down), "descending" if listed.down else "ascending"


def _total(page: RunPage) -> str | None:
    if page.total is None:
        return None
    return f"more than {COUNTED_AT_MOST}" if page.total > COUNTED_AT_MOST else str(page.total)


def parameters_in_short(run: Run) -> str:
    """As many of a run's parameters as fit into a cell."""
    text = ""
    for name, value in run.parameters.items():
        text += f"{', ' if text else ''}{name}={value[:_PARAMETERS]}"
        if len(text) > _PARAMETERS:
            return f"{text[:_PARAMETERS]}…"
    return text


def _worth(name: str, address: ListAddress, listed: Listed | None) -> object:
    """What a filter asks for: a time as such, where it is one."""
    return getattr(listed.search, name) if listed is not None and name in TIMES else address.filters[name]


def _typed(address: ListAddress, problems: dict[str, str], listed: Listed | None) -> dict[str, str]:
    """What the fields of the form begin with. A time is in UTC, as a browser's field for times takes it."""
    typed = dict(address.filters)
    for name in TIMES:
        if name in typed and name not in problems:
            moment = getattr(listed.search if listed else _time_alone(name, typed[name]), name)
            typed[name] = moment.replace(tzinfo=None, microsecond=0).isoformat()
    return typed


def _time_alone(name: str, value: str) -> Search:
    return ListAddress({name: value}).search()
