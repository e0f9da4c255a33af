"""Points of a sweep are run again, as one: what is asked for is one row, and the runs follow in pieces.

Whoever asks makes them, and waits for that a while; what is left, or where that one dies, the leading scheduler makes.
Those are run again that were in one of the states when it was asked for: none that has failed anew since.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from lackey.domain.limits import WAITING_RUNS
from lackey.domain.refusals import Conflict, NotFound, TooMany, Unavailable
from lackey.domain.run import FINAL, Garbled, RunState
from lackey.domain.sweep import Sweep
from lackey.services.idempotency import Once, answered, remember
from lackey.services.runs import creation
from lackey.store import notices, queue, runs, sweep_dependencies, sweep_points, sweeps
from lackey.store.database import Database

log = logging.getLogger(__name__)

# So many runs are made in one transaction.
_PIECE = 25
_WAIT_SECONDS = 20.0


def run_again(
    database: Database,
    sweep_id: int,
    states: frozenset[RunState],
    by: str,
    clock: Callable[[], datetime],
    once: Once | None = None,
) -> int:
    """Run those points again whose run is in one of these final states; how many were, by now.

    Raises NotFound, TooMany; Conflict while it is being cancelled, or run again already.
    """
    database.write(partial(_ask, sweep_id=sweep_id, states=states & FINAL, by=by, now=clock(), once=once))
    deadline = time.monotonic() + _WAIT_SECONDS
    try:
        while database.write(partial(_make_some, sweep_id=sweep_id, now=clock())) and time.monotonic() < deadline:
            pass
    except Unavailable:
        log.warning("sweep %d: its points will be run again when the database is there again", sweep_id)
    with database.read() as connection:
        known = sweeps.get(connection, sweep_id).again
    return known["made"] if known else 0


def go_on(database: Database, sweep: Sweep, now: datetime) -> bool:
    """Run some more of the points again; whether there may be more. For the leading scheduler."""
    return database.write(partial(_make_some, sweep_id=sweep.id, now=now))


def _ask(
    connection: Connection,
    sweep_id: int,
    states: frozenset[RunState],
    by: str,
    now: datetime,
    once: Once | None,
) -> None:
    # Two who ask at once are counted one after the other.
    queue.take_turns(connection)
    if answered(connection, once, now, sweeps.get) is not None:
        return
    sweep = sweeps.lock(connection, sweep_id)
    if sweep is None or sweep.complete_at is None:
        raise NotFound(f"there is no sweep {sweep_id}")
    if sweep.stopping:
        raise Conflict(f"sweep {sweep_id} is being cancelled; run it again when all its runs are cancelled")
    if sweep.rerunning:
        raise Conflict(f"sweep {sweep_id} is being run again already; ask again when all its runs are made")
    wanted = sweep_points.count_in(connection, sweep_id, states)
    waiting = runs.count_waiting(connection, by, WAITING_RUNS) + sweeps.count_unmade(connection, by)
    if waiting + wanted > WAITING_RUNS:
        raise TooMany(
            f"{waiting} runs of {by} wait already; with {wanted} more they are more than {WAITING_RUNS}, and no more "
            "may wait (WAITING_RUNS): let some end, or cancel some"
        )
    asked = {"states": sorted(states), "by": by, "last_run": runs.newest(connection), "passed": 0, "made": 0}
    sweeps.change(connection, sweep_id, {"again": asked, "rerunning": True, **_let_go(connection, sweep)})
    remember(connection, once, sweep_id, now)


def _let_go(connection: Connection, sweep: Sweep) -> dict[str, Any]:
    """Who runs a sweep again that waits in vain wants it to wait no more, as a run that is run again does not."""
    if sweep.in_vain is None:
        return {}
    sweep_dependencies.remove_of(connection, sweep.id)
    return {"unmet": 0, "in_vain": None, "to_pass_on": sweep.to_pass_on + 1}


def _make_some(connection: Connection, sweep_id: int, now: datetime) -> bool:
    sweep = sweeps.lock(connection, sweep_id)
    if sweep is None or not sweep.rerunning or sweep.again is None:
        return False
    asked = sweep.again
    states = frozenset(map(RunState, asked["states"]))
    found = sweep_points.in_states(connection, sweep_id, states, asked["passed"], _PIECE)
    made = sum(
        _make(connection, run_id, states, asked["by"], now) for _, run_id in found if run_id <= asked["last_run"]
    )
    is_over = len(found) < _PIECE
    known = {**asked, "passed": asked["passed"] if is_over else found[-1][0], "made": asked["made"] + made}
    sweeps.change(connection, sweep_id, {"again": known, "rerunning": not is_over})
    if made:
        notices.send(connection)
    return not is_over


def _make(connection: Connection, run_id: int, states: frozenset[RunState], by: str, now: datetime) -> bool:
    """Whether the run is run again: not if it may be at work still."""
    try:
        run = runs.get(connection, run_id)
    except Garbled as error:
        log.warning("run %d can't be run again: %s", run_id, error)
        return False
    if run.state not in states or run.ticket_open or run.is_silent:
        return False
    creation.again(connection, run, "rerun", by, now, with_token=False)
    return True
