"""What pages show of runs."""

from dataclasses import dataclass
from datetime import datetime

from lackey.domain.progress import ExpectedEnd, progress_of
from lackey.domain.run import Run, RunState


@dataclass(frozen=True)
class RunRow:
    """A run in a table. `duration` in seconds; `fraction` 0…1, None where it is not known."""

    id: int
    name: str
    application_id: int | None
    state: RunState
    reason: str | None
    by: str
    host: str | None
    scheduled_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration: float | None
    fraction: float | None
    message: str | None
    expected: ExpectedEnd | None


def run_row(run: Run, expected: ExpectedEnd | None = None) -> RunRow:
    """The row of a run, and when it may end."""
    progress = progress_of(run)
    return RunRow(
        id=run.id,
        name=run.name,
        application_id=run.application_id,
        state=run.state,
        reason=run.reason,
        by=run.by,
        host=run.host,
        scheduled_at=run.scheduled_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        duration=run.duration_seconds,
        fraction=progress.fraction if progress else None,
        message=progress.message if progress else None,
        expected=expected,
    )
