"""How long a sweep would take, before it is made: by its application's last runs, and how many may run at a time."""

import math
from dataclasses import dataclass
from datetime import datetime

from lackey.domain.progress import PAST_RUNS, typical
from lackey.domain.resources import Capacity
from lackey.services.admin import health
from lackey.services.sweeps import making
from lackey.services.sweeps.making import WantedSweep
from lackey.store import overview
from lackey.store.database import Database


@dataclass(frozen=True)
class Estimate:
    """What would be made.

    `each_seconds` is the median of the application's last successes, None if it has none. `at_once`: how many of the
    runs have room at a time, if nothing else runs, None if no executor tells. `seconds`: about how long all take.
    """

    runs: int
    each_seconds: float | None
    at_once: int | None

    @property
    def seconds(self) -> float | None:
        """None where nothing tells."""
        if self.each_seconds is None or not self.at_once:
            return None
        return self.each_seconds * math.ceil(self.runs / self.at_once)


def estimate(database: Database, wanted: WantedSweep, now: datetime, assumed: Capacity | None = None) -> Estimate:
    """What a sweep would come to. Raises what making it does.

    `assumed`: what the executor has, as long as no scheduler has told.
    """
    found = making.look(database, wanted, now, assumed)
    with database.read() as connection:
        leader = health.leader(connection, now)
        each = typical(overview.past_durations(connection, found.application.id, PAST_RUNS))
    capacity = (leader.capacity if leader else None) or assumed
    room = None if capacity is None else capacity.at_once(found.demand)
    limits = [limit for limit in (room, wanted.max_running, found.application.max_running) if limit is not None]
    return Estimate(found.runs, each, None if room is None else min(found.runs, *limits))
