"""Runs whose time has come are queued, if they wait for no other. What waits for others is told (`dependents`)."""

from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from lackey.domain.refusals import Unavailable
from lackey.domain.run import Event, Garbled, RunState
from lackey.services.dispatch import troubles
from lackey.services.runs import dependents
from lackey.services.runs.creation import make_edges
from lackey.store import dependencies, events, idle, queue, runs
from lackey.store.database import Database

# So many are queued in one transaction, and so many transactions are there in one tick.
_BATCH = 50
_BATCHES_PER_TICK = 4


def next_task(database: Database, now: datetime) -> datetime | None:
    """When there is something for a scheduler to do: `now`, if there is by now; None: never, as far as is known."""
    with database.read() as connection:
        return idle.next_task(connection, now)


def queue_due(database: Database, now: datetime) -> datetime | None:
    """Queue launched runs whose time has come and which wait for no other; when there is more to do.

    Those that are told of the end of another one, and could not be told at once, are told before.
    """
    more = dependents.tell_more(database, now)
    after = None
    for _ in range(_BATCHES_PER_TICK):
        with database.read() as connection:
            ready = queue.due(connection, now, _BATCH, after)
        if ready:
            _queue_all(database, [one.run_id for one in ready], now)
        if len(ready) < _BATCH:
            break
        # Not from the beginning: some may be faulty, and are there still.
        after = (ready[-1].scheduled_at, ready[-1].run_id)
    else:
        more = True
    with database.read() as connection:
        return now if more else queue.next_due(connection, now)


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
    except Garbled as error:
        if len(run_ids) == 1:
            troubles.note(database, run_ids[0], str(error), now)
            return
        _queue_each(database, run_ids, now)
    except Exception as error:
        if len(run_ids) == 1:
            troubles.note(database, run_ids[0], f"it can't be queued: {type(error).__name__}: {error}", now)
            return
        _queue_each(database, run_ids, now)


def _queue_each(database: Database, run_ids: list[int], now: datetime) -> None:
    for run_id in run_ids:
        _queue_all(database, [run_id], now)


def _queue(connection: Connection, run_ids: list[int], now: datetime) -> None:
    for run in (runs.get(connection, run_id) for run_id in run_ids):
        if run.state is not RunState.SCHEDULED or run.scheduled_at > now or run.unmet:
            continue
        known = run
        if run.after and not dependencies.has_edges(connection, run.id):
            known = make_edges(connection, run, now)
        if known.state.is_final:
            dependents.tell(connection, known.id, now, _BATCH)
        elif not known.unmet:
            dependents.release(connection, known, now)
