"""Which queued runs start next: higher priority first; then the user with the fewest cpus in use; then the older.

A *lane* is a line of queued runs, the oldest first, that differ in nothing which decides whether they may start: they
have one priority, user, application, sweep, share and demand. So as many lanes are looked at as there are kinds of
runs, and not as many runs as wait.

What does not fit lets others pass: smaller ones start meanwhile. But once a run has waited for ten minutes, what is
free is kept for it, as much as it takes: what starts then takes of the rest alone, so what is kept grows until the run
fits. A run of a higher priority may still take it.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from lackey.domain.resources import Capacity, Demand

KEPT_AFTER = timedelta(minutes=10)


def lane_of(
    application_id: int | None,
    share: str | None,
    cpus: int | None,
    memory_bytes: int | None,
    gpus: int,
    sweep_id: int | None = None,
) -> str:
    """The same for runs that differ in nothing that decides whether they may start: the oldest of them goes first."""
    of_sweep = "" if sweep_id is None else f"sweep {sweep_id}|"
    return f"{of_sweep}{application_id or ''}|{cpus or 1}|{memory_bytes or ''}|{gpus}|{share or ''}"


@dataclass(frozen=True)
class QueuedRun:
    """A queued run: since when it is due, by which it is older or younger than another, and since when it is queued."""

    run_id: int
    scheduled_at: datetime
    queued_at: datetime


@dataclass(frozen=True)
class Lane:
    """See above. `runs` are its runs, the oldest first; only as many are taken from it as start, and one more.

    `max_running`: of its application. Of a sweep's `sweep_max_running` may run at a time.
    """

    priority: int
    by: str
    application_id: int | None
    max_running: int | None
    share: str
    demand: Demand
    runs: Iterator[QueuedRun]
    sweep_id: int | None = None
    sweep_max_running: int | None = None


@dataclass(frozen=True)
class InUse:
    """What a run holds whose process may live. `devices`: the ids of its GPUs.

    `here`: on the host for which is chosen; `lost`: it is taken for lost. `is_idle`: it is, or its share is away: it
    does nothing meanwhile, and others need not wait for its cpus and its slot. Memory and devices stay its own.
    """

    application_id: int | None
    by: str
    share: str
    demand: Demand
    devices: tuple[str, ...] = ()
    here: bool = True
    lost: bool = False
    is_idle: bool = False
    sweep_id: int | None = None


@dataclass(frozen=True)
class ShareState:
    """How a share of a scheduler's configuration is: `why` nothing is started there now; None: it is.

    `is_away`: it can't be reached, so what runs there does nothing meanwhile.
    """

    why: str | None = None
    is_away: bool = False


class AwayShares(Mapping[str, str]):
    """Why shares hold their runs, by their names: those that can't be reached, and all that are not configured.

    The latter are without number: none is listed, and each is found.
    """

    def __init__(self, configured: Collection[str], unreachable: Mapping[str, str]) -> None:
        """`unreachable`: those of the configured that are, each with a sentence that says why their runs wait."""
        self._configured, self._unreachable = configured, unreachable

    def __getitem__(self, share: str) -> str:
        """Why. Raises KeyError for a share that holds nothing."""
        return self._unreachable[share] if share in self._configured else not_configured(share)

    def __iter__(self) -> Iterator[str]:
        """Those of the configured that can't be reached."""
        return iter(self._unreachable)

    def __len__(self) -> int:
        """How many of the configured can't be reached."""
        return len(self._unreachable)


def not_configured(share: str) -> str:
    """Why the runs of a share wait that the configuration doesn't have, or has no more."""
    return f"waits for share {share}: it is not in the configuration" if share else "has no share to run on"


@dataclass(frozen=True)
class Paused:
    """An executor on which nothing new is launched: since when, and who wanted it so. What runs on it goes on."""

    executor: str
    since: datetime
    by: str

    @property
    def why(self) -> str:
        """What its queued runs wait for."""
        return f"the executor {self.executor} is paused by {self.by} since {self.since:%Y-%m-%d %H:%M} UTC"


