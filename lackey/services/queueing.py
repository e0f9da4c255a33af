"""Runs whose time has come are queued, once those that they wait for have succeeded."""

from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from lackey.domain.evidence import Kill
from lackey.domain.refusals import Unavailable
from lackey.domain.run import Event, Garbled, Run, RunState
from lackey.services import troubles
from lackey.services.settling import evidence_of, in_vain, move, settle
from lackey.store import events, queue, runs
from lackey.store.database import Database

_BATCH = 200
_NOT_YET = "not yet"


def queue_due(database: Database, now: datetime) -> datetime | None:
    """Queue the launched runs whose time has come and whose predecessors succeeded; when the next one is due."""
    with database.read() as connection:
        ready, garbled = _ready(connection, now)
        next_due = queue.next_due(connection, now)
    for one in garbled:
        troubles.note(database, one.run_id, str(one), now)
    for first in range(0, len(ready), _BATCH):
        _queue_all(database, ready[first : first + _BATCH], now)
    return next_due


def put_right(database: Database, now: datetime) -> None:
    """Let runs be due that were to start at once, and were made while the clock was ahead: it has been set back.

    Else they would wait until the clock shows that time once more. Who named a time gets that time.
    """
    with database.read() as connection:
        ahead, _ = queue.made_ahead(connection, now)
    for run in ahead:
        database.write(partial(_put_right, run_id=run.id, now=now))


def _put_right(connection: Connection, run_id: int, now: datetime) -> None:
    run = runs.get(connection, run_id)
    if run.state is RunState.SCHEDULED and run.scheduled_at > now:
        runs.change(connection, run, {"scheduled_at": now})
        words = "it was made while the clock was ahead, and is due now"
        events.add(connection, Event(run.id, now, "changed", "lackey", words))


def _queue_all(database: Database, run_ids: list[int], now: datetime) -> None:
    """In one transaction, or each in its own, so that a faulty one stops no other."""
    try:
        database.write(partial(_queue, run_ids=run_ids, now=now))
    except Unavailable:
        raise
    except Exception as error:
        if len(run_ids) == 1:
            troubles.note(database, run_ids[0], f"it can't be queued: {type(error).__name__}: {error}", now)
            return
        for run_id in run_ids:
            _queue_all(database, [run_id], now)


def _ready(connection: Connection, now: datetime) -> tuple[list[int], list[Garbled]]:
    """The due runs whose predecessors have all succeeded, or one of which has not; and those that can't be read."""
    ready: list[int] = []
    unread: list[Garbled] = []
    passed = 0
    while True:
        page, garbled = queue.due(connection, now, passed, _BATCH)
        if not page and not garbled:
            return ready, unread
        ready += [run.id for run in page if _waited_for(connection, run) is not _NOT_YET]
        unread += garbled
        passed += len(page) + len(garbled)


def _waited_for(connection: Connection, run: Run) -> str | None:
    """What a due run's predecessors have come to: `_NOT_YET`, None if all succeeded, else why it can't start."""
    states = runs.states_of(connection, run.after) if run.after else {}
    ended = {run_id for run_id, state in states.items() if state.is_final and state is not RunState.SUCCEEDED}
    # A silent one may be at work.
    failed = sorted(ended - runs.silent_among(connection, ended)) if ended else []
    if failed:
        return f"{in_vain(failed[0])}{states[failed[0]]}"
    return None if all(state is RunState.SUCCEEDED for state in states.values()) else _NOT_YET


def _queue(connection: Connection, run_ids: list[int], now: datetime) -> None:
    for run in (runs.get(connection, run_id) for run_id in run_ids):
        problem = _waited_for(connection, run)
        if run.state is not RunState.SCHEDULED or run.scheduled_at > now or problem is _NOT_YET:
            continue
        if problem is None:
            move(connection, run, RunState.QUEUED, "lackey", now, {"reason": None, "queued_at": now})
        else:
            evidence = replace(evidence_of(run), kill=Kill("cancelled", now.timestamp(), problem))
            settle(connection, run, evidence, "lackey", now)
