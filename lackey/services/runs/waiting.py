"""What a queued run waits for: found out when it is shown, since it changes without the run.

Nothing of it is written down with the runs: of 100,000 that wait for a slot none is touched when one becomes free.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from lackey.domain.dependencies import NAMED_AT_MOST, awaited, waits_for
from lackey.domain.policy import AwayShares, Paused, Room, ShareState, not_configured
from lackey.domain.resources import Capacity, Demand, said
from lackey.domain.run import Asked, Run, RunState, scheduler_of
from lackey.domain.sweep import Sweep
from lackey.services.admin import health
from lackey.store import (
    applications,
    claimable,
    dependencies,
    executors,
    share_states,
    sweep_dependencies,
    sweeps,
)
from lackey.store.database import Database
from lackey.store.service import Heartbeat

Kind = Literal["dependency", "hold", "executor", "scheduler", "share", "limit", "resources", "slot", "turn"]

HELD = "held on request, until it is released"
SWEEP_STOPS = "its sweep is being cancelled"
NO_SCHEDULER = "waits for a scheduler: none has been heard from lately"
STARTS_SOON = "is about to be started"
WAITS_FOR_SLOT = "waits for a free slot"


@dataclass(frozen=True)
class Wait:
    """What a queued run waits for, and that in a sentence. `turn`: for nothing but the scheduler's next look."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class _Now:
    """How it stands at one moment, for all runs of an executor.

    `shares` None: nobody tells how they are. `running` counts the runs of each application, `of_sweep` those
    of each sweep. `room` None: nobody tells
    what there is.
    """

    leader: Heartbeat | None
    paused: Paused | None
    shares: dict[str, ShareState] | None
    running: Counter[int | None]
    of_sweep: Counter[int | None]
    room: Room | None