def free_devices(capacity: Capacity, taken: Iterable[InUse]) -> list[str]:
    """The GPUs that no run holds."""
    held = {device for one in taken if one.here for device in one.devices}
    return [device for device in capacity.gpus if device not in held]


class Room:
    """How much is free. It may be negative: settings change, and more is in use than there is now."""

    def __init__(self, capacity: Capacity, taken: Sequence[InUse]) -> None:
        """`taken`: by the runs of all hosts."""
        self.cpus, self.gpus = capacity.cpus, len(free_devices(capacity, taken))
        self.memory_bytes, self.slots = capacity.memory_bytes, capacity.slots
        for one in taken:
            if one.here:
                self._take(Demand(0 if one.is_idle else one.demand.cpus, one.demand.memory_bytes), not one.is_idle)

    @property
    def is_full(self) -> bool:
        """Whether nothing at all can start."""
        return self.cpus <= 0 or (self.slots is not None and self.slots <= 0)

    def lacks(self, demand: Demand) -> list[str]:
        """What there is too little of for a run: `slots`, `cpus`, `memory`, `gpus`."""
        lacking = {
            "slots": self.slots is not None and self.slots < 1,
            "cpus": self.cpus < demand.cpus,
            "memory": self.memory_bytes is not None and self.memory_bytes < (demand.memory_bytes or 0),
            "gpus": self.gpus < demand.gpus,
        }
        return [name for name, is_lacking in lacking.items() if is_lacking]

    def take(self, demand: Demand) -> None:
        """A run starts."""
        self._take(demand, 1)

    def keep(self, demand: Demand) -> None:
        """Leave what is free to a run, as far as it takes it."""
        memory = demand.memory_bytes
        if memory is not None and self.memory_bytes is not None:
            memory = min(memory, max(0, self.memory_bytes))
        kept = Demand(min(demand.cpus, max(0, self.cpus)), memory, min(demand.gpus, max(0, self.gpus)))
        self._take(kept, 1 if self.slots else 0)

    def _take(self, demand: Demand, slots: int) -> None:
        self.cpus -= demand.cpus
        self.gpus -= demand.gpus
        if self.memory_bytes is not None:
            self.memory_bytes -= demand.memory_bytes or 0
        if self.slots is not None:
            self.slots -= slots


@dataclass(frozen=True)
class Choice:
    """The runs to start now, in this order. `kept_for`: the run for which what is free is kept, if there is one."""

    start: list[int]
    kept_for: int | None = None


def choose(
    lanes: Iterable[Lane],
    capacity: Capacity,
    taken: Sequence[InUse],
    away: Mapping[str, str],
    now: datetime,
    kept_for: int | None = None,
    used_before: Mapping[str, int] | None = None,
) -> Choice:
    """Choose what starts now.

    `taken`: by the runs of all hosts; the limits of applications and the cpus of users count on all of them.
    `away`: shares on which nothing starts → why. `kept_for`: as the last choice had it. `used_before`: the cpus that
    users had in use just before, by which those are told apart who have the same number in use: where one run at a time
    fits, nobody has any in use when a choice is to be made, and the older would always go first.
    """
    choosing = _Choosing(capacity, taken, away, now, kept_for, used_before or {})
    in_order = sorted(lanes, key=lambda lane: -lane.priority)
    for _, level in groupby(in_order, key=lambda lane: lane.priority):
        if choosing.room.is_full:
            break
        choosing.choose_from(level)
    return Choice(choosing.start, choosing.kept)


def cpus_in_use(taken: Iterable[InUse]) -> Counter[str]:
    """How many cpus each user's runs hold."""
    cpus: Counter[str] = Counter()
    for one in taken:
        cpus[one.by] += 0 if one.is_idle else one.demand.cpus
    return cpus


class _Queue:
    """A lane and the run that is next in it."""

    def __init__(self, lane: Lane, head: QueuedRun) -> None:
        self.lane, self.head = lane, head

    def __lt__(self, other: "_Queue") -> bool:
        return self.age < other.age

    @property
    def age(self) -> tuple[datetime, int]:
        return self.head.scheduled_at, self.head.run_id


