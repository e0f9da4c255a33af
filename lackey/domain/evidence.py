"""From the evidence to the outcome: one pure function, `judge`.

What is known of a run is kept side by side and never overwritten by something worse: what it reported, what was seen
of its process, what lackey did to it, how long it has been silent. The outcome is computed from all of it each time,
so the order in which the pieces came can't matter. Best first:

1. a kill that lackey carried out;
2. the first accepted stop that names an exit code;
3. the receipt of a launched process;
4. a stop without an exit code, which says 0;
5. silence.

Moments are unix seconds (UTC) as floats: reported clocks may show any year, a `datetime` can't.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self

from lackey.domain import exits
from lackey.domain.run import RunState

KillCause = Literal["cancelled", "timed_out"]
Source = Literal["reported", "observed", "inferred"]

# Those of a run's marks that its evidence alone decides on.
JUDGED_MARKS = frozenset({"clock"})

# Clocks on one network differ by seconds; further ahead than this is a wrong clock, not a late message.
CLOCK_TOLERANCE_SECONDS = 60.0


@dataclass(frozen=True)
class Stop:
    """A reported end: its exit code (None: it named none), its own time (None: it named none), time of receipt."""

    exit: int | None
    ts: float | None
    received: float

    def same_as(self, other: Self) -> bool:
        """Whether this is the other stop again: same exit, and same `ts` where both gave one."""
        return self.exit == other.exit and (self.ts is None or other.ts is None or self.ts == other.ts)

    @property
    def ended(self) -> float:
        """When the run ended by this stop; the time of receipt where its own can't be shown by a calendar."""
        return self.received if self.ts is None or instant(self.ts) is None else self.ts


@dataclass(frozen=True)
class Observed:
    """What the receipt of a launched process says. `exit` and `signal` are both None if it could not be started."""

    started: float | None
    ended: float
    exit: int | None
    signal: int | None
    reason: str | None = None


@dataclass(frozen=True)
class Kill:
    """lackey ended the run, or settled that it never starts."""

    cause: KillCause
    at: float
    reason: str | None = None


@dataclass(frozen=True)
class Silence:
    """Not heard from in time, or its process is gone without a receipt. Any later sign of life disproves it."""

    state: Literal["lost", "timed_out"]
    at: float
    reason: str


