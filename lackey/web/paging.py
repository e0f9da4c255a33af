"""Lists in pages."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lackey.domain.limits import LIST_BYTES
from lackey.web.schemas.base import Page, PageQuery
from lackey.web.schemas.types import cursor

Item = TypeVar("Item")
Shown = TypeVar("Shown", bound=Page[Any])

# So many rows are read at once: as many as may be in memory, however large they are.
_AT_ONCE = 100


def page(
    kind: type[Shown],
    query: PageQuery,
    read: Callable[[int | None, int], Sequence[Item]],
    show: Callable[[Item], Any],
    place: Callable[[Item], int],
    at_once: int | None = None,
) -> Shown:
    """The first `query.limit` of a list, or fewer, where they would be larger than `LIST_BYTES` together.

    `read(place, limit)` gives at most `limit` of those that follow on a place (None: the first ones), and
    `place(item)` is where the list goes on behind an item. `at_once`: so many at most are asked of `read`.
    """
    shown: list[Any] = []
    size, reached = 0, query.cursor
    while True:
        # One more than are wanted, to see whether there is a next page.
        wanted = min(at_once or _AT_ONCE, query.limit - len(shown) + 1)
        found = read(reached, wanted)
        for item in found:
            one = show(item)
            size += len(one.model_dump_json())
            if len(shown) == query.limit or (shown and size > LIST_BYTES):
                return kind(items=shown, next=None if reached is None else cursor(reached))
            shown.append(one)
            reached = place(item)
        if len(found) < wanted:
            return kind(items=shown, next=None)


def numbered(read: Callable[[int, int], Sequence[Item]]) -> Callable[[int | None, int], Sequence[tuple[int, Item]]]:
    """Of a list whose place is how many are passed: each with the place behind it. `read` is told how many to pass."""

    def found(passed: int | None, limit: int) -> list[tuple[int, Item]]:
        return list(enumerate(read(passed or 0, limit), (passed or 0) + 1))

    return found
