"""How far a run is, and when it may end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from lackey.domain.evidence import instant
from lackey.domain.run import Run, RunState

# Durations of so many past runs give the estimate; older ones tell of another version of the program.
PAST_RUNS = 20
# An estimate is past when its moment is longer ago than this, and than a part of what the run was expected to take:
# what it says itself is nearer to the truth than what others took.
_PAST_AFTER = timedelta(minutes=1)
_PAST_PART, _PAST_PART_OF_OTHERS = 0.1, 0.5


@dataclass(frozen=True)
class Progress:
    """What a run said of how far it is, at `at`. `fraction`: 0…1; `eta`: when it is done if it goes on like this."""

    fraction: float | None
    done: float | None
    total: float | None
    message: str | None
    eta: datetime | None
    at: datetime | None


@dataclass(frozen=True)
class ExpectedEnd:
    """When a run may end. `estimated`: from past durations of its application, for the run itself has not said."""

    at: datetime
    estimated: bool

    def late_by(self, started_at: datetime | None, now: datetime) -> timedelta | None:
        """How long ago a run that began then should have ended; None while that says nothing."""
        part = _PAST_PART_OF_OTHERS if self.estimated else _PAST_PART
        taken = timedelta() if started_at is None else self.at - started_at
        late = now - self.at
        return late if late > max(_PAST_AFTER, part * taken) else None


def progress_of(run: Run) -> Progress | None:
    """What the run reported, completed; None if it reported none."""
    return None if run.progress is None else _completed(run, run.progress)


def _completed(run: Run, told: dict[str, Any]) -> Progress:
    fraction, done, total = told["fraction"], told["done"], told["total"]
    if fraction is None and done is not None and total:
        fraction = min(done / total, 1.0)
    return Progress(fraction, done, total, told["message"], _eta(run, fraction, told["ts"]), instant(told["ts"]))


def _eta(run: Run, fraction: float | None, at: float) -> datetime | None:
    """When a running run is done if it goes on as it did from its start to `at`."""
    if run.state is not RunState.RUNNING or run.started_at is None or not fraction:
        return None
    elapsed = at - run.started_at.timestamp()
    return instant(at + elapsed * (1 - fraction) / fraction) if elapsed > 0 else None


def expected_end(run: Run, typical_seconds: float | None) -> ExpectedEnd | None:
    """When a running run may end: by its own progress, or else after `typical_seconds`; None if neither is known."""
    progress = progress_of(run)
    if progress is not None and progress.eta is not None:
        return ExpectedEnd(progress.eta, estimated=False)
    if run.state is not RunState.RUNNING or run.started_at is None or typical_seconds is None:
        return None
    try:
        return ExpectedEnd(run.started_at + timedelta(seconds=typical_seconds), estimated=True)
    except OverflowError:  # its clock shows the last year of the calendar
        return None


def typical(durations_seconds: list[float]) -> float | None:
    """The median; None of none."""
    return median(durations_seconds) if durations_seconds else None
