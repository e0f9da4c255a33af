"""Runs, and schedulers, that have not been heard from for too long."""

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from lackey.domain.evidence import Evidence, Silence
from lackey.domain.run import Run, RunState, scheduler_of
from lackey.services.dispatch import hearing
from lackey.services.dispatch.hearing import ALWAYS, SET_BACK, Gaps
from lackey.services.dispatch.launching import PROCESS_GONE
from lackey.services.runs.settling import evidence_of, settle
from lackey.store import attempts, queue, runs, service
from lackey.store.database import Database

# A scheduler that has not been heard from for this long is down, or cut off from the database.
SCHEDULER_IS_SILENT = timedelta(seconds=120)
# For how long a word keeps a run going whose process is gone.
_LATE_WORD_SECONDS = 120.0


def note_silent_schedulers(database: Database, now: datetime, me: str = "") -> None:
    """Settle as lost what was launched by schedulers that have gone silent: a host may be gone for good.

    Never are such runs queued anew: they may well be running. When their scheduler is back, it finds them again.
    `me`: the scheduler that asks, which is there.
    """
    with database.read() as connection:
        theirs = attempts.of_others(connection, scheduler_of(me))
        if not theirs:
            return
        # The latest first, and of one that had another name before, the latest counts.
        beats = {scheduler_of(one.name): one.beat_at for one in reversed(service.heartbeats(connection))}
        others = [(one, beats.get(one.scheduler) or one.claimed_at) for one in theirs]
        gaps = hearing.known(connection, min(heard for _, heard in others))
    for one, heard in others:
        if gaps.heard(heard.timestamp(), now.timestamp()) > SCHEDULER_IS_SILENT.total_seconds():
            reason = f"silent: the scheduler on {one.host} has not been heard from since {heard:%F %T} UTC"
            _lose(database, one.run_id, reason, now)


def _lose(database: Database, run_id: int, reason: str, now: datetime) -> None:
    def work(connection: Connection) -> None:
        run = runs.get(connection, run_id)
        if run.ticket_open and not run.state.is_final:
            silence = Silence("lost", now.timestamp(), reason)
            settle(connection, run, evidence_of(run).with_silence(silence), "lackey", now)

    database.write(work)


def note_silence(database: Database, now: datetime) -> None:
    """Settle the runs that lackey has no process of and that were silent for too long. All counts from receipt."""
    with database.read() as connection:
        followed = queue.followed_by_reports(connection, now)
        seem_silent = [run for run in followed if silence_of(run, now, ALWAYS)]
        gaps = ALWAYS
        if seem_silent:
            gaps = hearing.known_to_reports(connection, min(run.created_at for run in seem_silent), now)
    for run in followed:
        if run.heard_at is not None and run.heard_at - now > SET_BACK:
            database.write(partial(_hear_no_later, run_id=run.id, now=now))
    for run in seem_silent:
        if silence_of(run, now, gaps):
            database.write(partial(_note, run_id=run.id, now=now, gaps=gaps))


def _hear_no_later(connection: Connection, run_id: int, now: datetime) -> None:
    run = runs.get(connection, run_id)
    settle(connection, run, evidence_of(run).heard_no_later_than(now.timestamp()), "lackey", now)


def _note(connection: Connection, run_id: int, now: datetime, gaps: Gaps) -> None:
    run = runs.get(connection, run_id)
    silence = silence_of(run, now, gaps)
    if silence is not None and not run.ticket_open:
        settle(connection, run, evidence_of(run).with_silence(silence), "lackey", now)


def silence_of(run: Run, now: datetime, gaps: Gaps) -> Silence | None:
    """What the run's silence means at `now`; None: nothing yet."""
    moment, evidence = now.timestamp(), evidence_of(run)
    if run.state is RunState.SCHEDULED:
        # Nobody starts it before those that it waits for have ended, since `queued_at`.
        expected = not run.launched and run.start_grace is not None and not run.unmet
        since = max(run.scheduled_at, run.queued_at or run.scheduled_at)
        if expected and gaps.heard(since.timestamp(), moment) >= (run.start_grace or 0):
            return Silence("lost", moment, f"silent: no start was reported within {run.start_grace:g} s of its time")
    elif run.state is RunState.RUNNING and run.ticket is not None:
        # Its process is gone, and yet a word has come, perhaps late. It is believed, but not for ever.
        patience = min(run.silence or _LATE_WORD_SECONDS, _LATE_WORD_SECONDS)
        if evidence.heard is None or gaps.heard(evidence.heard, moment) >= patience:
            return Silence("lost", moment, PROCESS_GONE)
    elif run.state is RunState.RUNNING and evidence.heard is not None:
        if run.time_limit is not None and _is_over(evidence, evidence.heard, moment, run.time_limit, gaps):
            return Silence("timed_out", moment, f"silent past its time limit of {run.time_limit:g} s")
        if run.silence is not None and gaps.heard(evidence.heard, moment) >= run.silence:
            return Silence("lost", moment, f"silent: not heard from for {run.silence:g} s")
    return None


def _is_over(evidence: Evidence, heard: float, now: float, time_limit: float, gaps: Gaps) -> bool:
    """Whether a reported run's time is up. lackey can't end it, so each word past the limit gives it as long again."""
    start = heard if evidence.start_received is None else evidence.start_received
    since = start if gaps.heard(start, heard) <= time_limit else heard
    return gaps.heard(since, now) >= time_limit
