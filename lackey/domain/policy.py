"""Which queued runs start next: higher priority first, then older; within slots and the applications' own limits."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


def lane_of(
    application_id: int | None, share: str | None, cpus: int | None, memory_bytes: int | None, gpus: int
) -> str:
    """The same for runs that differ in nothing that decides whether they may start: the oldest of them goes first."""
    return f"{application_id or ''}|{cpus or 1}|{memory_bytes or ''}|{gpus}|{share or ''}"


@dataclass(frozen=True)
class Candidate:
    """A queued run that nothing holds. Given in policy order (see `store.queue`)."""

    run_id: int
    application_id: int | None
    max_running: int | None
    share: str


class Away(Mapping[str, str]):
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


@dataclass(frozen=True)
class Choice:
    """The runs to start now, and why each of the others waits (run id → a sentence)."""

    start: list[int]
    waiting: dict[int, str]


def choose(
    queued: Sequence[Candidate], slots: int, taken: int, running: Mapping[int | None, int], away: Mapping[str, str]
) -> Choice:
    """Choose from `queued`, in its order.

    `taken` of the `slots` hold a process; `running` counts the processes of each application, by its id; `away` maps
    the names of shares that can't be reached to the reason. A run that may not start keeps no later one from starting.
    """
    free, alive = slots - taken, Counter(running)
    start: list[int] = []
    waiting: dict[int, str] = {}
    for run in queued:
        if run.share in away:
            waiting[run.run_id] = away[run.share]
        elif run.max_running is not None and alive[run.application_id] >= run.max_running:
            waiting[run.run_id] = f"waits for another run of its application: at most {run.max_running} at a time"
        elif free <= 0:
            waiting[run.run_id] = "waits for a free slot"
        else:
            free -= 1
            alive[run.application_id] += 1
            start.append(run.run_id)
    return Choice(start, waiting)
