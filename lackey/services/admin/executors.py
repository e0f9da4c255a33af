"""Executors: how they are, pausing them and letting them go on.

On a paused executor nothing new is launched. What runs on it goes on, and so do reports and cancelling. Pausing takes
its turn with claims: no run is claimed any more once it is committed.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from lackey.domain.policy import InUse, Paused
from lackey.domain.refusals import FieldError, Invalid, NotFound
from lackey.domain.resources import Capacity, Demand
from lackey.services.admin import health
from lackey.services.catalogue.changing import EXECUTORS
from lackey.store import claimable, executors, notices, queue, service
from lackey.store.database import Database
from lackey.store.service import Heartbeat

log = logging.getLogger(__name__)

WAITING_AT_MOST = claimable.COUNTED_AT_MOST


@dataclass(frozen=True)
class ExecutorState:
    """How an executor is.

    `capacity`: what it has for runs, None where no scheduler tells; `taken`: what runs hold whose processes may live;
    `waiting` counts the queued runs that nobody holds, up to `WAITING_AT_MOST`. `served_by`: the scheduler that
    launches on it, if one has been heard from lately.
    """

    name: str
    capacity: Capacity | None
    taken: list[InUse]
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


def listing(database: Database, now: datetime) -> list[ExecutorState]:
    """All executors. Raises Unavailable."""
    with database.read() as connection:
        leader = health.leader(connection, now)
        paused = executors.paused(connection)
        return [_executor(connection, name, paused.get(name), leader) for name in EXECUTORS]


def _executor(connection: Connection, name: str, paused: Paused | None, leader: Heartbeat | None) -> ExecutorState:
    return ExecutorState(
        name=name,
        capacity=leader.capacity if leader else None,
        taken=[one for one in claimable.taken(connection, name, "") if not one.lost],
        waiting=claimable.count(connection, name),
        paused=paused,
        served_by=leader,
    )


def named(database: Database, name: str, now: datetime) -> ExecutorState:
    """One of them. Raises NotFound."""
    _check(name)
    return next(one for one in listing(database, now) if one.name == name)


def paused(database: Database) -> list[Paused]:
    """Those that are paused."""
    with database.read() as connection:
        return list(executors.paused(connection).values())


def pause(database: Database, name: str, by: str, now: datetime) -> None:
    """Launch nothing new on it. If it is paused already, that stands. Raises NotFound."""
    _check(name)
    wanted = Paused(name, now, by)

    def work(connection: Connection) -> bool:
        queue.take_turns(connection)
        if name in executors.paused(connection):
            return False
        executors.pause(connection, wanted)
        return True

    if database.write(work):
        log.info("executor %s: paused by %s", name, by)


def resume(database: Database, name: str, by: str) -> None:
    """Launch on it again; nothing if it is not paused. Raises NotFound."""
    _check(name)

    def work(connection: Connection) -> bool:
        queue.take_turns(connection)
        if name not in executors.paused(connection):
            return False
        executors.resume(connection, name)
        notices.send(connection)
        return True

    if database.write(work):
        log.info("executor %s: resumed by %s", name, by)


def refuse_too_large(
    connection: Connection, name: str, demand: Demand, now: datetime, assumed: Capacity | None = None
) -> None:
    """Raises Invalid for a run that could never start on the executor, whatever else ends.

    What there is, the schedulers tell that have been heard from lately, else those of before. `assumed`: what there is
    where none has ever told.
    """
    beats = [one for one in service.heartbeats(connection) if one.capacity is not None]
    lately = [one for one in beats if not health.is_late(one, now)] or beats
    known = [one.capacity for one in sorted(lately, key=lambda one: not one.leads)] or [assumed]
    refusals = [capacity.refusals(demand, name) for capacity in known if capacity is not None]
    if refusals and all(refusals):
        raise Invalid(*(FieldError(field, why) for field, why in refusals[0].items()))


def _check(name: str) -> None:
    if name not in EXECUTORS:
        raise NotFound(f"there is no executor {name}; there are: {', '.join(EXECUTORS)}")