@dataclass(frozen=True)
class Evidence:
    """All that is known of how a run goes. `heard` is when the last sign of life was received."""

    start_ts: float | None = None
    start_received: float | None = None
    heard: float | None = None
    observed_start: float | None = None
    exit_stop: Stop | None = None
    plain_stop: Stop | None = None
    observed: Observed | None = None
    kill: Kill | None = None
    silence: Silence | None = None

    def with_start(self, ts: float | None, received: float) -> Self:
        """A start was reported; among starts the earliest counts, one without a time at its receipt."""
        return replace(
            self,
            start_ts=_earliest(self.start_ts, received if ts is None else ts),
            start_received=_earliest(self.start_received, received),
        )

    def with_stop(self, stop: Stop) -> Self:
        """An end was reported. The first stop with, and the first without, an exit code stand.

        A repetition may add the time that the one on record left out, so that both orders give the same run.
        """
        known = self._like(stop)
        if known is not None:
            stop = replace(known, ts=stop.ts if known.ts is None else known.ts)
        return replace(self, plain_stop=stop) if stop.exit is None else replace(self, exit_stop=stop)

    def contradicts(self, stop: Stop) -> bool:
        """Whether a stop of the same kind on record says something else."""
        known = self._like(stop)
        return known is not None and not known.same_as(stop)

    def _like(self, stop: Stop) -> Stop | None:
        return self.plain_stop if stop.exit is None else self.exit_stop

    def with_sign_of_life(self, received: float) -> Self:
        """Something was heard from the run."""
        return replace(self, heard=self._heard_by(received))

    def heard_from(self, received: float) -> Self:
        """Something has come from the run after all that is known: a silence noted before is disproved, whatever the
        clock says, which may have been an hour ahead then."""
        return replace(self, silence=None, heard=self._heard_by(received))

    def _heard_by(self, received: float) -> float:
        return received if self.heard is None else max(self.heard, received)

    def with_silence(self, silence: Silence) -> Self:
        """Nothing more has come by now, `silence.at`: whatever was received came before, though a clock that was ahead
        then may have said otherwise."""
        return replace(self.heard_no_later_than(silence.at), silence=silence)

    def heard_no_later_than(self, now: float) -> Self:
        """What was received by a clock that has been set back since counts as received now."""
        return replace(self, heard=_earliest(self.heard, now), start_received=_earliest(self.start_received, now))

    def to_json(self) -> dict[str, Any]:
        """As stored: what is not known is left out."""
        known = {name: value for name, value in vars(self).items() if value is not None}
        return {name: dict(vars(value)) if name in _PARTS else value for name, value in known.items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        parts = {name: kind(**stored[name]) for name, kind in _PARTS.items() if name in stored}
        return cls(**{**stored, **parts})


_PARTS: dict[str, Any] = {"exit_stop": Stop, "plain_stop": Stop, "observed": Observed, "kill": Kill, "silence": Silence}


@dataclass(frozen=True)
class Verdict:
    """What the evidence comes to. `state` is None as long as nothing shows that the run has started."""

    state: RunState | None = None
    reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    source: Source | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    marks: tuple[str, ...] = ()


def judge(evidence: Evidence, log_says: str | None = None) -> Verdict:
    """The state and outcome that the evidence comes to, and when it started and ended.

    `log_says` is the line of its log that tells why a command could not be had (`exits.last_words`); it is for the
    reason alone.
    """
    verdict = _outcome(evidence, log_says)
    stop = evidence.exit_stop or evidence.plain_stop
    ended = None
    if verdict.state is not None and verdict.state.is_final:
        seen = evidence.observed or evidence.kill or evidence.silence
        ended = stop.ended if stop else _ended(seen)
    return replace(
        verdict,
        started_at=_shown_start(evidence),
        ended_at=None if ended is None else instant(ended),
        marks=("clock",) if _odd_clock(evidence) else (),
    )


def _outcome(evidence: Evidence, log_says: str | None) -> Verdict:
    observed, stop = evidence.observed, evidence.exit_stop
    if evidence.kill:
        code = observed.exit if observed else stop.exit if stop else None
        return Verdict(
            RunState(evidence.kill.cause), evidence.kill.reason, code, observed.signal if observed else None, "observed"
        )
    if stop:
        return _by_exit(stop.exit, None, None, "reported", log_says)
    if observed:
        return _by_exit(observed.exit, observed.signal, observed.reason, "observed", log_says)
    if evidence.plain_stop:
        return _by_exit(0, None, None, "reported")
    silence = evidence.silence
    if silence and not (evidence.heard and evidence.heard > silence.at):
        return Verdict(RunState(silence.state), silence.reason, source="inferred")
    alive = evidence.heard is not None or evidence.observed_start is not None
    return Verdict(RunState.RUNNING if alive else None)


def _by_exit(
    code: int | None, signal: int | None, reason: str | None, source: Source, log_says: str | None = None
) -> Verdict:
    state = RunState.SUCCEEDED if code == 0 and signal is None else RunState.FAILED
    if reason is None and state is RunState.FAILED:
        reason = exits.reason(code, signal, log_says, is_reported=source == "reported")
    return Verdict(state, reason, code, signal, source)


def _ended(seen: Observed | Kill | Silence | None) -> float | None:
    if seen is None:
        return None
    return seen.ended if isinstance(seen, Observed) else seen.at


def _shown_start(evidence: Evidence) -> datetime | None:
    if evidence.start_ts is not None:
        fallback = evidence.start_received
        return instant(evidence.start_ts) or (None if fallback is None else instant(fallback))
    seen = evidence.observed.started if evidence.observed else None
    started = _earliest(evidence.observed_start, seen)
    return None if started is None else instant(started)


def _odd_clock(evidence: Evidence) -> bool:
    pairs = [(evidence.start_ts, evidence.start_received)]
    pairs += [(stop.ts, stop.received) for stop in (evidence.exit_stop, evidence.plain_stop) if stop]
    for ts, received in pairs:
        if ts is None or received is None:
            continue
        if instant(ts) is None or ts > received + CLOCK_TOLERANCE_SECONDS:
            return True
    stop = evidence.exit_stop or evidence.plain_stop
    return bool(stop and evidence.start_ts is not None and stop.ended < evidence.start_ts)


def _earliest(*moments: float | None) -> float | None:
    known = [moment for moment in moments if moment is not None]
    return min(known) if known else None


def instant(ts: float) -> datetime | None:
    """The moment as an aware UTC datetime; None where the calendar has no such year (RFC 3339 ends at 9999)."""
    try:
        return datetime.fromtimestamp(ts, UTC)
    except (OverflowError, ValueError, OSError):
        return None
