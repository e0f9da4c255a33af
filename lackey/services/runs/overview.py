"""What goes on now, on one page; and an application at a glance. Nothing here changes anything.

The page is asked for again and again, mostly with nothing new on it. So each answer bears a fingerprint, which costs a
few indexed reads: as long as it is the same, so is the answer. It is read before the rest, so what is committed
meanwhile is shown early, and never missed.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from lackey.domain.application import Application
from lackey.domain.policy import Paused
from lackey.domain.progress import PAST_RUNS, ExpectedEnd, expected_end, progress_of, typical
from lackey.domain.refusals import NotFound
from lackey.domain.run import Run, RunState
from lackey.domain.schedule import Schedule
from lackey.services.admin.health import is_late
from lackey.store import applications as stored_applications
from lackey.store import executors, runs, schedules, service, share_states
from lackey.store import overview as stored
from lackey.store.database import Database

LATELY = timedelta(hours=24)
RUNNING_AT_MOST = 100
QUEUED_AT_MOST = 50
OTHERS_AT_MOST = 20
UNENDED_AT_MOST = stored.UNENDED_AT_MOST
# Of those that ended lately so many are shown that ended as they should, however many did not.
WELL_AT_LEAST = 5
STRIP = 50
EXAMPLE = "examples/heat"


@dataclass(frozen=True)
class RunningRun:
    """A run under way, and when it may end, if anything tells."""

    run: Run
    expected: ExpectedEnd | None


@dataclass(frozen=True)
class Scheduler:
    """A scheduler that has been heard from: when last, whether it is the one that claims runs, whether it is late."""

    name: str
    leads: bool
    beat_at: datetime
    late: bool


@dataclass(frozen=True)
class Now:
    """What goes on. Each list holds at most so many as the constants here say; the counts say how many there are.

    `queued` are by priority, then by age, `overdue` wait for others or for their own start report, `coming` for
    their time, `ended` did so within `LATELY`, the troubled first. `unended` counts the states that are not final,
    `overdue_count` and `coming_count` the scheduled ones, each at most one more than `UNENDED_AT_MOST`; `ended_counts`
    the final ones, of those that ended
    within `LATELY`, or if `ended_capped` of the last 10,000 of these. `ended_earlier` had ended before, as one has
    learned since: a report that came late, a clock that is wrong, an outcome put right. `paused` are the executors on
    which nothing new is launched. `schedules` are those that fire next, the first of them first.
    """

    fingerprint: str
    running: list[RunningRun]
    queued: list[Run]
    overdue: list[Run]
    coming: list[Run]
    ended: list[Run]
    ended_earlier: list[Run]
    unended: dict[RunState, int]
    overdue_count: int
    coming_count: int
    ended_counts: dict[RunState, int]
    ended_earlier_count: int
    ended_capped: bool
    schedulers: list[Scheduler]
    paused: list[Paused]
    schedules: list[Schedule]


@dataclass(frozen=True)
class Glance:
    """An application's newest runs, the newest first; its median duration in seconds over its last successes.

    `counts` holds the states of its newest 1,000 runs; `capped` says that it has more.
    """

    application: Application
    latest: list[Run]
    typical_seconds: float | None
    counts: dict[RunState, int]
    capped: bool


def fingerprint(database: Database, now: datetime) -> str:
    """Differs from an earlier one whenever `overview` may tell something else. Raises Unavailable."""
    with database.read() as connection:
        return _fingerprint(connection, now)


def overview(database: Database, now: datetime) -> Now:
    """What goes on. Raises Unavailable."""
    with database.read() as connection:
        sign = _fingerprint(connection, now)
        counts, earlier = stored.count_ended(connection, now - LATELY)
        overdue_count, coming_count = stored.count_scheduled(connection, now)
        return Now(
            fingerprint=sign,
            running=_running(connection),
            queued=stored.queued(connection, QUEUED_AT_MOST),
            overdue=stored.overdue(connection, now, OTHERS_AT_MOST),
            coming=stored.coming(connection, now, OTHERS_AT_MOST),
            ended=stored.ended(connection, now - LATELY, OTHERS_AT_MOST, WELL_AT_LEAST),
            ended_earlier=stored.ended_earlier(connection, now - LATELY, OTHERS_AT_MOST),
            unended=stored.count_unended(connection),
            overdue_count=overdue_count,
            coming_count=coming_count,
            ended_counts=counts,
            ended_earlier_count=earlier,
            ended_capped=sum(counts.values()) + earlier >= stored.ENDED_AT_MOST,
            schedulers=_schedulers(connection, now),
            paused=list(executors.paused(connection).values()),
            schedules=schedules.to_fire(connection, OTHERS_AT_MOST),
        )


@dataclass(frozen=True)
class Fresh:
    """An installation in which nothing has run yet. `example` can be run, if there is one."""

    example: Application | None


def fresh(database: Database) -> Fresh | None:
    """What a first page has to go on; None once there is a run. Raises Unavailable."""
    with database.read() as connection:
        if runs.are_there(connection):
            return None
        try:
            example = stored_applications.application(connection, EXAMPLE)
        except NotFound:
            return Fresh(None)
        return Fresh(example if example.archived_at is None else None)


def glance(database: Database, application_id: int) -> Glance:
    """An application and how it has gone lately. Raises NotFound."""
    with database.read() as connection:
        application = stored_applications.application(connection, application_id)
        counts = stored.count_of_application(connection, application_id)
        return Glance(
            application=application,
            latest=stored.latest_of_application(connection, application_id, STRIP),
            typical_seconds=_typical(connection, application_id),
            counts=counts,
            capped=sum(counts.values()) >= stored.RUNS_OF_APPLICATION_AT_MOST,
        )


def expected(database: Database, run: Run) -> ExpectedEnd | None:
    """When the run may end, if it is running and anything tells."""
    with database.read() as connection:
        return _expected(connection, run, {})


def _fingerprint(connection: Connection, now: datetime) -> str:
    # Without the time of the beat, which shows nowhere.
    beats = [
        (one.name, one.started_at, one.leads, is_late(one, now), one.capacity, one.trouble, one.kept_for)
        for one in service.heartbeats(connection)
    ]
    changes = (*stored.sign_of_change(connection, QUEUED_AT_MOST), stored.next_times(connection, now, now - LATELY))
    # How late a run is changes with time alone, and so does when a scheduler was heard from.
    minute = now.replace(second=0, microsecond=0)
    seen = (*changes, sorted(beats, key=repr), executors.paused(connection), minute)
    seen += (share_states.sign_of_change(connection), schedules.sign_of_change(connection, OTHERS_AT_MOST))
    return hashlib.blake2b(repr(seen).encode(), digest_size=16).hexdigest()


def _schedulers(connection: Connection, now: datetime) -> list[Scheduler]:
    return [Scheduler(one.name, one.leads, one.beat_at, is_late(one, now)) for one in service.heartbeats(connection)]


def _running(connection: Connection) -> list[RunningRun]:
    known: dict[int, float | None] = {}
    return [RunningRun(run, _expected(connection, run, known)) for run in stored.running(connection, RUNNING_AT_MOST)]


def _expected(connection: Connection, run: Run, known: dict[int, float | None]) -> ExpectedEnd | None:
    """`known` holds the typical durations that were looked up already, by application, and takes new ones."""
    progress = progress_of(run)
    of = run.application_id
    if run.state is not RunState.RUNNING or of is None or (progress is not None and progress.eta is not None):
        return expected_end(run, None)
    if of not in known:
        known[of] = _typical(connection, of)
    return expected_end(run, known[of])


def _typical(connection: Connection, application_id: int) -> float | None:
    return typical(stored.past_durations(connection, application_id, PAST_RUNS))
