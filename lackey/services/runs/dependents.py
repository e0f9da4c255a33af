"""When a run is decided, those that wait for it are released, cancelled, or made to wait again.

It is told in the transaction that decides, if there are few, and if what follows of it (a run that is cancelled is
decided, too, and others wait for that one) does not go on for long. The others are noted, and told by the scheduler in
pieces. So however many wait, and however long the chain is, no transaction is.

What waits may be a sweep, and so may what is waited for. A sweep is decided when all its points are; the scheduler
notices that (`services.sweeps.care`) and tells those that wait (`tell_of_sweep`). Of a sweep that waits the row alone
is changed here; its runs follow in pieces (`fit_to_sweep`).

It is put right as often as the outcome is corrected, but only for those that never began.
"""

import logging
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

from lackey.domain.dependencies import (
    Decision,
    Dependency,
    EdgeOutcome,
    Kind,
    Wants,
    awaited,
    decided,
    decision_of,
    family_of,
    in_vain,
    outcome_of,
)
from lackey.domain.evidence import Evidence
from lackey.domain.refusals import Unavailable
from lackey.domain.run import Garbled, Run, RunState
from lackey.domain.sweep import Sweep
from lackey.services.runs.outcomes import WAITS_FOR_START, call_off, evidence_of, judged, move, queue
from lackey.store import dependencies, notices, runs, sweep_dependencies, sweep_points, sweeps
from lackey.store.database import Database
from lackey.store.dependencies import Edge
from lackey.store.sweep_dependencies import SweepEdge

log = logging.getLogger(__name__)

AnyEdge = Edge | SweepEdge

_WANTS: tuple[Wants, ...] = ("succeeded", "ended", "failed")
# So many that wait are told in one tick of the scheduler.
_PIECE = 8
_LOOKED_AT = 500
_BEGUN = frozenset(RunState) - {RunState.SCHEDULED, RunState.QUEUED, RunState.CANCELLED}
# For the clocks of hosts, and transactions that were under way.
_MARGIN = timedelta(minutes=1)


def tell(
    connection: Connection, family: int, now: datetime, most: int, passed: int = 0, written: int | None = None
) -> None:
    """Tell those who wait for a run, or for one in its place, what has become of it; `most` of them now.

    `passed`: the last edge on them of which this has been done. `written`: a run that this transaction has written, and
    so holds already.
    """
    if written != family:
        dependencies.lock(connection, family)
    untold = deque((each, passed) for each in dependencies.awaited_among(connection, [family]))
    while untold and most > 0:
        family, passed = untold.popleft()
        members = dependencies.members(connection, family)
        decision = decision_of(members)
        outcomes = {wants: outcome_of(wants, None if decision is None else decision.state) for wants in _WANTS}
        ids = [one.id for one in members]
        between_runs = dependencies.unlike(connection, ids, outcomes, passed, most + 1)
        of_sweeps = sweep_dependencies.unlike(connection, "run", ids, outcomes, most + 1 - len(between_runs))
        edges: list[AnyEdge] = [*between_runs, *of_sweeps]
        if len(edges) > most:
            edges = edges[:most]
            untold.appendleft((family, max((edge.id for edge in between_runs[:most]), default=passed)))
        most -= len(edges)
        decided_too = _tell_each(connection, edges, outcomes, decision, now)
        untold.extend((each, 0) for each in dependencies.awaited_among(connection, decided_too))
    for family, passed in untold:
        dependencies.note(connection, family, passed)
        notices.send(connection)


def tell_of_sweep(connection: Connection, sweep_id: int, state: RunState | None, now: datetime) -> bool:
    """Tell those who wait for a sweep what it has come to, None: that is open; some of them. Whether these are all.

    The caller has locked the sweep.
    """
    decision = None if state is None else Decision(state, sweep_id)
    outcomes = {wants: outcome_of(wants, state) for wants in _WANTS}
    edges = sweep_dependencies.unlike(connection, "sweep", [sweep_id], outcomes, _PIECE)
    _note_awaited(connection, _tell_each(connection, edges, outcomes, decision, now))
    return len(edges) < _PIECE


def _note_awaited(connection: Connection, families: Sequence[int]) -> None:
    for family in dependencies.awaited_among(connection, families):
        dependencies.note(connection, family, 0)


