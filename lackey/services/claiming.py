"""Which queued runs start now, and under which ticket; of the others, why they wait. See `launching` for tickets."""

from collections import ChainMap, Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, cast

from sqlalchemy import Connection

from lackey.domain.policy import choose
from lackey.domain.run import Event, Run, RunState, scheduler_of
from lackey.services.launching import scheduler_on
from lackey.services.newcomers import new_token
from lackey.services.outcomes import WAITS_FOR_SLOT
from lackey.store import events, executors, queue, runs
from lackey.store.database import Changed, Database

_BATCH = 200


@dataclass(frozen=True)
class Claim:
    """A run that is to be launched now under `ticket`; `token` is the launched process's own."""

    run: Run
    ticket: str
    token: str


def claim(
    database: Database,
    host: str,
    slots: int,
    away: Mapping[str, str],
    not_yet: Collection[int],
    now: datetime,
    series: str = "",
    leads: Callable[[Connection], bool] = lambda _: True,
    held: Mapping[str, str] | None = None,
) -> list[Claim]:
    """Claim for this host what may start now, under tickets of this series, and note of the others why they wait.

    Raises Garbled for a run that has to be passed over; nothing has been claimed then.

    `away`: shares that can't be reached → the reason; a process on such a share holds no slot meanwhile.
    `held`: shares on which nothing is to be started, and which are none the less at work → the reason.
    `not_yet`: runs to pass over for now. `leads`: asked within the claim whether this host still is to claim.
    """
    with database.read() as connection:
        if not queue.candidates(connection, "local", 0, 1):
            return []

    def work(writing: Connection) -> list[Claim]:
        queue.take_turns(writing)
        if not leads(writing):
            return []
        if paused := executors.paused(writing).get("local"):
            queue.let_all_wait(writing, "local", paused.why)
            return []
        return _claim(writing, host, slots, away, held or {}, not_yet, now, series)

    return database.write(work)


def waiting_by_share(database: Database) -> dict[str, int]:
    """How many launched runs wait, by the name of their share, be it configured or not."""
    with database.read() as connection:
        return queue.count_waiting_by_share(connection)


def let_all_wait(database: Database, why: str | None, before: str | None) -> None:
    """Nothing is launched now, so say why to all that wait; `why` None: no more, `before` was why."""

    def work(connection: Connection) -> None:
        if why is not None:
            queue.let_all_wait(connection, "local", why)
        elif before is not None:
            queue.let_all_wait(connection, "local", WAITS_FOR_SLOT, instead_of=before)

    database.write(work)


def _claim(
    connection: Connection,
    host: str,
    slots: int,
    away: Mapping[str, str],
    held: Mapping[str, str],
    not_yet: Collection[int],
    now: datetime,
    series: str,
) -> list[Claim]:
    places = queue.places_taken(connection, "local")
    running = Counter(application_id for application_id, _, _ in places)
    taken = sum(1 for _, share, of in places if of == scheduler_of(series, host) and share not in away)
    # Not a dict of both: `away` finds more than it lists.
    waiting: Mapping[str, str] = ChainMap(cast(Any, away), dict(held))
    claims: list[Claim] = []
    passed = 0
    while page := queue.candidates(connection, "local", passed, _BATCH):
        choice = choose(
            [one for one, _ in page if one.run_id not in not_yet], slots, taken + len(claims), running, waiting
        )
        for candidate, reason in page:
            _note_reason(connection, candidate.run_id, reason, choice.waiting.get(candidate.run_id, reason))
        chosen = [
            _claim_one(connection, _still_queued(connection, run_id), host, series, now) for run_id in choice.start
        ]
        running.update(claimed.run.application_id for claimed in chosen)
        claims += chosen
        # Those just claimed are no candidates any more.
        passed += len(page) - len(chosen)
        if taken + len(claims) >= slots or len(page) < _BATCH:
            break
    return claims


def _note_reason(connection: Connection, run_id: int, known: str | None, reason: str | None) -> None:
    if reason != known:
        runs.change(connection, _still_queued(connection, run_id), {"reason": reason})


def _still_queued(connection: Connection, run_id: int) -> Run:
    """A candidate as it is now. Raises Changed if it is none any more: meanwhile it may have been cancelled."""
    run = runs.get(connection, run_id)
    if run.state is not RunState.QUEUED or run.ticket is not None or run.held or run.cancel_requested_at is not None:
        raise Changed
    return run


def _claim_one(connection: Connection, run: Run, host: str, series: str, now: datetime) -> Claim:
    attempts = run.attempts + 1
    ticket = f"{run.uid}n{attempts}{series}"
    values = {"ticket": ticket, "ticket_open": True, "host": host, "claimed_at": now, "reason": _starting(host)}
    values["attempts"] = attempts
    claimed = runs.change(connection, run, values)
    events.add(connection, Event(run.id, now, "claimed", scheduler_on(host), f"claimed; {_starting(host)}"))
    return Claim(claimed, ticket, new_token(connection, run.id))


def _starting(host: str | None) -> str:
    return f"starting on {host}"


def note_held_up(database: Database, launched: list[Run], away: Mapping[str, str]) -> None:
    """Say of each of the launched that has not started whether its share, one of `away`, holds it up, and why."""
    for run in launched:
        reason = away.get(run.share or "", _starting(run.host))
        if run.state is RunState.QUEUED and run.reason != reason:
            database.write(partial(_hold_up, ticket=run.ticket or "", reason=reason))


def _hold_up(connection: Connection, ticket: str, reason: str) -> None:
    run = runs.with_open_ticket(connection, ticket)
    if run is not None and run.state is RunState.QUEUED:
        runs.change(connection, run, {"reason": reason})
