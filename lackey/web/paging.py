"""Lists in pages."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lackey.domain.limits import LIST_BYTES
from lackey.web.schemas.base import Page, PageQuery
from lackey.web.schemas.types import cursor

Item = TypeVar("Item")
CursorT = TypeVar("CursorT")
Shown = TypeVar("Shown", bound=Page[Any])

# So many rows are read at once: as many as may be in memory, however large they are.
AT_ONCE = 100


def page(
    kind: type[Shown],
    query: PageQuery,
    read: Callable[[int | None, int], Sequence[Item]],
    show: Callable[[Item], Any],
    cursor_of: Callable[[Item], int],
    at_once: int | None = None,
) -> Shown:
    """The first `query.limit` of a list, or fewer, where they would be larger than `LIST_BYTES` together.

    `read(cursor, limit)` gives at most `limit` of those that follow on a cursor (None: the first ones), and
    `cursor_of(item)` is where the list goes on behind an item. `at_once`: so many at most are asked of `read`.
    """

    def found(cursor: int | None, limit: int) -> tuple[Sequence[Item], None]:
        return read(cursor, limit), None

    items, reached = page_of(query.limit, query.cursor, found, show, cursor_of, at_once)
    return kind(items=items, next=None if reached is None else cursor(reached))


def page_of(
    most: int,
    begin: CursorT | None,
    read: Callable[[CursorT | None, int], tuple[Sequence[Item], CursorT | None]],
    show: Callable[[Item], Any],
    cursor_of: Callable[[Item], CursorT],
    at_once: int | None = None,
) -> tuple[list[Any], CursorT | None]:
    """The same of a list whose `read` may give up before it has found `limit`, and says then where to go on.

    What is shown, and where the next page begins; None if there is none.
    """
    shown: list[Any] = []
    size, reached = 0, begin
    while True:
        # One more than are wanted, to see whether there is a next page.
        wanted = min(at_once or AT_ONCE, most - len(shown) + 1)
        found, gave_up_at = read(reached, wanted)
        for item in found:
            one = show(item)
            size += len(one.model_dump_json())
            if len(shown) == most or (shown and size > LIST_BYTES):
                return shown, reached
            shown.append(one)
            reached = cursor_of(item)
        if len(found) < wanted:
            return shown, gave_up_at


def numbered(read: Callable[[int, int], Sequence[Item]]) -> Callable[[int | None, int], Sequence[tuple[int, Item]]]:
    """A list whose cursor is how many were passed: each with the one behind it. `read` is told how many to pass."""

    def found(passed: int | None, limit: int) -> list[tuple[int, Item]]:
        return list(enumerate(read(passed or 0, limit), (passed or 0) + 1))

    return found
