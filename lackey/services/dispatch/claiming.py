"""Which queued runs start now, and under which ticket. See `launching` for tickets, `waiting` for those that wait.

What may start is found out by reading alone. The transaction that claims looks again at what is in use, for another
scheduler may have claimed meanwhile, and writes only the runs that start. What has just ended, and makes room for them,
is recorded in the same transaction: where runs are short, each would cost two otherwise.
"""

import uuid
from collections import ChainMap, Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, cast

from sqlalchemy import Connection

from lackey.domain.attempt import OpenAttempt
from lackey.domain.policy import Choice, InUse, Lane, QueuedRun, Room, choose, cpus_in_use, free_devices
from lackey.domain.resources import Capacity
from lackey.domain.run import Event, Run, RunState, scheduler_of
from lackey.services.dispatch.launching import Closing, end, scheduler_on
from lackey.store import attempts, claimable, events, executors, queue, runs, tokens
from lackey.store.claimable import LANES_AT_MOST, USERS_AT_MOST, LaneHead
from lackey.store.database import Database

# So that no transaction is long: each holds up all who write, on SQLite.
_CLAIMED_AT_ONCE = 50
_NAMED_AT_ONCE = 500
FURTHER_LANES = 100
# For so long those whose runs have just ended are told from those who had none.
_JUST_BEFORE = timedelta(seconds=10)


@dataclass(frozen=True)
class Site:
    """For whom runs are claimed: a scheduler's host, what its tickets end in, and an executor, with what it has."""

    host: str
    series: str
    capacity: Capacity
    executor: str = "local"

    @property
    def scheduler(self) -> str:
        """See `domain.run.scheduler_of`."""
        return scheduler_of(self.series, self.host)


@dataclass
class Memory:
    """What a claim leaves for the next; all of it can be lost.

    `kept_for`: the run for which what is free is kept. `cpus`: those in use by each user at `looked_at`. `further`:
    where the lanes of a user end that were looked at beyond everybody's part. `after_user`: the last of those users
    who were looked at, where they are too many for one look. `is_full`: nothing more could start than was chosen.
    """

    kept_for: int | None = None
    cpus: Counter[str] = field(default_factory=Counter)
    looked_at: datetime | None = None
    further: LaneHead | None = None
    after_user: str = ""
    is_full: bool = False

    def used_before(self, now: datetime) -> Mapping[str, int]:
        """The cpus that users had in use just now."""
        return self.cpus if self.looked_at is not None and now - self.looked_at < _JUST_BEFORE else {}


@dataclass(frozen=True)
class Claim:
    """A run that is to be launched now under `ticket`, with these GPUs; `token` is the launched process's own."""

    run: Run
    ticket: str
    token: str
    gpus: tuple[str, ...] = ()


def claim(
    database: Database,
    site: Site,
    away: Mapping[str, str],
    not_yet: Collection[int],
    now: datetime,
    leads: Callable[[Connection], bool] = lambda _: True,
    held: Mapping[str, str] | None = None,
    memory: Memory | None = None,
    endings: Sequence[Closing] = (),
) -> list[Claim]:
    """Claim what may start now. Raises Garbled for a run that has to be passed over; nothing has been claimed then.

    `endings`: what came of tickets that hold nothing any more; recorded before, unless anything is raised.
    `away`: shares that can't be reached → the reason; a process on such a share holds no slot meanwhile.
    `held`: shares on which nothing is to be started, and which are none the less at work → the reason.
    `not_yet`: runs to pass over for now. `leads`: asked within the claim whether this host still is to claim.
    """
    # Not a dict of both: `away` finds more than it lists.
    blocked: Mapping[str, str] = ChainMap(cast(Any, away), dict(held or {}))
    work = _Claiming(database, site, away, blocked, not_yet, now, memory or Memory(), endings)
    chosen = work.choose()
    claims: list[Claim] = []
    if endings and not chosen:
        work.write([], leads)
    while picks := chosen[len(claims) : len(claims) + _CLAIMED_AT_ONCE]:
        claimed = work.write(picks, leads)
        claims += claimed
        if len(claimed) < len(picks):
            break
    return claims


def waiting_by_share(database: Database) -> dict[str, int]:
    """How many launched runs wait, by the name of their share, be it configured or not."""
    with database.read() as connection:
        return queue.count_waiting_by_share(connection)