def _tell_each(
    connection: Connection,
    edges: Sequence[AnyEdge],
    outcomes: dict[Wants, EdgeOutcome | None],
    decision: Decision | None,
    now: datetime,
) -> list[int]:
    """Write the outcomes of edges; the families of runs that are decided thereby, or no longer."""
    for outcome in {outcomes[edge.wants] for edge in edges}:
        alike = [edge for edge in edges if outcomes[edge.wants] == outcome]
        dependencies.change(connection, [edge.id for edge in alike if isinstance(edge, Edge)], outcome)
        sweep_dependencies.change(connection, [edge.id for edge in alike if isinstance(edge, SweepEdge)], outcome)
    more: Counter[tuple[Kind, int]] = Counter()
    why: dict[tuple[Kind, int], str] = {}
    for edge in edges:
        outcome = outcomes[edge.wants]
        more[edge.waiting] += (edge.outcome == "met") - (outcome == "met")
        if outcome == "failed" and decision is not None:
            why[edge.waiting] = in_vain(edge.awaited, decision)
    decided_too = []
    for waiting, change in more.items():
        kind, waiting_id = waiting
        if kind == "sweep":
            _put_sweep_right(connection, waiting_id, change, why.get(waiting))
        elif (family := _put_right(connection, waiting_id, change, why.get(waiting), now)) is not None:
            decided_too.append(family)
    return decided_too


def _put_sweep_right(connection: Connection, sweep_id: int, more: int, why: str | None) -> None:
    """A sweep waits for so many `more`, or in vain, and `why`. Its runs follow."""
    sweep = sweeps.lock(connection, sweep_id)
    if sweep is None:
        return
    failed = () if why is not None else sweep_dependencies.failed_of(connection, "sweep", sweep_id, _LOOKED_AT)
    unmet, reason = sweep.unmet + more, why or _why_in_vain(connection, failed)
    values: dict[str, Any] = {"unmet": unmet, "in_vain": reason}
    if (unmet > 0, reason) != (sweep.unmet > 0, sweep.in_vain):
        log.info("sweep %d: %s", sweep_id, reason or ("it waits" if unmet else "it waits no more"))
        values["to_pass_on"] = sweep.to_pass_on + 1
        notices.send(connection)
    sweeps.change(connection, sweep_id, values)


def fit_to_sweep(connection: Connection, run_id: int, sweep: Sweep, now: datetime) -> None:
    """Let a run of a sweep that has not begun wait as its sweep does; the caller shares the sweep's row."""
    try:
        run = runs.get(connection, run_id)
    except Garbled as error:
        log.warning("run %d can't follow its sweep: %s", run_id, error)
        return
    if not (run.waits or _was_called_off(run)):
        return
    own = dependencies.count_unmet(connection, run.id) if awaited(run, 1) else 0
    why = sweep.in_vain or (_why_in_vain(connection, dependencies.failed_of(connection, run.id)) if own else None)
    known = runs.change(connection, run, {"unmet": own + (sweep.unmet > 0)})
    changed = _as_it_should_be(connection, known, why, now)
    if decided(changed) != decided(run):
        _note_awaited(connection, [family_of(run)])


def _put_right(connection: Connection, run_id: int, more: int, why: str | None, now: datetime) -> int | None:
    """A run waits for so many `more`, or in vain, and `why`. Its family, if it is decided thereby what it comes to."""
    unmet, state = dependencies.count(connection, run_id, more)
    waits_on = state == RunState.SCHEDULED and unmet > 0 and why is None
    if waits_on or state in _BEGUN:
        return None
    try:
        run = runs.get(connection, run_id)
    except Garbled as error:
        log.warning("run %d can't be told what has become of another one: %s", run_id, error)
        return None
    changed = _as_it_should_be(connection, run, why, now)
    return family_of(run) if decided(changed) != decided(run) else None


def _as_it_should_be(connection: Connection, run: Run, why: str | None, now: datetime) -> Run:
    """Let a run that has not begun wait as what it waits for has it."""
    if run.waits and why is not None:
        return call_off(connection, run, why, now)
    if run.state is RunState.QUEUED and run.waits and run.unmet:
        return move(connection, run, RunState.SCHEDULED, "lackey", now, {"reason": None, "queued_at": None})
    # Not if somebody has made it anew meanwhile.
    is_wanted = _was_called_off(run) and not _waits_in_vain(connection, run)
    if is_wanted and not runs.children(connection, run.id, 1):
        run = _bring_back(connection, run, now)
    if run.state is RunState.SCHEDULED and run.waits and not run.unmet and run.scheduled_at <= now:
        return release(connection, run, now)
    return run


