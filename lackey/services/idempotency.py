"""Requests that a client may send again without harm (`Idempotency-Key`): the same again answers the same resource."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from lackey.domain.refusals import Conflict, NotFound
from lackey.store import keys
from lackey.store.database import NotUnique
from lackey.store.waiting_writes import Changed

KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Once:
    """A request under an Idempotency-Key: who asked, what it called itself, a digest of what it asked.

    `identity` is the asker's: the id of a key, or the name of a user without one.
    """

    identity: int | str
    name: str
    request: bytes


def answered(
    connection: Connection, once: Once | None, now: datetime, find: Callable[[Connection, int], object]
) -> int | None:
    """The id of what this request made before; None if it is new. `find` raises NotFound for what is there no more.

    Raises Conflict when what it made was removed since, and when the same name asked for something else.
    """
    if once is None:
        return None
    known = keys.answered(connection, once.identity, once.name, now - KEPT)
    if known is None:
        return None
    request, resource_id = known
    if request != once.request:
        raise Conflict("this Idempotency-Key came with another request before; use a new one for each request")
    try:
        find(connection, resource_id)
    except NotFound:
        raise Conflict("what this Idempotency-Key made was removed since; use a new one to make it again") from None
    return resource_id


def remember(connection: Connection, once: Once | None, resource_id: int, now: datetime) -> None:
    """Note what the request made. Raises Changed when the same request was answered at the same time."""
    if once is not None:
        try:
            keys.remember(connection, once.identity, once.name, once.request, resource_id, now, now - KEPT)
        except NotUnique as error:
            raise Changed from error
