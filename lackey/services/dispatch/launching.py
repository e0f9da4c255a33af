"""What the scheduler notes of runs it has launched: start, end. The launch protocol is in `executors`; see `claiming`.

A *ticket* names one attempt to launch one run: by the run's uid, which is random and never comes again as run ids do,
and by the number of the attempt. So when an older copy of the database is restored, a claim draws the very ticket that
ran already: its mark is taken, nothing runs, and what is found of the ticket is what came of the run. It ends in the
*series* of the scheduler that draws it: only the scheduler that owns this data directory knows what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection

from lackey.domain.attempt import CameTo
from lackey.domain.evidence import Kill, Observed, Silence, instant
from lackey.domain.receipt import Receipt
from lackey.domain.refusals import Conflict
from lackey.domain.run import Event, Run, RunState, directory_names, said_of_left_behind, scheduler_of
from lackey.services.runs.settling import evidence_of, settle
from lackey.store import attempts, events, runs, service, tokens
from lackey.store.database import Database

PROCESS_GONE = "its process is gone and left no outcome"


@dataclass(frozen=True)
class Begun:
    """A ticket whose command runs, since `at` (unix seconds); `handle` is what to look for on its host.

    `token_digest`: the SHA-256 of its token, in hexadecimal, which a database that is older does not know yet.
    """

    ticket: str
    handle: str
    run_directory: str
    at: float
    token_digest: str | None = None


@dataclass(frozen=True)
class Closing:
    """What came of a ticket, from its receipt."""

    ticket: str
    run_uid: str
    observed: Observed
    killed: str | None = None
    max_rss_bytes: int | None = None
    cpu_seconds: float | None = None
    run_directory: str | None = None
    left_behind: int = 0

    @property
    def came_to(self) -> CameTo:
        """What that makes of the attempt."""
        ran = self.observed.exit is not None or self.observed.signal is not None
        return "ended" if ran else "void"

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """As the receipt has it."""
        return cls(
            ticket=receipt.ticket,
            run_uid=receipt.run_uid,
            observed=Observed(receipt.started_at, receipt.ended_at, receipt.exit_code, receipt.signal, receipt.reason),
            killed=receipt.killed,
            max_rss_bytes=receipt.max_rss_bytes,
            cpu_seconds=receipt.cpu_seconds,
            run_directory=receipt.run_directory,
            left_behind=receipt.left_behind,
        )


def started(database: Database, begun: list[Begun], now: datetime) -> None:
    """Their commands run."""

    def work(connection: Connection) -> None:
        named = [bytes.fromhex(one.token_digest) for one in begun if one.token_digest]
        known = tokens.known(connection, named) if named else set()
        for one in begun:
            run = runs.with_open_ticket(connection, one.ticket)
            if run is not None:
                if one.token_digest and (digest := bytes.fromhex(one.token_digest)) not in known:
                    tokens.add_all(connection, {digest: run.id})
                evidence = replace(evidence_of(run), observed_start=one.at).heard_from(now.timestamp())
                values = {"handle": one.handle, "run_directory": one.run_directory}
                attempts.begin(connection, one.ticket, one.handle, one.run_directory, instant(one.at))
                settle(connection, run, evidence, scheduler_on(run.host), now, values=values)

    database.write(work)


def ended(database: Database, endings: list[Closing], now: datetime) -> None:
    """Record what came of these tickets. Those recorded already, and those of other databases, change nothing."""
    database.write(lambda connection: end(connection, endings, now))


def end(connection: Connection, endings: Sequence[Closing], now: datetime) -> None:
    """The same, within a transaction of which there is more."""
    for ending in endings:
        run = runs.with_open_ticket(connection, ending.ticket)
        if run is not None and run.uid == ending.run_uid:
            attempts.close(connection, ending.ticket, ending.came_to, now)
            _end(connection, run, ending, now)


def handed_in(database: Database, run_id: int, receipt: Receipt, now: datetime) -> Run:
    """What came of the run's launch, as its guard tells the service when its own disk won't take the receipt.

    The same again changes nothing. Whoever has the token can say so, the simulation too: a kill counts only if one was
    ordered, no directory but the run's own is believed, and the slot is held until the scheduler sees the process gone.
    Raises NotFound; Conflict for a receipt of another launch.
    """

    def work(connection: Connection) -> Run:
        run = runs.get(connection, run_id)
        if receipt.result != "ended" or (receipt.ticket, receipt.run_uid) != (run.ticket, run.uid):
            raise Conflict(f"this is no receipt of the present launch of run {run_id}")
        if not run.ticket_open or evidence_of(run).observed is not None:
            return run
        ordered = {"cancelled": run.cancel_requested_at is not None, "timed_out": run.time_limit is not None}
        ending = replace(
            Closing.of(receipt),
            killed=receipt.killed if receipt.killed and ordered[receipt.killed] else None,
            run_directory=receipt.run_directory if receipt.run_directory in _own_directories(run) else None,
        )
        return _end(connection, run, ending, now, ticket_open=True)

    return database.write(work)


def _own_directories(run: Run) -> list[str]:
    """The run directories that the run may have, relative to its share."""
    names = directory_names(run.id, run.uid)
    return ["/".join(part for part in (run.directory, "lackey-runs", name) if part) for name in names]


def _end(connection: Connection, run: Run, ending: Closing, now: datetime, ticket_open: bool = False) -> Run:
    evidence = replace(evidence_of(run), observed=ending.observed)
    if ending.killed and evidence.kill is None:
        cause: Any = ending.killed
        reason = "ended at its time limit" if cause == "timed_out" else None
        evidence = replace(evidence, kill=Kill(cause, ending.observed.ended, reason))
    directory = ending.run_directory or run.run_directory
    values = {
        "ticket_open": ticket_open,
        "max_rss_bytes": ending.max_rss_bytes,
        "cpu_seconds": ending.cpu_seconds,
        "left_behind": ending.left_behind,
        "run_directory": directory,
        "log_kept": directory is None,
    }
    by = scheduler_on(run.host)
    seen = {"exit": ending.observed.exit, "signal": ending.observed.signal, "killed": ending.killed}
    details = {name: value for name, value in seen.items() if value is not None}
    event = Event(run.id, now, "ended", by, "its process has ended", details)
    left = ending.left_behind
    settled = settle(connection, run, evidence, by, now, event, values, ["left-behind"] if left else [])
    if left:
        events.add(connection, Event(run.id, now, "left-behind", by, said_of_left_behind(left)))
    return settled


def note(database: Database, ticket: str, reason: str) -> None:
    """Say of the run why nothing is concluded yet."""

    def work(connection: Connection) -> None:
        run = runs.with_open_ticket(connection, ticket)
        if run is not None and not run.state.is_final and run.reason != reason:
            runs.change(connection, run, {"reason": reason})

    database.write(work)


def gone(database: Database, ticket: str, killed: str | None, now: datetime, left_behind: int = 0) -> None:
    """Its processes are gone and left no receipt. `killed`: lackey had ended them itself, for this cause.

    `left_behind`: how many other processes of its command lived on and were ended.
    """

    def work(connection: Connection) -> None:
        run = runs.with_open_ticket(connection, ticket)
        if run is None:
            return
        evidence = evidence_of(run)
        # Its guard may have handed in how it ended before it was gone.
        attempts.close(connection, ticket, "gone" if evidence.observed is None else "ended", now)
        if killed:
            cause: Any = killed
            evidence = replace(evidence, kill=evidence.kill or Kill(cause, now.timestamp()))
        else:
            evidence = evidence.with_silence(Silence("lost", now.timestamp(), PROCESS_GONE))
        values = {"ticket_open": False, "log_kept": run.run_directory is None}
        by = scheduler_on(run.host)
        event = Event(run.id, now, "gone", by, PROCESS_GONE) if run.is_silent else None
        settle(connection, run, evidence, by, now, event, values)
        if left_behind:
            text = f"{left_behind} processes that its command left behind were ended"
            events.add(connection, Event(run.id, now, "left-behind", by, text))

    database.write(work)


def give_back(database: Database, ticket: str, reason: str, now: datetime) -> None:
    """This ticket is void: nothing runs under it, nor ever will. The run is queued anew, or cancelled where asked."""

    def work(connection: Connection) -> None:
        run = runs.with_open_ticket(connection, ticket)
        if run is None:
            return
        attempts.close(connection, ticket, "void", now)
        by = scheduler_on(run.host)
        values: dict[str, Any] = {"ticket": None, "ticket_open": False, "claimed_at": None, "host": None}
        if run.state is RunState.QUEUED:
            values["reason"] = reason
        if run.cancel_requested_at is not None:
            evidence = replace(evidence_of(run), kill=Kill("cancelled", now.timestamp()))
            settle(connection, run, evidence, by, now, values={**values, "reason": None})
        elif run.state is RunState.LOST:
            # It was silent, and is known now to have come to nothing. Its ticket stays, for that tells so.
            text = f"it was never started: {reason}"
            evidence = evidence_of(run).with_silence(Silence("lost", now.timestamp(), text))
            event = Event(run.id, now, "given-back", by, text)
            settle(connection, run, evidence, by, now, event, {"ticket_open": False})
        else:
            event = Event(run.id, now, "given-back", by, f"not started: {reason}")
            settle(connection, run, evidence_of(run), by, now, event, values)

    database.write(work)


def adopt(database: Database, ticket: str, earlier: str, now: datetime) -> bool:
    """The run was launched before under the ticket `earlier`, which this database, being older, does not know.

    It is left to the scheduler that drew that ticket, perhaps on another host; False if none such was ever heard from.
    """

    def work(connection: Connection) -> bool:
        run = runs.with_open_ticket(connection, ticket)
        if run is None:
            return True
        host, series = run.host, scheduler_of(earlier)
        if scheduler_of(earlier, host) != scheduler_of(ticket, host):
            names = [one.name for one in service.heartbeats(connection) if scheduler_of(one.name) == series]
            if not names:
                return False
            host = names[0].removesuffix(series)
        _take_up(connection, ticket, earlier, host, now)
        runs.change(connection, run, {"ticket": earlier, "host": host})
        text = "ran already; this database is older. Its earlier launch is taken up again"
        events.add(connection, Event(run.id, now, "adopted", scheduler_on(run.host), text))
        return True

    return database.write(work)


def _take_up(connection: Connection, ticket: str, earlier: str, host: str | None, now: datetime) -> None:
    """Close the attempt that a ticket was drawn for, and have one for the earlier ticket in its place."""
    for drawn in attempts.with_open_ticket(connection, ticket):
        own = {"ticket": earlier, "scheduler": scheduler_of(earlier, host), "host": host}
        attempts.close(connection, ticket, "void", now)
        attempts.add_all(connection, [{**drawn, **own}])


def scheduler_on(host: str | None) -> str:
    """As whom a host's scheduler stands in events."""
    return f"scheduler on {host}" if host else "scheduler"
