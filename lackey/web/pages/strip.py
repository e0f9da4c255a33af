"""The last runs of an application as bars: how long each took, and how it ended."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lackey.domain.run import Run, RunState

HEIGHT = 56
_MARK_HEIGHT = 12
_LEAST = 2.0
# Bars are cut at so many times the typical duration, and marked.
_CUT = 4
_CUT_MARK = "↑"
# What stands above a bar; success is the plain bar.
_MARKS = {
    RunState.SCHEDULED: "○",
    RunState.QUEUED: "‖",
    RunState.RUNNING: "▸",
    RunState.FAILED: "×",
    RunState.TIMED_OUT: "⧗",
    RunState.CANCELLED: "–",
    RunState.LOST: "?",
}


@dataclass(frozen=True)
class StripBar:
    """A run's bar: `left` and `width` in per cent of the strip, `top` and `height` in pixels.

    `seconds` is how long it took, or has taken; None if that is not known.
    """

    run_id: int
    state: RunState
    seconds: float | None
    left: float
    width: float
    top: float
    height: float
    mark: str

    @property
    def middle(self) -> float:
        """Where its mark stands, in per cent."""
        return self.left + self.width / 2


@dataclass(frozen=True)
class Strip:
    """Bars, the oldest first; `median` is the height at which the line of the typical duration lies, in pixels."""

    bars: list[StripBar]
    counts: list[tuple[RunState, int]]
    typical_seconds: float | None
    median: float | None


def strip_of(latest: Sequence[Run], typical_seconds: float | None, now: datetime) -> Strip:
    """The strip of these runs, which come newest first. A running one is as long as it has run by `now`."""
    seconds = [_seconds(run, now) for run in latest[::-1]]
    longest = max([*(each for each in seconds if each is not None), typical_seconds or 0.0])
    # One that took a week would make the others look alike.
    highest = min(longest, _CUT * typical_seconds) if typical_seconds else longest
    step = 100 / max(len(latest), 10)
    bars = [
        _bar(run, taken, number * step, step, highest)
        for number, (run, taken) in enumerate(zip(latest[::-1], seconds, strict=True))
    ]
    median = None if typical_seconds is None else HEIGHT - _height(typical_seconds, highest)
    counts = Counter(run.state for run in latest)
    return Strip(bars, [(state, counts[state]) for state in RunState if counts[state]], typical_seconds, median)


def _bar(run: Run, seconds: float | None, left: float, step: float, highest: float) -> StripBar:
    height = _height(seconds or 0.0, highest)
    mark = _MARKS.get(run.state, "") + (_CUT_MARK if (seconds or 0.0) > highest else "")
    return StripBar(run.id, run.state, seconds, left, step * 0.8, HEIGHT - height, height, mark)


def _height(seconds: float, highest: float) -> float:
    return max(_LEAST, (HEIGHT - _MARK_HEIGHT) * min(seconds / highest, 1.0)) if highest else _LEAST


def _seconds(run: Run, now: datetime) -> float | None:
    if run.state is RunState.RUNNING and run.started_at is not None:
        return max(0.0, (now - run.started_at).total_seconds())
    return run.duration_seconds
