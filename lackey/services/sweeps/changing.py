"""Sweeps are changed and cancelled as one.

What is asked for stands in the sweep's own row, so it holds for all its runs at once: to change its priority, hold it
or cancel it costs one row, however many runs wait, and no claim passes it over. Where the runs themselves have to be
written, that follows in pieces, by the leading scheduler.
"""

import logging
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from lackey.domain.refusals import AlreadyFinal, NotFound
from lackey.domain.run import FINAL, RunState
from lackey.domain.sweep import Sweep
from lackey.services.runs.cancelling import cancel_one
from lackey.store import notices, sweep_points, sweeps
from lackey.store.database import Database

log = logging.getLogger(__name__)

# So many runs are written in one transaction.
_PIECE = 25
_OPEN = frozenset(RunState) - FINAL


def change(database: Database, sweep_id: int, values: dict[str, Any]) -> Sweep:
    """Change `priority`, `max_running` or `held`; runs that have begun go on. Raises NotFound."""

    def work(connection: Connection) -> Sweep:
        sweep = sweeps.lock(connection, sweep_id)
        if sweep is not None and values:
            # Lists go by the priority that is written with the runs: it follows.
            follows = {"to_pass_on": sweep.to_pass_on + 1} if "priority" in values else {}
            sweeps.change(connection, sweep_id, values | follows)
            notices.send(connection)
        return sweeps.get(connection, sweep_id)

    return database.write(work)


def cancel(database: Database, sweep_id: int, by: str, now: datetime) -> Sweep:
    """Cancel all its runs that have not ended: none starts from now on. Again is harmless.

    Raises NotFound; AlreadyFinal for one all of whose runs have ended.
    """

    def work(connection: Connection) -> Sweep:
        sweep = sweeps.get(connection, sweep_id)
        if sweep.stopping:
            return sweep
        counts = sweep_points.counts(connection, [sweep_id])[sweep_id]
        if counts.ended == counts.total:
            if sweep.cancelled_at is not None:
                return sweep
            raise AlreadyFinal(f"all runs of sweep {sweep_id} have ended already")
        sweeps.change(
            connection, sweep_id, {"stopping": True, "rerunning": False, "cancelled_at": now, "cancelled_by": by}
        )
        notices.send(connection)
        return sweeps.get(connection, sweep_id)

    return database.write(work)


class Stopping:
    """Cancels the runs of sweeps that are being cancelled, those with a process first; for the leading scheduler."""

    def __init__(self) -> None:
        """Nothing has been looked at."""
        self._passed: dict[int, tuple[int, int]] = {}

    def go_on(self, database: Database, sweep: Sweep, now: datetime) -> bool:
        """Cancel some of its runs; whether there may be more to do at once."""
        order = ({RunState.RUNNING}, {RunState.QUEUED}, {RunState.SCHEDULED})
        at, after = self._passed.get(sweep.id, (0, 0))
        with database.read() as connection:
            found = sweep_points.in_states(connection, sweep.id, order[at], after, _PIECE)
        if found:
            work = partial(_cancel_all, run_ids=[run_id for _, run_id in found], by=sweep.cancelled_by or "", now=now)
            database.write(work)
        if len(found) == _PIECE:
            self._passed[sweep.id] = (at, found[-1][0])
            return True
        if at + 1 < len(order):
            self._passed[sweep.id] = (at + 1, 0)
            return True
        self._passed.pop(sweep.id, None)
        if sweep.unmade:
            return False
        return not database.write(partial(_end, sweep_id=sweep.id))


def _cancel_all(connection: Connection, run_ids: list[int], by: str, now: datetime) -> None:
    for run_id in run_ids:
        # It may have ended since it was found.
        with suppress(AlreadyFinal, NotFound):
            cancel_one(connection, run_id, by, now, told_at_once=0)


def _end(connection: Connection, sweep_id: int) -> bool:
    """It is cancelled, unless a run has come in between, as a retry does; whether it is."""
    sweep = sweeps.lock(connection, sweep_id)
    if sweep is None or sweep.unmade or sweeps.has_left(connection, sweep_id):
        return False
    sweeps.change(connection, sweep_id, {"stopping": False})
    log.info("sweep %d: all its runs are cancelled", sweep_id)
    return True
