"""What was changed of a sweep as a whole reaches those of its runs that have not begun, in pieces.

That is its priority, and how it waits for others: while it waits, its runs wait with it; if it waits in vain, they are
cancelled; if that is put right, they come back.
"""

from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from lackey.domain.run import RunState
from lackey.domain.sweep import Sweep
from lackey.services.runs.dependents import fit_to_sweep
from lackey.store import runs, sweep_points, sweeps
from lackey.store.database import Database

# So many runs are changed in one transaction: one by one where they wait for others, else all at once.
_PIECE = 25
_PIECE_OF_PRIORITY = 500
_WAITING = frozenset({RunState.SCHEDULED, RunState.QUEUED})


class PassingOn:
    """Lets the runs of sweeps follow; for the leading scheduler."""

    def __init__(self) -> None:
        """Nothing has been looked at."""
        self._passed: dict[int, tuple[int, int]] = {}

    def go_on(self, database: Database, sweep: Sweep, now: datetime) -> bool:
        """Let some of its runs follow; whether there may be more of them."""
        changes, after = self._passed.get(sweep.id, (sweep.to_pass_on, 0))
        last = database.write(partial(_pass_on, sweep_id=sweep.id, after=after, now=now))
        self._passed[sweep.id] = (changes, after if last is None else last)
        if last is not None:
            return True
        if sweep.unmade:
            return False
        self._passed.pop(sweep.id)
        database.write(partial(_end, sweep_id=sweep.id, changes=changes))
        return False


def _pass_on(connection: Connection, sweep_id: int, after: int, now: datetime) -> int | None:
    """The last point looked at; None: there is none after it."""
    sweep = sweeps.share(connection, sweep_id)
    waits = bool(sweep.after or sweep.after_sweeps)
    states = _WAITING | {RunState.CANCELLED} if waits else _WAITING
    piece = _PIECE if waits else _PIECE_OF_PRIORITY
    found = sweep_points.in_states(connection, sweep_id, states, after, piece)
    run_ids = [run_id for _, run_id in found]
    runs.give_priority(connection, run_ids, sweep.priority)
    for run_id in run_ids if waits else ():
        fit_to_sweep(connection, run_id, sweep, now)
    return found[-1][0] if len(found) == piece else None


def _end(connection: Connection, sweep_id: int, changes: int) -> None:
    """Its runs are as it is, unless it was changed meanwhile: then all are looked at once more."""
    sweep = sweeps.lock(connection, sweep_id)
    if sweep is not None and not sweep.unmade and sweep.to_pass_on == changes:
        sweeps.change(connection, sweep_id, {"to_pass_on": 0})
