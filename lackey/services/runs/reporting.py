"""What simulations say about themselves: start, stop, progress, metrics, log.

Reports commute: each is merged into the evidence in a way that does not depend on when it comes, and what it comes to
is worked out anew (`settling.settle`). `now` is the time of receipt; `seen` the run as it was read with its token, on
which the first try to write stands, for the row is written only if it has not changed since.
"""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lackey.domain import told as told_of
from lackey.domain.evidence import Stop
from lackey.domain.limits import LOG_PIECES, METRIC_NAMES, METRIC_POINTS
from lackey.domain.refusals import NotAuthenticated, OtherOutcome, invalid
from lackey.domain.run import Event, Run
from lackey.services.runs.settling import evidence_of, settle
from lackey.store import events, log_words, logs, metric_summaries, metrics, runs, tokens
from lackey.store.database import Database
from lackey.store.metrics import Metric

_CONTRADICTIONS_KEPT = 20

Marks = Collection[str]


@dataclass(frozen=True)
class ReportedLog:
    """What is kept of some log bytes: the first and the last of `size` that were sent; together all, if they fit."""

    head: bytes
    tail: bytes
    size: int


@dataclass(frozen=True)
class ReportedProgress:
    """How far a run is: `fraction` 0…1 and/or `done` of `total`, in words; `ts` is its own time, or that of receipt."""

    ts: float
    fraction: float | None = None
    done: float | None = None
    total: float | None = None
    message: str | None = None


def authenticate(database: Database, run_id: int, token: str | None) -> Run:
    """The run, for which the token speaks: one indexed read. Raises NotAuthenticated, the same where there is no run.

    What a script with Windows line ends puts behind it, and the case of its letters (RFC 9562, section 4), are nothing.
    """
    if token is not None:
        with database.read() as connection:
            run = tokens.run_of(connection, token.strip())
        if run is not None and run.id == run_id:
            return run
    raise NotAuthenticated("wrong or missing token for this run")


def start(
    database: Database,
    run_id: int,
    ts: float | None,
    host: str | None,
    now: datetime,
    marks: Marks = (),
    seen: Run | None = None,
) -> Run:
    """It has started. `marks`: what is odd about the report, here and below."""
    latest = _latest(run_id, seen)

    def work(connection: Connection) -> Run:
        run = latest(connection)
        known = evidence_of(run)
        evidence = known.with_start(ts, now.timestamp()).heard_from(now.timestamp())
        event = None
        learned = (known.start_ts, known.start_received) != (evidence.start_ts, evidence.start_received)
        if learned and (known.start_received is None or events.has_room(connection, run_id)):
            event = Event(run_id, now, "start", "run", "reported its start", _told(ts=ts, host=host))
        told = _marked(run, marks)
        if host:
            at = now.timestamp() if ts is None else ts
            told = told_of.with_start_host(told, run.host, host, at)
        return settle(connection, run, evidence, "run", now, event, _noted(run, told))

    return database.write(work)


def stop(
    database: Database,
    run_id: int,
    stopped: Stop,
    host: str | None,
    log: ReportedLog | None,
    log_limit: int,
    now: datetime,
    marks: Marks = (),
    seen: Run | None = None,
) -> Run:
    """It has ended. The same stop again changes nothing.

    Raises OtherOutcome when a different one is on record; that this one came is kept as an event.
    """
    latest = _latest(run_id, seen)

    def work(connection: Connection) -> tuple[Run, bool]:
        run = latest(connection)
        known = evidence_of(run)
        told = _told(ts=stopped.ts, exit=stopped.exit, host=host)
        if known.contradicts(stopped):
            _note_contradiction(connection, run, told, now)
            return run, False
        learned = known.with_stop(stopped)
        evidence = learned.heard_from(now.timestamp())
        noted = _marked(run, marks)
        names_exit = stopped.exit is not None
        if host:
            noted = told_of.with_stop_host(noted, run.host, host, names_exit=names_exit)
        values: dict[str, Any] = {}
        if log is not None and log.size:
            noted, values = _with_last_words(connection, run, noted, log, log_limit, names_exit=names_exit)
        values |= _noted(run, noted)
        event = None if learned == known else Event(run_id, now, "stop", "run", "reported its end", told)
        return settle(connection, run, evidence, "run", now, event, values), True

    run, accepted = database.write(work)
    if not accepted:
        raise OtherOutcome(f"run {run_id} has reported another stop already; that one stands", run_id)
    return run


def progress(
    database: Database,
    run_id: int,
    said: ReportedProgress,
    now: datetime,
    marks: Marks = (),
    seen: Run | None = None,
) -> Run:
    """How far it is. Of each thing that it says the latest by its own time counts."""

    def merge(run: Run, _: Connection) -> dict[str, Any]:
        told = told_of.with_progress(run.told or {}, run.progress, said.ts, vars(said))
        shown = told_of.progress_shown(told)
        return {"told": told, **({} if shown == run.progress else {"progress": shown})}

    return _sign_of_life(database, _latest(run_id, seen), merge, now, marks)


