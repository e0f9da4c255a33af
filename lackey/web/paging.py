"""Lists in pages."""

from collections.abc import Callable
from typing import Any, TypeVar

from lackey.web.schemas.base import Page, PageQuery
from lackey.web.schemas.types import cursor

Shown = TypeVar("Shown", bound=Page[Any])
Item = TypeVar("Item")


def page(
    kind: Callable[..., Shown],
    query: PageQuery,
    items: list[Item],
    show: Callable[[Item], Any],
    place: Callable[[Item], int],
) -> Shown:
    """The first `query.limit` of `items`, of which one more was asked for, to see whether there is a next page.

    `place` says of the last item shown where the next page begins.
    """
    shown = items[: query.limit]
    following = cursor(place(shown[-1])) if len(items) > len(shown) else None
    return kind(items=[show(item) for item in shown], next=following)
