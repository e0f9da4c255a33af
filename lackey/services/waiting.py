"""What a run waits for that waits for its turn: said when it is shown, for it changes without the run."""

from datetime import datetime
from functools import cached_property

from lackey.domain.dependencies import NAMED_AT_MOST, awaited, waits_for
from lackey.domain.run import Run, RunState, scheduler_of
from lackey.services.health import is_late
from lackey.services.outcomes import WAITS_FOR_SLOT
from lackey.store import dependencies, queue, service
from lackey.store.database import Database
from lackey.store.service import Heartbeat

NO_SCHEDULER = "waits for a scheduler: none has been heard from lately"
STARTS_SOON = "is about to be started"


class Turns:
    """How it stands at one moment; the database is asked once, and only if there is a run that waits for its turn."""

    def __init__(self, database: Database, now: datetime) -> None:
        """Nothing is asked yet."""
        self._database, self._now = database, now

    def reason_of(self, run: Run) -> str | None:
        """Why the run is as it is."""
        if run.state is RunState.SCHEDULED and run.unmet > 0:
            return self._waits_for(run)
        if run.state is not RunState.QUEUED or not run.waits or run.reason != WAITS_FOR_SLOT:
            return run.reason
        if self._leader is None:
            return NO_SCHEDULER
        return STARTS_SOON if self._has_room else WAITS_FOR_SLOT

    def _waits_for(self, run: Run) -> str:
        if run.unmet == len(run.after):
            return waits_for(awaited(run), run.unmet)
        with self._database.read() as connection:
            return waits_for(dependencies.unmet_of(connection, run.id, NAMED_AT_MOST), run.unmet)

    @cached_property
    def _leader(self) -> Heartbeat | None:
        with self._database.read() as connection:
            beats = service.heartbeats(connection)
        return next((one for one in beats if one.leads and not is_late(one, self._now)), None)

    @cached_property
    def _has_room(self) -> bool:
        if self._leader is None or self._leader.slots is None:
            return False
        with self._database.read() as connection:
            places = queue.places_taken(connection, "local")
        return sum(of == scheduler_of(self._leader.name) for _, _, of in places) < self._leader.slots
