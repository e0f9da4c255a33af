"""Restart policy: growing pauses between attempts to start what has to run all the time.

Soon at first, so that a moment's trouble is over in a moment; then after longer pauses, so that trouble which lasts
costs little. What is wrong is told once, not each time.
"""

import time

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 10.0
# What was at work for so long was not started in vain.
STEADY_SECONDS = 30.0


class Restarts:
    """The tries of one thing."""

    def __init__(self) -> None:
        """It has not been started yet, and may be at once."""
        self._began_at = self._due_at = time.monotonic()
        self._pause = 0.0
        self._told: str | None = None

    def began(self) -> None:
        """It is being started now."""
        self._began_at = time.monotonic()

    def failed(self, why: str) -> bool:
        """It has ended, or could not be started, for `why`; whether that is news, which has to be told."""
        self.recovered()
        news, self._told = why != self._told, why
        self._pause = min(2 * self._pause or _FIRST_SECONDS, _LONGEST_SECONDS)
        self._due_at = time.monotonic() + self._pause
        return news

    def recovered(self) -> bool:
        """Whether it has been at work for long enough by now, after a failure; true once."""
        if self._told is None or time.monotonic() - self._began_at < STEADY_SECONDS:
            return False
        self._pause, self._told = 0.0, None
        return True

    @property
    def wait_seconds(self) -> float:
        """How long to wait before it is started again."""
        return max(0.0, self._due_at - time.monotonic())
