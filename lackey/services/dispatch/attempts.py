"""Open attempts: those that a scheduler follows, and what a scheduler of the version before did without them."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from lackey.domain.attempt import OpenAttempt
from lackey.domain.run import Garbled
from lackey.store import attempts, queue
from lackey.store.database import Database


def followed(
    database: Database, executor: str, scheduler: str, tickets: Collection[str] | None = None
) -> tuple[list[OpenAttempt], list[Garbled]]:
    """What a scheduler has open on one of its executors, the oldest first; and the runs of it that can't be read.

    With `tickets` of these alone.
    """
    with database.read() as connection:
        return attempts.followed(connection, executor, scheduler, tickets)


def still_needed(database: Database, tickets: Collection[str]) -> set[str]:
    """Those of the tickets whose marks may yet be written to: their attempts are open, or their logs not taken in."""
    with database.read() as connection:
        return attempts.still_needed(connection, tickets)


def catch_up(database: Database, now: datetime) -> None:
    """Make the attempts that a scheduler of the version before has begun, and close those that it has closed.

    That one reads and writes what `run` has of its present attempt, and knows of nothing else.
    """
    with database.read() as connection:
        made, over = attempts.of_older_version(connection, now)
    if made or over:
        database.write(lambda writing: _catch_up(writing, now))


def _catch_up(connection: Connection, now: datetime) -> None:
    queue.take_turns(connection)  # else two schedulers would make the same one
    made, over = attempts.of_older_version(connection, now)
    if made:
        attempts.add_all(connection, made)
    for ticket, came_to in over:
        attempts.close(connection, ticket, came_to, now)