class _Choosing:
    def __init__(
        self,
        capacity: Capacity,
        taken: Sequence[InUse],
        away: Mapping[str, str],
        now: datetime,
        kept_for: int | None,
        used_before: Mapping[str, int],
    ) -> None:
        self._capacity, self._away, self._now, self._used_before = capacity, away, now, used_before
        self._kept_before = kept_for
        self.room = Room(capacity, taken)
        self._running = Counter(one.application_id for one in taken if not one.lost)
        self._of_sweep = Counter(one.sweep_id for one in taken if not one.lost)
        self._cpus = cpus_in_use(taken)
        self.start: list[int] = []
        self.kept: int | None = None

    def choose_from(self, lanes: Iterable[Lane]) -> None:
        """From lanes of one priority."""
        able = [lane for lane in lanes if lane.share not in self._away and not self._capacity.refusals(lane.demand)]
        queues = [_Queue(lane, head) for lane in able if (head := next(lane.runs, None)) is not None]
        self._keep_on(queues)
        self._keep_for_the_first([queue for queue in queues if self._has_waited_in_vain(queue)])
        self._share_out(queues)

    def _keep_on(self, queues: list[_Queue]) -> None:
        """The run for which was kept what is free goes first, if it fits now."""
        for queue in queues:
            if queue.head.run_id == self._kept_before and not self._is_at_limit(queue.lane):
                if self.room.lacks(queue.lane.demand):
                    self._keep_for_the_first([queue])
                elif not self._begin(queue):
                    queues.remove(queue)
                return

    def _keep_for_the_first(self, queues: list[_Queue]) -> None:
        if self.kept is None and queues:
            queue = min(queues, key=self._rank)
            self.kept = queue.head.run_id
            self.room.keep(queue.lane.demand)

    def _has_waited_in_vain(self, queue: _Queue) -> bool:
        """Whether it has waited for long and smaller ones could pass it now."""
        waited = self._now - queue.head.queued_at >= KEPT_AFTER
        passed = not self.room.is_full and bool(self.room.lacks(queue.lane.demand))
        return waited and passed and not self._is_at_limit(queue.lane)

    def _share_out(self, queues: list[_Queue]) -> None:
        of_user: dict[str, list[_Queue]] = {}
        for queue in queues:
            of_user.setdefault(queue.lane.by, []).append(queue)
        for mine in of_user.values():
            heapq.heapify(mine)
        order = [self._place(mine) for mine in of_user.values()]
        heapq.heapify(order)
        while order and not self.room.is_full:
            mine = of_user[heapq.heappop(order)[-1]]
            queue = heapq.heappop(mine)
            if self._may_start(queue) and self._begin(queue):
                heapq.heappush(mine, queue)
            if mine:
                heapq.heappush(order, self._place(mine))

    def _may_start(self, queue: _Queue) -> bool:
        if self._is_at_limit(queue.lane):
            return False
        if not self.room.lacks(queue.lane.demand):
            return True
        if queue.head.run_id != self.kept and self._has_waited_in_vain(queue):
            self._keep_for_the_first([queue])
        return False

    def _place(self, mine: list[_Queue]) -> tuple[int, int, tuple[datetime, int], str]:
        return *self._rank(mine[0]), mine[0].lane.by

    def _rank(self, queue: _Queue) -> tuple[int, int, tuple[datetime, int]]:
        by = queue.lane.by
        return self._cpus[by], self._used_before.get(by, 0), queue.age

    def _is_at_limit(self, lane: Lane) -> bool:
        if lane.max_running is not None and self._running[lane.application_id] >= lane.max_running:
            return True
        return lane.sweep_max_running is not None and self._of_sweep[lane.sweep_id] >= lane.sweep_max_running

    def _begin(self, queue: _Queue) -> bool:
        """Start the first of a lane; whether there is another one in it."""
        lane = queue.lane
        self.start.append(queue.head.run_id)
        self.room.take(lane.demand)
        self._running[lane.application_id] += 1
        self._of_sweep[lane.sweep_id] += 1
        self._cpus[lane.by] += lane.demand.cpus
        head = next(lane.runs, None)
        if head is not None:
            queue.head = head
        return head is not None