@dataclass(frozen=True)
class _Pick:
    """A run that is to start, and the lane that it stands in."""

    head: LaneHead
    waiting: QueuedRun


@dataclass(frozen=True)
class _Claiming:
    database: Database
    site: Site
    away: Container[str]
    blocked: Mapping[str, str]
    not_yet: Collection[int]
    now: datetime
    memory: Memory
    endings: Sequence[Closing]

    def choose(self) -> list[_Pick]:
        """What may start now, as far as can be read. Writes nothing but lanes that have no name yet."""
        executor, memory = self.site.executor, self.memory
        memory.is_full = False
        with self.database.read() as connection:
            if not claimable.exist(connection, executor) or executor in executors.paused(connection):
                return []
            taken = self._taken(connection, {each.ticket for each in self.endings})
            used_before = memory.used_before(self.now)
            memory.cpus, memory.looked_at = cpus_in_use(taken), self.now
            room = Room(self.site.capacity, taken)
            memory.is_full = room.is_full
            if memory.is_full:
                return []
            picks: dict[int, _Pick] = {}
            lanes = [self._lane(connection, head, picks) for head in self._heads(connection) if not head.rests]
            choice = self._choice(lanes, taken, memory.kept_for, used_before)
        memory.kept_for = choice.kept_for
        for head in (picks[run_id].head for run_id in choice.start):
            memory.cpus[head.by] += head.demand.cpus
            room.take(head.demand)
        memory.is_full = room.is_full
        return [picks[run_id] for run_id in choice.start]

    def _taken(self, connection: Connection, closing: Container[str] = ()) -> list[InUse]:
        return claimable.taken(connection, self.site.executor, self.site.scheduler, self.away, closing)

    def _choice(
        self, lanes: Sequence[Lane], taken: list[InUse], kept_for: int | None, used_before: Mapping[str, int]
    ) -> Choice:
        return choose(lanes, self.site.capacity, taken, self.blocked, self.now, kept_for, used_before)

    def _heads(self, connection: Connection) -> list[LaneHead]:
        executor, after_user = self.site.executor, self.memory.after_user
        heads = claimable.lanes(connection, executor, self.not_yet, after_user)
        users = list(dict.fromkeys(head.by for head in heads))
        self.memory.after_user = users[-1] if len(users) >= USERS_AT_MOST else ""
        if unnamed := [head for head in heads if not head.lane]:
            for head in unnamed:
                name = partial(claimable.name_lanes, executor=executor, head=head, limit=_NAMED_AT_ONCE)
                self.database.write(name)
            heads = [head for head in claimable.lanes(connection, executor, self.not_yet, after_user) if head.lane]
        return heads + self._further(connection, heads)

    def _further(self, connection: Connection, heads: list[LaneHead]) -> list[LaneHead]:
        """Some of the lanes for which a user's part is too small; all of them come in turn."""
        users = Counter(head.by for head in heads)
        last = {head.by: head for head in heads if users[head.by] >= LANES_AT_MOST // len(users)}
        after = self.memory.further
        if after is None or after.by not in last:
            beyond = sorted(by for by in last if after is None or by > after.by) or sorted(last)
            after = last[beyond[0]] if beyond else None
        if after is None:
            return []
        found = claimable.further_lanes(connection, self.site.executor, after, FURTHER_LANES, self.not_yet)
        self.memory.further = found[-1] if found else self._next_user(after, last)
        return [head for head in found if head.lane]

    def _next_user(self, after: LaneHead, last: Mapping[str, LaneHead]) -> LaneHead | None:
        return next((last[by] for by in sorted(last) if by > after.by), None)

    def _lane(self, connection: Connection, head: LaneHead, picks: dict[int, _Pick]) -> Lane:
        """The lane; each run that is taken from it is noted."""

        def taken_from_it() -> Iterator[QueuedRun]:
            for waiting in claimable.runs_of(connection, self.site.executor, head, _CLAIMED_AT_ONCE):
                if waiting.run_id not in self.not_yet:
                    picks[waiting.run_id] = _Pick(head, waiting)
                    yield waiting

        return _lane(head, taken_from_it())

    def write(self, picks: Sequence[_Pick], leads: Callable[[Connection], bool]) -> list[Claim]:
        """Record what has ended, and claim those of the picks that may start still. Raises Garbled."""
        try:
            return self.database.write(partial(self._write, picks=picks, leads=leads))
        except (ValueError, TypeError):
            with self.database.read() as connection:
                for pick in picks:
                    runs.find(connection, pick.waiting.run_id)
            raise

    def _write(
        self, connection: Connection, picks: Sequence[_Pick], leads: Callable[[Connection], bool]
    ) -> list[Claim]:
        end(connection, self.endings, self.now)
        if not picks:
            return []
        queue.take_turns(connection)
        if not leads(connection) or self.site.executor in executors.paused(connection):
            return []
        taken = self._taken(connection)
        lanes = [_lane(head, iter([pick.waiting])) for pick, head in self._still(connection, picks) if not head.rests]
        wanted = set(self._choice(lanes, taken, None, {}).start)
        run_ids = [pick.waiting.run_id for pick in picks if pick.waiting.run_id in wanted]
        host, series, now = self.site.host, self.site.series, self.now
        claimed = claimable.claim(connection, run_ids, host, series, starting(host), now) if run_ids else []
        return self._note(connection, claimed, free_devices(self.site.capacity, taken)) if claimed else []

    def _still(self, connection: Connection, picks: Sequence[_Pick]) -> list[tuple[_Pick, LaneHead]]:
        """The picks, with the limits of their sweeps as these are by now."""
        sweep_ids = sorted({pick.head.sweep.sweep_id for pick in picks if pick.head.sweep})
        now = claimable.limits_of(connection, sweep_ids) if sweep_ids else {}
        return [
            (pick, replace(pick.head, sweep=now.get(pick.head.sweep.sweep_id)) if pick.head.sweep else pick.head)
            for pick in picks
        ]

    def _note(self, connection: Connection, claimed: list[Run], devices: list[str]) -> list[Claim]:
        """What is written beside the runs: attempts, events, tokens."""
        given = iter(devices)
        secrets = {run.id: str(uuid.uuid4()) for run in claimed}
        claims = [Claim(run, run.ticket or "", secrets[run.id], tuple(islice(given, run.gpus))) for run in claimed]
        attempts.add_all(connection, [self._attempt(one) for one in claims])
        by, text = scheduler_on(self.site.host), f"claimed; {starting(self.site.host)}"
        events.add_all(connection, [Event(run.id, self.now, "claimed", by, text) for run in claimed])
        tokens.add_all(connection, {tokens.digest(secret): run_id for run_id, secret in secrets.items()})
        return claims

    def _attempt(self, one: Claim) -> dict[str, Any]:
        run = one.run
        return {
            "run_id": run.id,
            "number": run.attempts,
            "ticket": one.ticket,
            "scheduler": self.site.scheduler,
            "executor": self.site.executor,
            "application_id": run.application_id,
            "by": run.by,
            "share": run.share or "",
            "cpus": run.cpus or 1,
            "memory_bytes": run.memory_bytes,
            "gpus": list(one.gpus),
            "host": run.host,
            "claimed_at": self.now,
        }


def _lane(head: LaneHead, waiting: Iterator[QueuedRun]) -> Lane:
    return Lane(
        priority=head.rank,
        by=head.by,
        application_id=head.application_id,
        max_running=head.max_running,
        share=head.share,
        demand=head.demand,
        runs=waiting,
        sweep_id=head.sweep.sweep_id if head.sweep else None,
        sweep_max_running=head.sweep.max_running if head.sweep else None,
    )


def starting(host: str | None) -> str:
    """Why a claimed run has not started yet."""
    return f"starting on {host}"


def note_held_up(database: Database, launched: list[OpenAttempt], away: Mapping[str, str]) -> None:
    """Say of each of the launched that has not started whether its share, one of `away`, holds it up, and why."""
    for run in launched:
        reason = away.get(run.share, starting(run.host))
        if run.state is RunState.QUEUED and run.reason != reason:
            database.write(partial(_hold_up, ticket=run.ticket, reason=reason))


def _hold_up(connection: Connection, ticket: str, reason: str) -> None:
    run = runs.with_open_ticket(connection, ticket)
    if run is not None and run.state is RunState.QUEUED:
        runs.change(connection, run, {"reason": reason})
