"""Lists in pages."""

from collections.abc import Callable
from typing import Any, TypeVar

from lackey.domain.limits import LIST_BYTES
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

    Fewer, where they would be larger than `LIST_BYTES` together.

    `place` says of the last item shown where the next page begins.
    """
    shown: list[Any] = []
    size = 0
    for item in items[: query.limit]:
        one = show(item)
        size += len(one.model_dump_json())
        if shown and size > LIST_BYTES:
            break
        shown.append(one)
    following = cursor(place(items[len(shown) - 1])) if len(items) > len(shown) else None
    return kind(items=shown, next=following)
