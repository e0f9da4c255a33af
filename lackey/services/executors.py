"""Executors: how they are, pausing them and letting them go on.

On a paused executor nothing new is launched. What runs on it goes on, and so do reports and cancelling. Pausing takes
its turn with claims: no run is claimed any more once it is committed.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from lackey.domain.policy import Paused
from lackey.domain.refusals import NotFound
from lackey.services.catalogue import EXECUTORS
from lackey.services.health import is_late
from lackey.services.outcomes import WAITS_FOR_SLOT
from lackey.store import executors, notices, queue, service
from lackey.store.database import Database
from lackey.store.service import Heartbeat

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Executor:
    """How an executor is.

    `slots`: how many runs it has at once, None where no scheduler tells; `taken` counts the processes that live,
    `waiting` the queued runs that nobody holds. `served_by`: the scheduler that launches on it, if one has been heard
    from lately.
    """

    name: str
    slots: int | None
    taken: int
    waiting: int
    paused: Paused | None
    served_by: Heartbeat | None

    @property
    def trouble(self) -> str | None:
        """What is wrong with it; None: it is well, or paused, which is no fault."""
        return None if self.served_by else "No scheduler that launches on it has been heard from lately."

    @property
    def mend(self) -> str | None:
        """What to do about that."""
        return None if self.served_by else "Start lackey scheduler on the host of the simulations."


def listing(database: Database, now: datetime) -> list[Executor]:
    """All executors. Raises Unavailable."""
    with database.read() as connection:
        leader = next((one for one in service.heartbeats(connection) if one.leads and not is_late(one, now)), None)
        paused = executors.paused(connection)
        return [_executor(connection, name, paused.get(name), leader) for name in EXECUTORS]


def _executor(connection: Connection, name: str, paused: Paused | None, leader: Heartbeat | None) -> Executor:
    return Executor(
        name=name,
        slots=leader.slots if leader else None,
        taken=len(queue.places_taken(connection, name)),
        waiting=queue.count_candidates(connection, name),
        paused=paused,
        served_by=leader,
    )


def named(database: Database, name: str, now: datetime) -> Executor:
    """One of them. Raises NotFound."""
    _check(name)
    return next(one for one in listing(database, now) if one.name == name)


def paused(database: Database) -> list[Paused]:
    """Those that are paused."""
    with database.read() as connection:
        return list(executors.paused(connection).values())


def pause(database: Database, name: str, by: str, now: datetime) -> None:
    """Launch nothing new on it; its queued runs say so. If it is paused already, that stands. Raises NotFound."""
    _check(name)
    wanted = Paused(name, now, by)

    def work(connection: Connection) -> bool:
        queue.take_turns(connection)
        if name in executors.paused(connection):
            return False
        executors.pause(connection, wanted)
        queue.let_all_wait(connection, name, wanted.why)
        return True

    if database.write(work):
        log.info("executor %s: paused by %s", name, by)


def resume(database: Database, name: str, by: str) -> None:
    """Launch on it again; nothing if it is not paused. Raises NotFound."""
    _check(name)

    def work(connection: Connection) -> bool:
        queue.take_turns(connection)
        known = executors.paused(connection).get(name)
        if known is None:
            return False
        executors.resume(connection, name)
        queue.let_all_wait(connection, name, WAITS_FOR_SLOT, instead_of=known.why)
        notices.send(connection)
        return True

    if database.write(work):
        log.info("executor %s: resumed by %s", name, by)


def _check(name: str) -> None:
    if name not in EXECUTORS:
        raise NotFound(f"there is no executor {name}; there are: {', '.join(EXECUTORS)}")
