"""What pages show of runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lackey.domain.progress import ExpectedEnd, progress_of
from lackey.domain.run import Run, RunState


@dataclass(frozen=True)
class RunRow:
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


NO_SCHEDULER = "waits for a scheduler: none has been heard from lately"


def reason_of(run: Run, is_served: bool) -> str | None:
    """Why it is as it is; `is_served`: a scheduler is at work. Without one, none of the reasons to wait is the one."""
    return NO_SCHEDULER if run.state is RunState.QUEUED and run.waits and not run.held and not is_served else run.reason


def run_row(run: Run, now: datetime, expected: ExpectedEnd | None = None, is_served: bool = True) -> RunRow:
    """The row of a run, and when it may end."""
    progress = progress_of(run)
    return RunRow(
        id=run.id,
        name=run.name,
        application_id=run.application_id,
        state=run.state,
        reason=reason_of(run, is_served),
        by=run.by,
        host=run.host,
        scheduled_at=run.scheduled_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        duration=run.duration_seconds,
        fraction=progress.fraction if progress else None,
        message=progress.message if progress else None,
        expected=expected,
        late_by=expected.late_by(run.started_at, now) if expected else None,
        heard_at=run.heard_at,
    )
