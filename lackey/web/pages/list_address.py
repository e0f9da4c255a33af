"""The address of a list of runs. It says all of the list, so that it can be kept, sent to others and gone back to."""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from lackey.domain.refusals import FieldError, Invalid
from lackey.domain.run import RunState
from lackey.services.runs.listing import Cursor, Order
from lackey.services.runs.queries import Search
from lackey.web.api.runs import search_of
from lackey.web.schemas.runs import RunQuery
from lackey.web.validation import check
from lackey.web.visits import Visit

FILTERS = ("q", "state", "project", "application", "by", "sweep", "schedule", "since", "until")
TIMES = ("since", "until")
# The API's *active* leaves out what has not begun to wait yet; who cancels all of something means that as well.
UNENDED = "unended"
_UNENDED = [state.value for state in RunState if not state.is_final]
_DIRECTIONS = {"": True, "down": True, "up": False}
# What a browser sends of a field for a time; without JavaScript it can't say of which zone.
_WITHOUT_OFFSET = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(?:\.[0-9]+)?)?")


@dataclass(frozen=True)
class Sorting:
    """How a list is sorted, None: as it is best; and where the page begins."""

    order: Order | None
    down: bool
    cursor: Cursor | None


@dataclass(frozen=True)
class ListAddress:
    """What the address says, as it was typed; `filters` without those that are empty."""

    filters: dict[str, str] = field(default_factory=dict)
    order: str = ""
    direction: str = ""
    cursor: str = ""

    def __str__(self) -> str:
        rest = {"order": self.order, "direction": self.direction, "cursor": self.cursor}
        told = {**self.filters, **{name: value for name, value in rest.items() if value}}
        return f"/run?{urlencode(told)}" if told else "/run"

    @property
    def query(self) -> str:
        """What narrows the list, as it stands in an address."""
        return urlencode(self.filters)

    def without(self, name: str) -> "ListAddress":
        """The same list less narrowed, from its beginning."""
        return replace(self, filters={each: value for each, value in self.filters.items() if each != name}, cursor="")

    def sorted_by(self, order: Order, *, down: bool) -> "ListAddress":
        """The same list sorted otherwise, from its beginning."""
        return replace(self, order=order.value, direction="" if down else "up", cursor="")

    def at(self, cursor: Cursor | None) -> "ListAddress":
        """Another page of the same list; None: the first."""
        return replace(self, cursor="" if cursor is None else str(cursor))

    def search(self) -> Search:
        """What is searched for. Raises Invalid."""
        told: dict[str, object] = {**self.filters}
        told |= {name: _utc(self.filters[name]) for name in TIMES if name in told}
        if "state" in told:
            words = self.filters["state"].split(",")
            told["state"] = [word for each in words for word in (_UNENDED if each == UNENDED else [each])]
        return search_of(check(RunQuery, told))

    def sorting(self) -> Sorting:
        """How it is sorted. Raises Invalid."""
        errors, cursor = [], None
        if self.order and self.order not in [order.value for order in Order]:
            errors.append(FieldError("order", f"should be one of {', '.join(Order)}"))
        if self.direction not in _DIRECTIONS:
            errors.append(FieldError("direction", "should be up or down"))
        try:
            cursor = Cursor.parse(self.cursor) if self.cursor else None
        except Invalid as refusal:
            errors += refusal.errors
        if errors:
            raise Invalid(*errors)
        return Sorting(Order(self.order) if self.order else None, _DIRECTIONS[self.direction], cursor)


def address_of(visit: Visit) -> ListAddress:
    """What the visitor asks for. Several states may be given one by one."""
    asked = {name: visit.asked(name).strip() for name in FILTERS}
    asked["state"] = ",".join(filter(None, (each.strip() for each in visit.query.get("state", []))))
    rest = {name: visit.asked(name).strip() for name in ("order", "direction", "cursor")}
    return ListAddress({name: value for name, value in asked.items() if value}, **rest)


def _utc(typed: str) -> str:
    found = _WITHOUT_OFFSET.fullmatch(typed)
    if found is None:
        return typed
    return f"{typed}Z" if found[1] else f"{typed}:00Z"
