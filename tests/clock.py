"""A clock that stands still until it is told to go on."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Called, it gives the time; `forward` lets time pass."""

    def __init__(self) -> None:
        """It begins on an ordinary day."""
        self.now = datetime(2026, 3, 5, 12, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time, aware, in UTC."""
        return self.now

    @property
    def ts(self) -> float:
        """The time in unix seconds."""
        return self.now.timestamp()

    def forward(self, seconds: float) -> datetime:
        """Let `seconds` pass; the time then."""
        self.now += timedelta(seconds=seconds)
        return self.now
