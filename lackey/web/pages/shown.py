"""What pages show of runs."""

from dataclasses import dataclass
from datetime import datetime

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


def run_row(run: Run) -> RunRow:
    """The row of a run."""
    told = run.progress or {}
    fraction, done, total = told.get("fraction"), told.get("done"), told.get("total")
    if fraction is None and done is not None and total:
        fraction = min(done / total, 1.0)
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
        fraction=fraction,
        message=told.get("message"),
    )
