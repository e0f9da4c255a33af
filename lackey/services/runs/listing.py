"""Lists of runs: sorted, narrowed, forwards and back."""

from lackey.domain.run_list import Cursor, Order
from lackey.services.runs import searchable
from lackey.services.runs.queries import Search, narrowed
from lackey.store import run_lists
from lackey.store.database import Database
from lackey.store.run_lists import RunPage, cursor_at
from lackey.store.runs import COUNTED_AT_MOST

__all__ = ["COUNTED_AT_MOST", "Cursor", "Order", "RunPage", "cursor_at", "order_of", "page"]


def order_of(search: Search) -> Order:
    """How a list is sorted that nobody has sorted: by id, or where times are asked for by the time scheduled for.

    What was asked for is together then.
    """
    timed = search.since is not None or search.until is not None
    return Order.SCHEDULED if timed else Order.ID


def page(
    database: Database,
    search: Search,
    cursor: Cursor | None,
    limit: int,
    order: Order | None = None,
    down: bool = True,
    counted: bool = True,
) -> RunPage:
    """The runs searched for, at most `limit`; `down`: the newest, latest or longest first.

    Without an `order` it is that of `order_of`. A page may hold fewer than `limit`, or none, and still have one after
    it: see `Page.searched_to_end`. `counted`: whether `Page.total` is wanted. Raises Invalid if there is no such
    project or application.
    """
    if search.words:
        searchable.before_a_search(database)
    with database.read() as connection:
        chosen = order or order_of(search)
        return run_lists.page(connection, narrowed(connection, search), chosen, down, cursor, limit, counted)
