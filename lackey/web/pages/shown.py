"""What pages show of runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lackey.domain.progress import ExpectedEnd, progress_of
from lackey.domain.run import Run, RunState
from lackey.web.visits import Visit


@dataclass(frozen=True)
class ShownRun:
    """A run in a table. `duration` in seconds; `fraction` 0…1, None where it is not known.

    `late_by`: how long ago it should have ended, where that is worth a word; `heard_at`: when it last reported.
    """

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
    late_by: timedelta | None
    heard_at: datetime | None
    sweep_id: int | None
    schedule_id: int | None


def run_row(run: Run, visit: Visit, expected: ExpectedEnd | None = None) -> ShownRun:
    """The row of a run, and when it may end."""
    progress = progress_of(run)
    return ShownRun(
        id=run.id,
        name=run.name,
        application_id=run.application_id,
        state=run.state,
        reason=visit.turns.reason_of(run),
        by=run.by,
        host=run.host,
        scheduled_at=run.scheduled_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        duration=run.duration_seconds,
        fraction=progress.fraction if progress else None,
        message=progress.message if progress else None,
        expected=expected,
        late_by=expected.late_by(run.started_at, visit.now) if expected else None,
        heard_at=run.heard_at,
        sweep_id=run.sweep_id,
        schedule_id=run.schedule_id,
    )
