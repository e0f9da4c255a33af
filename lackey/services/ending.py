"""Cancelling runs, and doing them again."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from lackey.domain.evidence import Kill
from lackey.domain.refusals import AlreadyFinal, Conflict, NotFound
from lackey.domain.run import Event, Run, RunState
from lackey.services import listing, newcomers
from lackey.services.listing import Order
from lackey.services.once import Once, answered, remember
from lackey.services.reading import Search
from lackey.services.settling import evidence_of, settle
from lackey.store import events, notices, runs
from lackey.store.database import Database

# So many are cancelled in one transaction.
_PIECE = 25


def cancel(database: Database, run_id: int, by: str, now: datetime) -> Run:
    """End a run that nobody has claimed; ask the scheduler to end one that has a process. Asking again is harmless.

    Raises NotFound; AlreadyFinal for a run that has ended otherwise and left no process.
    """
    return database.write(lambda connection: _cancel(connection, run_id, by, now))


def _cancel(connection: Connection, run_id: int, by: str, now: datetime) -> Run:
    run = runs.get(connection, run_id)
    if run.ticket_open:
        return _request(connection, run, by, now)
    if run.state.is_final:
        if run.cancel_requested_at is not None:
            return run
        raise AlreadyFinal(f"run {run_id} has ended already: {run.state}")
    notices.send(connection)
    evidence = replace(evidence_of(run), kill=Kill("cancelled", now.timestamp()))
    return settle(connection, run, evidence, by, now, values={"cancel_requested_at": now})


def cancel_all(
    database: Database, search: Search, by: str, now: datetime, may_go_on: Callable[[], bool]
) -> tuple[int, bool]:
    """Cancel all that are searched for, the newest first, while `may_go_on`: how many, and whether these are all.

    In small transactions, so that whoever else writes is not kept waiting. Raises Invalid as `listing.page` does.
    """
    count, cursor = 0, None
    while True:
        page = listing.page(database, search, cursor, _PIECE, Order.ID, counted=False)
        ids = [run.id for run in page.runs if run.cancel_requested_at is None]
        count += database.write(partial(_cancel_each, ids=ids, by=by, now=now)) if ids else 0
        if page.next is None:
            return count, True
        if not may_go_on():
            return count, False
        cursor = page.next


def _cancel_each(connection: Connection, ids: list[int], by: str, now: datetime) -> int:
    count = 0
    for run_id in ids:
        # It may have ended, or been removed, since it was found.
        with suppress(AlreadyFinal, NotFound):
            _cancel(connection, run_id, by, now)
            count += 1
    return count


def _request(connection: Connection, run: Run, by: str, now: datetime) -> Run:
    if run.cancel_requested_at is not None:
        return run
    notices.send(connection)
    events.add(connection, Event(run.id, now, "cancel", by, "asked to cancel it"))
    return runs.change(connection, run, {"cancel_requested_at": now})


def rerun(database: Database, run_id: int, by: str, now: datetime, once: Once | None = None) -> tuple[Run, str]:
    """A new run with the same inputs, to start now, and its token. Raises NotFound, Conflict, TooMany."""

    def work(connection: Connection) -> tuple[Run, str]:
        known = answered(connection, once, now, runs.get)
        if known is not None:
            return runs.get(connection, known), newcomers.another_token(connection, known)
        newcomers.refuse_too_many(connection, by)
        again, token = newcomers.again(connection, runs.get(connection, run_id), "rerun", by, now)
        remember(connection, once, again.id, now)
        if again.launched:
            notices.send(connection)
        return again, token

    return database.write(work)


def put_back(database: Database, run_id: int, by: str, now: datetime) -> tuple[Run, str]:
    """A new run in the place of one that was cancelled before it began: at its time, with its priority, after the same.

    Raises NotFound; Conflict for a run that has begun, or was not cancelled; TooMany.
    """

    def work(connection: Connection) -> tuple[Run, str]:
        run = runs.get(connection, run_id)
        if run.state is not RunState.CANCELLED or run.started_at is not None:
            raise Conflict(f"run {run_id} was not cancelled before it began; run it again instead")
        newcomers.refuse_too_many(connection, by)
        again, token = newcomers.again(connection, run, "rerun", by, now, run.scheduled_at, run.after)
        if again.launched:
            notices.send(connection)
        return again, token

    return database.write(work)
