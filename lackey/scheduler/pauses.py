"""Runs that could not be launched are passed over for a while: for longer each time, as long as the trouble lasts."""

import time
from dataclasses import dataclass

_FIRST_SECONDS = 2.0
_LONGEST_SECONDS = 30.0


@dataclass(frozen=True)
class _Pause:
    """How long a run is passed over, and until when (monotonic seconds)."""

    seconds: float
    until: float


class Pauses:
    """The runs that are passed over, by their ids."""

    def __init__(self) -> None:
        """None yet."""
        self._pauses: dict[int, _Pause] = {}

    def begin(self, run_id: int) -> None:
        """Pass the run over: after a pause that is hardly over, for twice as long."""
        known = self._pauses.get(run_id)
        seconds = _FIRST_SECONDS if known is None else min(2 * known.seconds, _LONGEST_SECONDS)
        self._pauses[run_id] = _Pause(seconds, time.monotonic() + seconds)

    def still(self) -> set[int]:
        """The runs to pass over now. A pause that has been over for long is forgotten."""
        now = time.monotonic()
        self._pauses = {run_id: each for run_id, each in self._pauses.items() if each.until + _LONGEST_SECONDS > now}
        return {run_id for run_id, each in self._pauses.items() if each.until > now}