def _waits_in_vain(connection: Connection, run: Run) -> bool:
    if run.sweep_id is not None and sweeps.share(connection, run.sweep_id).in_vain is not None:
        return True
    return dependencies.has_failed(connection, run.id)


def reconsider(connection: Connection, run: Run, now: datetime) -> Run:
    """A run that waits again: as it should be by what has become of those that it waits for."""
    if not run.unmet:
        return run
    sweep = None if run.sweep_id is None else sweeps.share(connection, run.sweep_id)
    why = _why_in_vain(connection, dependencies.failed_of(connection, run.id))
    return _as_it_should_be(connection, run, (sweep and sweep.in_vain) or why, now)


def _why_in_vain(connection: Connection, failed: Iterable[Dependency]) -> str | None:
    for one in failed:
        decision = _decision_on(connection, one)
        if decision is not None:
            return in_vain(one, decision)
    return None


def _decision_on(connection: Connection, one: Dependency) -> Decision | None:
    """What has become of what is waited for; None: that is open."""
    if one.kind == "sweep":
        state = sweep_points.counts(connection, [one.on_id])[one.on_id].outcome
        return None if state is None else Decision(state, one.on_id)
    families = dependencies.families(connection, [one.on_id])
    return decision_of(families[one.on_id]) if one.on_id in families else None


def release(connection: Connection, run: Run, now: datetime) -> Run:
    """Let a run whose time has come go on that waits for no other any more."""
    if run.launched:
        return queue(connection, run, now)
    # From now on its own start is waited for.
    return runs.change(connection, run, {"reason": WAITS_FOR_START, "queued_at": now})


def _was_called_off(run: Run) -> bool:
    """Whether it never began, and nobody asked to cancel it: it waited in vain."""
    never_began = run.state is RunState.CANCELLED and run.ticket is None and run.cancel_requested_at is None
    return never_began and judged(_revived(run), RunState.SCHEDULED, None)["state"] is RunState.SCHEDULED


def _bring_back(connection: Connection, run: Run, now: datetime) -> Run:
    values = judged(_revived(run), RunState.SCHEDULED, None)
    return move(connection, run, RunState.SCHEDULED, "lackey", now, {**values, "settled_at": None})


def _revived(run: Run) -> Evidence:
    return replace(evidence_of(run), kill=None)


def are_untold(database: Database) -> bool:
    """Whether there are some who could not be told at once."""
    with database.read() as connection:
        return dependencies.noted(connection) is not None


def tell_more(database: Database, now: datetime) -> bool:
    """Tell those who could not be told at once, some of them; whether there may be more."""
    with database.read() as connection:
        family = dependencies.noted(connection)
    if family is None:
        return False
    try:
        database.write(partial(_tell_noted, family=family, now=now))
    except Unavailable:
        raise
    except Exception:
        # Others shall be told, and are due.
        log.exception("not all that wait for run %d can be told what has become of it", family)
        database.write(partial(dependencies.take_note, family=family))
    return True


def _tell_noted(connection: Connection, family: int, now: datetime) -> None:
    dependencies.lock(connection, family)
    passed = dependencies.take_note(connection, family)
    if passed is not None:
        tell(connection, family, now, _PIECE, passed)


class UntoldSearch:
    """Finds what the version before has decided without telling those that wait: it knows of no edges.

    As long as it runs, during an upgrade. All is looked at once, and later what was settled since the last look.
    """

    def __init__(self) -> None:
        """Nothing has been looked at."""
        self._after: int | None = -1
        self._looked_at: datetime | None = None

    def look(self, database: Database, now: datetime) -> None:
        """Look at some; those found are told by `tell_more`."""
        with database.read() as connection:
            found: list[int] = []
            if self._after is not None:
                found, self._after = dependencies.undecided_of_ended(connection, self._after, _LOOKED_AT)
            if self._looked_at is not None:
                found += dependencies.undecided_of_settled(connection, self._looked_at - _MARGIN)
            self._looked_at = now
        if found:
            database.write(partial(_note_all, families=found))


def _note_all(connection: Connection, families: Sequence[int]) -> None:
    dependencies.adopt_retries(connection, families)
    for family in families:
        dependencies.note(connection, family, 0)
