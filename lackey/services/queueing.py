"""Runs whose time has come are queued, once those that they wait for have succeeded."""

from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from lackey.domain.evidence import Kill
from lackey.domain.run import Run, RunState
from lackey.services.newcomers import WAITS_FOR_SLOT
from lackey.services.settling import evidence_of, move, settle
from lackey.store import queue, runs
from lackey.store.database import Database

_BATCH = 200
_NOT_YET = "not yet"


def queue_due(database: Database, now: datetime) -> datetime | None:
    """Queue the launched runs whose time has come and whose predecessors succeeded; when the next one is due."""
    with database.read() as connection:
        ready = _ready(connection, now)
        next_due = queue.next_due(connection, now)
    for first in range(0, len(ready), _BATCH):
        database.write(partial(_queue, run_ids=ready[first : first + _BATCH], now=now))
    return next_due


def _ready(connection: Connection, now: datetime) -> list[int]:
    """The due runs whose predecessors have all succeeded, or one of which has not."""
    ready: list[int] = []
    passed = 0
    while page := queue.due(connection, now, passed, _BATCH):
        ready += [run.id for run in page if _waited_for(connection, run) is not _NOT_YET]
        passed += len(page)
    return ready


def _waited_for(connection: Connection, run: Run) -> str | None:
    """What a due run's predecessors have come to: `_NOT_YET`, None if all succeeded, else why it can't start."""
    states = runs.states_of(connection, run.after) if run.after else {}
    failed = [run_id for run_id, state in states.items() if state.is_final and state is not RunState.SUCCEEDED]
    if failed:
        return f"run {failed[0]}, which it waited for, is {states[failed[0]]}"
    return None if all(state is RunState.SUCCEEDED for state in states.values()) else _NOT_YET


def _queue(connection: Connection, run_ids: list[int], now: datetime) -> None:
    for run in (runs.get(connection, run_id) for run_id in run_ids):
        problem = _waited_for(connection, run)
        if run.state is not RunState.SCHEDULED or run.scheduled_at > now or problem is _NOT_YET:
            continue
        if problem is None:
            move(connection, run, RunState.QUEUED, "lackey", now, {"reason": _queued_reason(run), "queued_at": now})
        else:
            evidence = replace(evidence_of(run), kill=Kill("cancelled", now.timestamp(), problem))
            settle(connection, run, evidence, "lackey", now)


def _queued_reason(run: Run) -> str:
    return "held on request, until it is released" if run.held else WAITS_FOR_SLOT
