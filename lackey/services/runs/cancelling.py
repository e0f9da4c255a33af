"""Runs are cancelled, or given up."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from lackey.domain.dependencies import decided
from lackey.domain.evidence import Kill
from lackey.domain.refusals import AlreadyFinal, Conflict, NotFound
from lackey.domain.run import Event, Run, scheduler_of
from lackey.services.admin.health import is_late
from lackey.services.runs import listing
from lackey.services.runs.listing import Order
from lackey.services.runs.outcomes import evidence_of, write
from lackey.services.runs.queries import Search
from lackey.services.runs.settling import TOLD_AT_ONCE, follow, settle
from lackey.store import events, notices, runs, service
from lackey.store.database import Database

# So many are cancelled in one transaction.
_PIECE = 25


def cancel(database: Database, run_id: int, by: str, now: datetime) -> Run:
    """End a run that nobody has claimed; ask the scheduler to end one that has a process. Asking again is harmless.

    Raises NotFound; AlreadyFinal for a run that has ended otherwise and left no process.
    """
    return database.write(lambda connection: cancel_one(connection, run_id, by, now))


def cancel_one(connection: Connection, run_id: int, by: str, now: datetime, told_at_once: int = TOLD_AT_ONCE) -> Run:
    """The same within a transaction that does more. `told_at_once`: of those that wait for it; the others later."""
    run = runs.get(connection, run_id)
    if run.ticket_open:
        return _request(connection, run, by, now)
    if run.state.is_final:
        if run.cancel_requested_at is not None:
            return run
        raise AlreadyFinal(f"run {run_id} has ended already: {run.state}")
    notices.send(connection)
    evidence = replace(evidence_of(run), kill=Kill("cancelled", now.timestamp()))
    cancelled = write(connection, run, evidence, by, now, values={"cancel_requested_at": now})
    follow(connection, run, cancelled, now, told_at_once)
    return cancelled


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
            # Each may have others that wait for it: these are told later, lest the transaction get long.
            cancel_one(connection, run_id, by, now, told_at_once=0)
            count += 1
    return count


def _request(connection: Connection, run: Run, by: str, now: datetime) -> Run:
    if run.cancel_requested_at is not None:
        return run
    notices.send(connection)
    events.add(connection, Event(run.id, now, "cancel", by, "asked to cancel it"))
    changed = runs.change(connection, run, {"cancel_requested_at": now})
    # It may have been about to be retried.
    follow(connection, run, changed, now)
    return changed


def give_up(database: Database, run_id: int, by: str, now: datetime) -> Run:
    """Take a silent run for gone, so that what waits for it, and its retry, need wait no longer. Again is harmless.

    Should it be heard from after all, it counts as if nobody had given it up.
    Raises NotFound; AlreadyFinal for a run that is known to have ended; Conflict for one that is at work, or waits.
    """

    def work(connection: Connection) -> Run:
        run = runs.get(connection, run_id)
        if run.given_up_at is not None:
            return run
        if not run.state.is_final:
            raise Conflict(f"run {run_id} is {run.state}; only one that is lost can be given up")
        if not run.is_silent and not _is_left_alone(connection, run, now):
            raise AlreadyFinal(f"run {run_id} is known to have ended: {run.state}")
        notices.send(connection)
        event = Event(run.id, now, "given-up", by, "given up: taken for gone")
        return settle(connection, run, evidence_of(run), by, now, event, {"given_up_at": now})

    return database.write(work)


def _is_left_alone(connection: Connection, run: Run, now: datetime) -> bool:
    """Whether it has reported its end, its process may live, and the scheduler that would know is not heard from."""
    if decided(run) is not None:
        return False
    mine = scheduler_of(run.ticket, run.host)
    beats = [one for one in service.heartbeats(connection) if scheduler_of(one.name) == mine]
    return all(is_late(one, now) for one in beats)
