"""What the scheduler does to runs: claim, note their start and end. The launch protocol is in `executors`.

A *ticket* is a random name for one attempt to launch one run. Run ids can come again (a new database over an old share,
a restored backup), tickets can't. Claiming a run draws its ticket; everything after goes by the ticket. It ends in the
*series* of the scheduler that draws it, for only who has the marks of a series can say what has come of its tickets.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from lackey.domain.evidence import Kill, Observed, Silence
from lackey.domain.policy import choose
from lackey.domain.run import Event, Run, RunState
from lackey.services.newcomers import new_token
from lackey.services.settling import evidence_of, settle
from lackey.store import events, executors, queue, runs
from lackey.store.database import Changed, Database

_BATCH = 200


@dataclass(frozen=True)
class Claim:
    """A run that is to be launched now under `ticket`; `token` is the launched process's own."""

    run: Run
    ticket: str
    token: str


@dataclass(frozen=True)
class Begun:
    """A ticket whose command runs, since `at` (unix seconds); `handle` is what to look for on its host."""

    ticket: str
    handle: str
    run_directory: str
    at: float


@dataclass(frozen=True)
class Ending:
    """What came of a ticket, from its receipt."""

    ticket: str
    run_uid: str
    observed: Observed
    killed: str | None = None
    max_rss_bytes: int | None = None
    cpu_seconds: float | None = None
    run_directory: str | None = None
    left_behind: int = 0


def claim(
    database: Database,
    host: str,
    slots: int,
    away: Mapping[str, str],
    not_yet: Collection[int],
    now: datetime,
    series: str = "",
    leads: Callable[[Connection], bool] = lambda _: True,
) -> list[Claim]:
    """Claim for this host what may start now, under tickets of this series, and note of the others why they wait.

    `away`: shares that can't be reached → the reason; a process on such a share holds no slot meanwhile.
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
        return _claim(writing, host, slots, away, not_yet, now, series)

    return database.write(work)


def _claim(
    connection: Connection,
    host: str,
    slots: int,
    away: Mapping[str, str],
    not_yet: Collection[int],
    now: datetime,
    series: str,
) -> list[Claim]:
    places = queue.places_taken(connection, "local")
    running = Counter(application_id for application_id, _, _ in places)
    taken = sum(1 for _, share, on in places if on == host and share not in away)
    claims: list[Claim] = []
    passed = 0
    while page := queue.candidates(connection, "local", passed, _BATCH):
        choice = choose(
            [one for one, _ in page if one.run_id not in not_yet], slots, taken + len(claims), running, away
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
    ticket = secrets.token_hex(16) + series
    values = {"ticket": ticket, "ticket_open": True, "host": host, "claimed_at": now, "reason": _starting(host)}
    claimed = runs.change(connection, run, values)
    events.add(connection, Event(run.id, now, "claimed", _scheduler(host), f"claimed; {_starting(host)}"))
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


def started(database: Database, begun: list[Begun], now: datetime) -> None:
    """Their commands run."""

    def work(connection: Connection) -> None:
        for one in begun:
            run = runs.with_open_ticket(connection, one.ticket)
            if run is not None:
                evidence = replace(evidence_of(run), observed_start=one.at).with_sign_of_life(now.timestamp())
                values = {"handle": one.handle, "run_directory": one.run_directory}
                settle(connection, run, evidence, _scheduler(run.host), now, values=values)

    database.write(work)


def ended(database: Database, endings: list[Ending], now: datetime) -> None:
    """Record what came of these tickets. Those recorded already, and those of other databases, change nothing."""

    def work(connection: Connection) -> None:
        for ending in endings:
            run = runs.with_open_ticket(connection, ending.ticket)
            if run is not None and run.uid == ending.run_uid:
                _end(connection, run, ending, now)

    database.write(work)


def _end(connection: Connection, run: Run, ending: Ending, now: datetime) -> None:
    evidence = replace(evidence_of(run), observed=ending.observed)
    if ending.killed and evidence.kill is None:
        cause: Any = ending.killed
        reason = "ended at its time limit" if cause == "timed_out" else None
        evidence = replace(evidence, kill=Kill(cause, ending.observed.ended, reason))
    values = {
        "ticket_open": False,
        "max_rss_bytes": ending.max_rss_bytes,
        "cpu_seconds": ending.cpu_seconds,
        "run_directory": ending.run_directory or run.run_directory,
        "log_kept": ending.run_directory is None,
    }
    by = _scheduler(run.host)
    seen = {"exit": ending.observed.exit, "signal": ending.observed.signal, "killed": ending.killed}
    details = {name: value for name, value in seen.items() if value is not None}
    event = Event(run.id, now, "ended", by, "its process has ended", details)
    settle(connection, run, evidence, by, now, event, values)
    if ending.left_behind:
        text = f"{ending.left_behind} processes that its command left behind were ended"
        events.add(connection, Event(run.id, now, "left-behind", by, text))


def gone(database: Database, ticket: str, killed: str | None, now: datetime) -> None:
    """Its processes are gone and left no receipt. `killed`: lackey had ended them itself, for this cause."""

    def work(connection: Connection) -> None:
        run = runs.with_open_ticket(connection, ticket)
        if run is None:
            return
        evidence = evidence_of(run)
        if killed:
            cause: Any = killed
            evidence = replace(evidence, kill=evidence.kill or Kill(cause, now.timestamp()))
        else:
            evidence = replace(
                evidence, silence=Silence("lost", now.timestamp(), "its process is gone and left no outcome")
            )
        values = {"ticket_open": False, "log_kept": run.run_directory is None}
        settle(connection, run, evidence, _scheduler(run.host), now, values=values)

    database.write(work)


def give_back(database: Database, ticket: str, reason: str, now: datetime) -> None:
    """This ticket is void: nothing runs under it, nor ever will. The run is queued anew, or cancelled where asked."""

    def work(connection: Connection) -> None:
        run = runs.with_open_ticket(connection, ticket)
        if run is None:
            return
        by = _scheduler(run.host)
        values: dict[str, Any] = {"ticket": None, "ticket_open": False, "claimed_at": None, "host": None}
        if run.state is RunState.QUEUED:
            values["reason"] = reason
        if run.cancel_requested_at is not None:
            evidence = replace(evidence_of(run), kill=Kill("cancelled", now.timestamp()))
            settle(connection, run, evidence, by, now, values={**values, "reason": None})
        else:
            runs.change(connection, run, values)
            events.add(connection, Event(run.id, now, "given-back", by, f"not started: {reason}"))

    database.write(work)


def adopt(database: Database, ticket: str, earlier: str, now: datetime) -> None:
    """The run was launched before under the ticket `earlier`, which this database, being older, does not know."""

    def work(connection: Connection) -> None:
        run = runs.with_open_ticket(connection, ticket)
        if run is not None:
            runs.change(connection, run, {"ticket": earlier})
            text = "ran already; this database is older. Its earlier launch is taken up again"
            events.add(connection, Event(run.id, now, "adopted", _scheduler(run.host), text))

    database.write(work)


def _scheduler(host: str | None) -> str:
    return f"scheduler on {host}" if host else "scheduler"
