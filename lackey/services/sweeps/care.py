"""What the leading scheduler does for sweeps, each a bounded piece.

It counts, goes on with those half made, being cancelled or run again, tells what waits for them, lets runs follow.
"""

from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from lackey.domain.sweep import Sweep
from lackey.services.runs import dependents
from lackey.services.sweeps import again
from lackey.services.sweeps.changing import Stopping
from lackey.services.sweeps.making import look_after
from lackey.services.sweeps.passing_on import PassingOn
from lackey.store import sweep_points, sweeps
from lackey.store.database import Database

# So many changes of points are added up in one transaction, and so many transactions are there in one tick.
_ADDED_AT_ONCE = 500
_BATCHES_PER_TICK = 4


class Care:
    """What it leaves for the next tick can be lost."""

    def __init__(self) -> None:
        """Nothing has been done."""
        self._stopping, self._passing_on = Stopping(), PassingOn()

    def tick(self, database: Database, now: datetime) -> bool:
        """Do some of what there is to do; whether there may be more to do at once."""
        more = self._add_up(database)
        with database.read() as connection:
            unfinished = sweeps.unfinished(connection)
        for sweep in unfinished:
            more |= look_after(database, sweep, now)
            if sweep.untold:
                database.write(partial(_tell, sweep_id=sweep.id, now=now))
                more = True  # it may have been something to others
            if sweep.complete_at is not None and sweep.to_pass_on:
                self._pass_on(database, sweep, now)
                more |= not sweep.unmade
            if sweep.rerunning:
                more |= all(again.go_on(database, sweep, now) for _ in range(_BATCHES_PER_TICK))
            if sweep.complete_at is not None and sweep.stopping:
                more |= self._stop(database, sweep, now)
        return more

    def _stop(self, database: Database, sweep: Sweep, now: datetime) -> bool:
        return all(self._stopping.go_on(database, sweep, now) for _ in range(_BATCHES_PER_TICK))

    def _pass_on(self, database: Database, sweep: Sweep, now: datetime) -> None:
        for _ in range(_BATCHES_PER_TICK):
            if not self._passing_on.go_on(database, sweep, now):
                return

    def _add_up(self, database: Database) -> bool:
        for _ in range(_BATCHES_PER_TICK):
            with database.read() as connection:
                if not sweep_points.are_to_be_added_up(connection):
                    return False
            if database.write(partial(sweep_points.add_up, limit=_ADDED_AT_ONCE)) < _ADDED_AT_ONCE:
                return False
        return True


def _tell(connection: Connection, sweep_id: int, now: datetime) -> None:
    """Tell some of those who wait for a sweep what it has come to."""
    if sweeps.lock(connection, sweep_id) is None:
        return
    outcome = sweep_points.counts(connection, [sweep_id])[sweep_id].outcome
    if dependents.tell_of_sweep(connection, sweep_id, outcome, now):
        sweeps.change(connection, sweep_id, {"untold": False})
