"""Runs and the states they pass through."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, Self

_SERIES = re.compile(r"-[0-9a-f]{8}$")
# Far more than a run is given back, each time leaving a directory that could not be removed.
_DIRECTORIES_AT_MOST = 1_000


class RunState(StrEnum):
    """Where a run stands; the words users see."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended, as far as is known."""
        return self in FINAL


_ENDS = {RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELLED, RunState.LOST}
FINAL = frozenset(_ENDS)
ACTIVE = frozenset({RunState.QUEUED, RunState.RUNNING})
# Ended, and somebody should know. What was cancelled ended as somebody wished.
TROUBLED = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.LOST})
WAITING = frozenset({RunState.SCHEDULED, RunState.QUEUED})

# A final state changes only when better evidence comes (see `evidence`): what was lost is heard from again, what ended
# without a word turns out to have failed, what said that it succeeded had to be killed afterwards.
NEXT: dict[RunState, frozenset[RunState]] = {
    RunState.SCHEDULED: frozenset({RunState.QUEUED, RunState.RUNNING} | _ENDS),
    RunState.QUEUED: frozenset({RunState.SCHEDULED, RunState.RUNNING} | _ENDS),
    RunState.RUNNING: FINAL,
    RunState.SUCCEEDED: frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELLED}),
    RunState.FAILED: frozenset({RunState.SUCCEEDED, RunState.TIMED_OUT, RunState.CANCELLED}),
    RunState.TIMED_OUT: frozenset({RunState.RUNNING, RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED}),
    RunState.LOST: frozenset({RunState.RUNNING} | _ENDS) - {RunState.LOST},
    # Only of those that never started, because of another run that has come back since.
    RunState.CANCELLED: frozenset({RunState.SCHEDULED}),
}


@dataclass(frozen=True)
class Asked:
    """What was asked for: what to run, with what, where, when, under which limits, after which others.

    Times are aware UTC datetimes; limits and waits are seconds. `uid` is random and never comes again, unlike `id` (a
    restored backup, a new database over an old share). `shell` is its application's own; None: the executor's, as it is
    when the run is launched. `lane` is the same for runs that may start in each other's place (`policy.lane_of`).
    `schedule_id`: the recurring schedule that has made it, or the run whose retry it is. `point` is its point's number
    in the sweep `sweep_id`, if it is of one. `stands_for`: the run in whose place it was made, so that what waits for
    that one waits for it. `after` are the runs that it waits for; `after_on` says of those that are not to succeed what
    they are to come to, by their ids as text; `after_sweeps` are the sweeps that it waits for, each with what it is to
    come to. `memory` is what a version before understood by `memory_bytes`.
    `own_variables` names those of `environment` that were given for this run, and not for its application.
    """

    id: int
    uid: str
    name: str
    project_id: int | None
    application_id: int | None
    project: str | None
    application: str | None
    launched: bool
    by: str
    parent_id: int | None
    cause: str | None
    schedule_id: int | None
    command: str | None
    share: str | None
    directory: str | None
    workdir: str
    shell: str | None
    parameters: dict[str, str]
    environment: dict[str, str]
    own_variables: list[str] | None
    tags: list[str] | None
    priority: int
    executor: str
    time_limit: float | None
    start_grace: float | None
    silence: float | None
    retries: int
    retry_on: list[str] | None
    retry_wait: float | None
    cpus: int | None
    memory: str | None
    memory_bytes: int | None
    gpus: int
    lane: str
    stands_for: int | None
    sweep_id: int | None
    point: int | None
    after: list[int]
    after_on: dict[str, str] | None
    after_sweeps: dict[str, str] | None
    created_at: datetime
    scheduled_at: datetime


@dataclass(frozen=True)
class Tried:
    """What is being tried: how it waits, and the attempt under way, or else the last one.

    `unmet` counts what it waits for that has not come to what it is to; one of these is its sweep, while that waits.
    `ticket` names the one attempt to launch it; `ticket_open` as long as that attempt's process may live. `attempts`
    counts them. `given_up_at`: it was silent, and somebody has said that it is to be taken for gone.
    """

    held: bool
    unmet: int
    queued_at: datetime | None
    ticket: str | None
    ticket_open: bool
    attempts: int
    claimed_at: datetime | None
    host: str | None
    handle: str | None
    run_directory: str | None
    cancel_requested_at: datetime | None
    given_up_at: datetime | None


