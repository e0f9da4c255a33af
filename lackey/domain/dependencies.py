"""What runs wait for, and when a run is decided: the rules of dependencies and of retries, which hang together.

A run is *decided* when it has ended, is not silent (it may be at work then), and is not about to be retried. What waits
for a run waits for all that stand in its place: its retries, and the reruns that were made with its dependents.
Together they have succeeded as soon as one of them has; else nothing is decided while one of them is not; else they
have come to what the last of them has.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from lackey.domain.run import FINAL, TROUBLED, Heard, RunState, is_silent

Wants = Literal["succeeded", "ended", "failed"]
Kind = Literal["run", "sweep"]
EdgeOutcome = Literal["met", "failed"]

# What meets each. What was cancelled has ended as somebody wished: it has not failed.
_MEETS: dict[Wants, frozenset[RunState]] = {
    "succeeded": frozenset({RunState.SUCCEEDED}),
    "ended": FINAL,
    "failed": TROUBLED,
}
_TO = {"succeeded": "to succeed", "ended": "to end", "failed": "to fail"}
_RETRY_WAIT_SECONDS = 10.0
_LONGEST_RETRY_WAIT_SECONDS = 3600.0
NAMED_AT_MOST = 3


@dataclass(frozen=True)
class Dependency:
    """A run that is waited for, or a sweep, by its id, and what it is to come to."""

    on_id: int
    wants: Wants = "succeeded"
    kind: Kind = "run"

    @property
    def named(self) -> str:
        """What it is called: run 7, sweep 3."""
        return f"{self.kind} {self.on_id}"


class Dependent(Protocol):
    """What of a run or a sweep says what it waits for."""

    @property
    def after(self) -> list[int] | None: ...
    @property
    def after_on(self) -> dict[str, str] | None: ...
    @property
    def after_sweeps(self) -> dict[str, str] | None: ...


def awaited(waiting: Dependent, most: int | None = None) -> list[Dependency]:
    """What a run or a sweep was made to wait for, be it met or not; the first `most` of it."""
    wants: Any = waiting.after_on or {}
    sweeps: Any = waiting.after_sweeps or {}
    runs = [Dependency(run_id, wants.get(str(run_id), "succeeded")) for run_id in (waiting.after or [])[:most]]
    return [*runs, *(Dependency(int(sweep_id), on, "sweep") for sweep_id, on in sweeps.items())][:most]


def as_stored(awaited: Iterable[Dependency]) -> dict[str, Any]:
    """The inverse: the columns of a run or a sweep."""
    each = list(awaited)
    runs = [one for one in each if one.kind == "run"]
    others = {str(one.on_id): one.wants for one in runs if one.wants != "succeeded"}
    sweeps: dict[str, str] = {str(one.on_id): one.wants for one in each if one.kind == "sweep"}
    return {"after": [one.on_id for one in runs], "after_on": others or None, "after_sweeps": sweeps or None}


class Judged(Heard, Protocol):
    """What of a run decides on its retries and on what waits for it."""

    @property
    def id(self) -> int: ...
    @property
    def stands_for(self) -> int | None: ...
    @property
    def launched(self) -> bool: ...
    @property
    def cause(self) -> str | None: ...
    @property
    def cancel_requested_at(self) -> datetime | None: ...
    @property
    def retries(self) -> int: ...
    @property
    def retry_on(self) -> list[str] | None: ...


@dataclass(frozen=True)
class Standing:
    """These few columns of a run, for those of which many are looked at; see `domain.run.Run`."""

    id: int
    stands_for: int | None
    state: RunState
    launched: bool
    cause: str | None
    outcome_source: str | None
    ticket: str | None
    ticket_open: bool
    given_up_at: datetime | None
    cancel_requested_at: datetime | None
    retries: int
    retry_on: list[str] | None


@dataclass(frozen=True)
class Decision:
    """What those that stand in one run's place have come to together, and which of them was the last."""

    state: RunState
    last: int


def is_to_be_retried(run: Judged) -> bool:
    """Whether what has become of the run is worth another try. Who asked to cancel it wants none."""
    tried_on = TROUBLED if run.retry_on is None else run.retry_on
    wanted = run.launched and run.retries > 0 and run.cancel_requested_at is None
    return wanted and run.state in TROUBLED and run.state in tried_on and not is_silent(run)


def decided(run: Judged) -> RunState | None:
    """What the run itself has come to; None while that is open: a retry is made only when its process has ended."""
    may_live = run.ticket_open and run.given_up_at is None and is_to_be_retried(run)
    return None if not run.state.is_final or is_silent(run) or may_live else run.state


def was_withdrawn(run: Judged) -> bool:
    """Whether it is a retry that lackey took back before it began, since the run that it was to repeat is back."""
    never_began = run.state is RunState.CANCELLED and run.ticket is None and run.cancel_requested_at is None
    return run.cause == "retry" and never_began


def decision_of(family: Iterable[Judged]) -> Decision | None:
    """What a run and those in its place have come to together, in the order in which they were made; None: open yet."""
    members = list(family)
    each = [(run.id, decided(run)) for run in members if not was_withdrawn(run)] or [
        (run.id, decided(run)) for run in members
    ]
    for run_id, state in each:
        if state is RunState.SUCCEEDED:
            return Decision(state, run_id)
    last, state = each[-1]
    return None if state is None or any(one is None for _, one in each) else Decision(state, last)


def outcome_of(wants: str, state: RunState | None) -> EdgeOutcome | None:
    """Whether one who waits has what is waited for; None while it is open. Raises KeyError for an unknown wish."""
    met = _MEETS[wants]  # type: ignore[index]
    return None if state is None else "met" if state in met else "failed"


def family_of(run: Judged) -> int:
    """The run in whose place this one stands: itself, if none."""
    return run.id if run.stands_for is None else run.stands_for


def retry_wait(wait_seconds: float | None, earlier: int) -> timedelta:
    """How long a retry waits, before which so many were made: so that what broke has time to mend."""
    first = _RETRY_WAIT_SECONDS if wait_seconds is None else wait_seconds
    return timedelta(seconds=min(first * 2.0**earlier, _LONGEST_RETRY_WAIT_SECONDS))


def waits_for(waited: Sequence[Dependency], count: int) -> str:
    """Why a run or a sweep waits that waits for `count` others, of which these are the first: a sentence."""
    shown = waited[:NAMED_AT_MOST]
    parts = []
    for kind, wants in dict.fromkeys((one.kind, one.wants) for one in shown):
        named = ", ".join(str(one.on_id) for one in shown if (one.kind, one.wants) == (kind, wants))
        parts.append(f"{kind} {named} {_TO[wants]}")
    more = count - len(shown)
    return f"waits for {' and '.join(parts)}" + (f", and for {more} more" if more > 0 else "")


def in_vain(waited: Dependency, decision: Decision) -> str:
    """Why a run or a sweep is cancelled that waited for what does not come any more: a sentence.

    The decision on a sweep names the sweep itself as its last.
    """
    which = "which it waited for" + ("" if waited.wants == "succeeded" else f" {_TO[waited.wants]}")
    before = "" if decision.last == waited.on_id else f"run {decision.last}, in the place of "
    return f"{before}{waited.named}, {which}, is {decision.state}"
