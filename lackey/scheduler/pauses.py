"""What could not be launched is passed over for a while: for longer each time, as long as the trouble lasts.

A run by itself, or a share with all its runs.
"""

import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

FIRST_SECONDS = 2.0
_LONGEST_SECONDS = 30.0


@dataclass(frozen=True)
class _Pause:
    """How long a run is passed over, and until when (monotonic seconds)."""

    seconds: float
    until: float


class Pauses(Generic[T]):
    """The runs that are passed over, by their ids, or the shares, by their names."""

    def __init__(self) -> None:
        """None yet."""
        self._pauses: dict[T, _Pause] = {}

    def begin(self, one: T) -> None:
        """Pass it over: after a pause that is hardly over, for twice as long."""
        known = self._pauses.get(one)
        seconds = FIRST_SECONDS if known is None else min(2 * known.seconds, _LONGEST_SECONDS)
        self._pauses[one] = _Pause(seconds, time.monotonic() + seconds)

    def still(self) -> set[T]:
        """What to pass over now. A pause that has been over for long is forgotten."""
        now = time.monotonic()
        self._pauses = {one: each for one, each in self._pauses.items() if each.until + _LONGEST_SECONDS > now}
        return {one for one, each in self._pauses.items() if each.until > now}