class WaitReasons:
    """How it stands at one moment; the database is asked once, and only if there is a run that waits for its turn."""

    def __init__(self, database: Database, now: datetime) -> None:
        """Nothing is asked yet."""
        self._database, self._now = database, now
        self._limits: dict[int, int | None] = {}
        self._seen: dict[str, _Now] = {}
        self._sweeps: dict[int, Sweep] = {}

    def reason_of(self, run: Run) -> str | None:
        """Why the run is as it is."""
        if run.state is RunState.SCHEDULED and run.cause == "retry" and run.waits:
            return f"repeats run {run.parent_id}"
        wait = self.wait_of(run)
        return run.reason if wait is None else wait.text

    def wait_of(self, run: Run) -> Wait | None:
        """What the run waits for; None for one that waits for its time alone, or is being started."""
        if run.state is RunState.SCHEDULED and run.unmet > 0:
            return Wait("dependency", self._awaited(run))
        if run.state is not RunState.QUEUED or not run.waits:
            return None
        if run.held:
            return Wait("hold", HELD)
        told = self._sweep_rests(run) or self._for_all(run) or self._share(run) or self._limit(run)
        return told or self._sweep_limit(run) or self._room(run) or self._turn(run)

    def _awaited(self, run: Run) -> str:
        sweep = self.sweep_of(run)
        if sweep is not None and sweep.unmet:
            with self._database.read() as connection:
                return f"its sweep {why_waits(connection, sweep)}"
        if run.unmet == len(run.after) + len(run.after_sweeps or ()):
            return waits_for(awaited(run, NAMED_AT_MOST), run.unmet)
        with self._database.read() as connection:
            waited = dependencies.unmet_of(connection, run.id, NAMED_AT_MOST)
        # Its sweep has just been told, and the run is about to be.
        return waits_for(waited, run.unmet) if waited else STARTS_SOON

    def _how_it_is(self, executor: str) -> _Now:
        if executor not in self._seen:
            with self._database.read() as connection:
                leader = health.leader(connection, self._now)
                name = scheduler_of(leader.name) if leader else ""
                shares = share_states.of_scheduler(connection, name)
                away = AwayShares(shares, {share: state.why or "" for share, state in shares.items() if state.is_away})
                taken = claimable.taken(connection, executor, name, away if shares else ())
                self._seen[executor] = _Now(
                    leader=leader,
                    paused=executors.paused(connection).get(executor),
                    shares=shares or None,
                    running=Counter(one.application_id for one in taken if not one.lost),
                    of_sweep=Counter(one.sweep_id for one in taken if not one.lost),
                    room=Room(leader.capacity, taken) if leader and leader.capacity else None,
                )
        return self._seen[executor]

    def _for_all(self, run: Run) -> Wait | None:
        """What all runs of its executor wait for."""
        now = self._how_it_is(run.executor)
        if now.paused is not None:
            return Wait("executor", now.paused.why)
        if now.leader is None:
            return Wait("scheduler", NO_SCHEDULER)
        return None if now.leader.trouble is None else Wait("executor", now.leader.trouble)

    def _share(self, run: Run) -> Wait | None:
        shares, name = self._how_it_is(run.executor).shares, run.share or ""
        if shares is None:
            return None
        why = shares[name].why if name in shares else not_configured(name)
        return None if why is None else Wait("share", why)

    def _limit(self, run: Run) -> Wait | None:
        most = self._most(run.application_id)
        if most is None or self._how_it_is(run.executor).running[run.application_id] < most:
            return None
        return Wait("limit", f"waits for another run of its application: at most {most} at a time")

    def sweep_of(self, run: Run) -> Sweep | None:
        """The sweep of which the run is."""
        if run.sweep_id is None:
            return None
        if run.sweep_id not in self._sweeps:
            with self._database.read() as connection:
                self._sweeps |= sweeps.with_ids(connection, [run.sweep_id])
        return self._sweeps.get(run.sweep_id)

    def priority_of(self, run: Run) -> int:
        """The priority that counts: as long as it waits, a run of a sweep has that of the sweep."""
        sweep = self.sweep_of(run) if run.waits else None
        return run.priority if sweep is None else sweep.priority

    def _sweep_rests(self, run: Run) -> Wait | None:
        sweep = self.sweep_of(run)
        if sweep is None or not (sweep.held or sweep.stopping):
            return None
        return Wait("hold", SWEEP_STOPS if sweep.stopping else f"its sweep is {HELD}")

    def _sweep_limit(self, run: Run) -> Wait | None:
        sweep = self.sweep_of(run)
        if sweep is None or sweep.max_running is None:
            return None
        if self._how_it_is(run.executor).of_sweep[sweep.id] < sweep.max_running:
            return None
        return Wait("limit", f"waits for another run of its sweep: at most {sweep.max_running} at a time")

    def _most(self, application_id: int | None) -> int | None:
        if application_id is None:
            return None
        if application_id not in self._limits:
            with self._database.read() as connection:
                self._limits[application_id] = applications.application(connection, application_id).max_running
        return self._limits[application_id]

    def _room(self, run: Run) -> Wait | None:
        now = self._how_it_is(run.executor)
        if now.leader is None or now.leader.capacity is None or now.room is None:
            return None
        capacity, demand = now.leader.capacity, demand_of(run)
        if never := capacity.refusals(demand, run.executor):
            text = "; ".join(f"{name}: {why}" for name, why in never.items())
            return Wait("resources", f"can't start: {text}")
        return _lacking(now.room, capacity, demand)

    def _turn(self, run: Run) -> Wait:
        leader = self._how_it_is(run.executor).leader
        kept_for = leader.kept_for if leader else None
        if kept_for is not None and kept_for != run.id:
            text = f"what is free is kept for run {kept_for}, which takes more and has waited for long"
            return Wait("resources", text)
        # It was claimed before, and given back: that says more.
        return Wait("turn", run.reason if run.attempts and run.reason else STARTS_SOON)


def why_waits(connection: Connection, sweep: Sweep) -> str | None:
    """Why the sweep waits for others, in a sentence; None if it does not."""
    if not sweep.unmet:
        return None
    return waits_for(sweep_dependencies.unmet_of(connection, "sweep", sweep.id, NAMED_AT_MOST), sweep.unmet)


def demand_of(run: Asked) -> Demand:
    """What the run takes."""
    return Demand(run.cpus or 1, run.memory_bytes, run.gpus)


def _lacking(room: Room, capacity: Capacity, demand: Demand) -> Wait | None:
    lacks = room.lacks(demand)
    if not lacks:
        return None
    if "slots" in lacks:
        return Wait("slot", WAITS_FOR_SLOT)
    figures = {
        "cpus": (demand.cpus, room.cpus, capacity.cpus),
        "memory": (demand.memory_bytes or 0, room.memory_bytes or 0, capacity.memory_bytes or 0),
        "gpus": (demand.gpus, room.gpus, len(capacity.gpus)),
    }
    parts = []
    for name in lacks:
        asked, free, most = figures[name]
        what = "of memory" if name == "memory" else name if asked != 1 else name.removesuffix("s")
        parts.append(f"{said(name, asked)} {what}: {said(name, max(0, free))} of {said(name, most)} free")
    return Wait("resources", f"waits for {'; '.join(parts)}")