@dataclass(frozen=True)
class Outcome:
    """What came of it: its state, the evidence for it, and what its reports and its end have left.

    `settled_at` is when lackey learned of its end, by its own clock; `ended_at` may be what another clock said. `told`
    is what its reports say beside the outcome (`domain.told`); `progress` what that shows of how far it is. `log_says`:
    the line of its log that tells why its command could not be had.
    """

    state: RunState
    reason: str | None
    evidence: dict[str, Any]
    heard_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    exit_code: int | None
    signal: int | None
    outcome_source: str | None
    marks: list[str]
    max_rss_bytes: int | None
    cpu_seconds: float | None
    progress: dict[str, Any] | None
    told: dict[str, Any] | None
    log_size: int
    stop_log_size: int
    left_behind: int
    file_size: int | None
    log_kept: bool
    log_says: str | None


@dataclass(frozen=True)
class Run(Asked, Tried, Outcome):
    """One execution, as stored, in its three parts. `revision` grows with each change."""

    revision: int

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """A run of values that name all fields. To set each of its sixty by itself takes ten times as long."""
        run = object.__new__(cls)
        vars(run).update(values)
        return run

    @property
    def waits(self) -> bool:
        """Whether nobody has begun to launch it and nothing was heard from it."""
        return self.state in WAITING and self.ticket is None

    @property
    def is_silent(self) -> bool:
        """See `is_silent`."""
        return is_silent(self)

    @property
    def duration_seconds(self) -> float | None:
        """From start to end; None while unknown, or when a clock has the end before the start."""
        if self.started_at is None or self.ended_at is None or self.ended_at < self.started_at:
            return None
        return (self.ended_at - self.started_at).total_seconds()


class Heard(Protocol):
    """What of a run tells whether it is silent."""

    @property
    def state(self) -> RunState: ...
    @property
    def outcome_source(self) -> str | None: ...
    @property
    def ticket(self) -> str | None: ...
    @property
    def ticket_open(self) -> bool: ...
    @property
    def given_up_at(self) -> datetime | None: ...


def is_silent(run: Heard) -> bool:
    """Whether its outcome was concluded from silence alone: nobody knows that it has ended, so it may be at work.

    What lackey launched, and whose attempt is closed without a receipt, is known to be gone; and what somebody has
    given up is taken for gone.
    """
    inferred = run.outcome_source == "inferred" and run.state in (RunState.LOST, RunState.TIMED_OUT)
    return inferred and run.given_up_at is None and (run.ticket is None or run.ticket_open)


def scheduler_of(name: str | None, host: str | None = None) -> str:
    """The scheduler's own id, its *series*, in which the name of a scheduler and the tickets that it draws end.

    A host may be given another name while its runs run, so what is whose goes by this. Where a name has none, it is the
    host that counts, or the name itself.
    """
    found = _SERIES.search(name or "")
    return found[0] if found else host or name or ""


def said_of_left_behind(count: int) -> str:
    """What is said of a run whose command left so many processes behind: background work that it did not wait for."""
    some, were = ("1 process", "was") if count == 1 else (f"{count} processes", "were")
    return f"{some} that its command left behind {were} ended; use `wait`"


class Garbled(Exception):
    """What is stored of a run holds what lackey has never written there, and can't be read."""

    def __init__(self, run_id: int, why: object) -> None:
        super().__init__(f"what is stored of this run can't be read, so it is passed over: {why}")
        self.run_id = run_id


@dataclass(frozen=True)
class Event:
    """One line of a run's history: who or what did what, when."""

    run_id: int
    at: datetime
    kind: str
    by: str
    text: str
    details: dict[str, Any] = field(default_factory=dict)


def directory_names(run_id: int, uid: str) -> Iterator[str]:
    """How the run's own directory may be called, in the order in which the names are tried.

    A stranger's directory may have the first one (run ids come again), and a launch that came to nothing leave one
    behind. The others have the run's uid in them, and nothing of who launches it.
    """
    yield f"{run_id}"
    yield f"{run_id}-{uid[:8]}"
    for number in range(2, _DIRECTORIES_AT_MOST):
        yield f"{run_id}-{uid[:8]}-{number}"