def keep_metrics(
    database: Database, run_id: int, told: list[Metric], now: datetime, marks: Marks = (), seen: Run | None = None
) -> Run:
    """Figures to keep."""

    def merge(_: Run, connection: Connection) -> dict[str, Any]:
        _refuse_too_many(connection, run_id, told)
        metrics.put(connection, run_id, told)
        return {}

    return _sign_of_life(database, _latest(run_id, seen), merge, now, marks)


def _refuse_too_many(connection: Connection, run_id: int, told: list[Metric]) -> None:
    names = {one.name for one in told}
    if full := metric_summaries.full(connection, run_id, names, METRIC_POINTS):
        raise invalid("metrics", f"{full[0]!r} has {METRIC_POINTS} points, the most that are kept; report less often")
    new = [name for name in names if not metrics.exists(connection, run_id, name)]
    if new and len(metrics.names(connection, run_id)) + len(new) > METRIC_NAMES:
        raise invalid("name", f"at most {METRIC_NAMES} names of metrics are kept of a run (METRIC_NAMES); report fewer")


def keep_log(
    database: Database,
    run_id: int,
    log: ReportedLog,
    offset: int | None,
    log_limit: int,
    now: datetime,
    marks: Marks = (),
    seen: Run | None = None,
) -> Run:
    """A piece of the log, at `offset` in bytes; without one, at the end of what is known."""

    def merge(run: Run, connection: Connection) -> dict[str, Any]:
        start = run.log_size if offset is None else offset
        end = max(run.log_size, start + log.size)
        rows = keep_text(connection, run_id, "reported", start, log, end, log_limit)
        # What goes to the end is bounded by what is kept of the log.
        is_scattered = rows > 0 and start != run.log_size
        if is_scattered and logs.count(connection, run_id, "reported", LOG_PIECES + 1) > LOG_PIECES:
            raise invalid("offset", f"the log has {LOG_PIECES} pieces with gaps between (LOG_PIECES); send it in order")
        return {"log_size": end}

    return _sign_of_life(database, _latest(run_id, seen), merge, now, marks)


def _latest(run_id: int, seen: Run | None) -> Callable[[Connection], Run]:
    """What reads the run: at first as it was seen. Whoever asks again has found that it has changed."""
    known = [] if seen is None else [seen]
    return lambda connection: known.pop() if known else runs.get(connection, run_id)


def _sign_of_life(
    database: Database,
    latest: Callable[[Connection], Run],
    merge: Callable[[Run, Connection], dict[str, Any]],
    now: datetime,
    marks: Marks,
) -> Run:
    def work(connection: Connection) -> Run:
        run = latest(connection)
        evidence = evidence_of(run).heard_from(now.timestamp())
        values = merge(run, connection)
        told = _marked(run, marks, values.get("told"))
        return settle(connection, run, evidence, "run", now, values={**values, **_noted(run, told)})

    return database.write(work)


def _marked(run: Run, marks: Marks, told: told_of.Told | None = None) -> told_of.Told:
    noted = (run.told or {}) if told is None else told
    for mark in marks:
        noted = told_of.with_mark(noted, mark)
    return noted


def _noted(run: Run, told: told_of.Told) -> dict[str, Any]:
    """What changes in the run by what it has told. Where lackey launched it, the host is known."""
    if told == (run.told or {}):
        return {}
    host = told_of.host_of(told)
    return {"told": told, **({"host": host} if host and run.ticket is None else {})}


def _with_last_words(
    connection: Connection, run: Run, told: told_of.Told, log: ReportedLog, log_limit: int, *, names_exit: bool
) -> tuple[told_of.Told, dict[str, Any]]:
    """Keep the log of a stop, if it is the one that counts; what was told then, and what changes in the run."""
    held = told.get("stop_log")
    digest = hashlib.sha256(log.head + log.tail).hexdigest()
    noted = told_of.with_stop_log(told, log.size, digest, names_exit=names_exit)
    if noted.get("stop_log") == held or (held is None and run.stop_log_size):
        return told, {}
    if held is not None:
        log_words.forget(connection, run.id, "stop", logs.let_go(connection, run.id, "stop", run.stop_log_size, 0))
    keep_text(connection, run.id, "stop", 0, log, log.size, log_limit)
    return noted, {"stop_log_size": log.size}


def keep_text(
    connection: Connection, run_id: int, part: str, start: int, log: ReportedLog, end: int, log_limit: int
) -> int:
    """Store what is kept of a piece of a log that reaches up to `end`; how many rows more that takes."""
    head = logs.put(connection, run_id, part, start, log.head)
    tail = logs.put(connection, run_id, part, start + log.size - len(log.tail), log.tail)
    gone = logs.let_go(connection, run_id, part, end, log_limit)
    log_words.forget(connection, run_id, part, gone)
    return head.rows + tail.rows - len(gone)


def _note_contradiction(connection: Connection, run: Run, told: dict[str, Any], now: datetime) -> None:
    """Keep what the other stop said; a client that tries again and again is noted once."""
    noted = events.details_of(connection, run.id, "contradiction", _CONTRADICTIONS_KEPT)
    if len(noted) < _CONTRADICTIONS_KEPT and told not in noted:
        text = "reported another stop, which was refused: the first one stands"
        events.add(connection, Event(run.id, now, "contradiction", "run", text, told))


def _told(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
