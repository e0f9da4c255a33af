"""Runs of lackey 1.0, with their logs and tokens."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from lackey.domain import lackey_1
from lackey.domain.application import Application
from lackey.domain.evidence import Evidence, Kill, Stop
from lackey.domain.lackey_1 import OldApplication, OldRun
from lackey.domain.run import Event, Run, RunState
from lackey.domain.taking_over import share_path_of
from lackey.services.importing.takeover import Takeover
from lackey.services.runs.creation import waiting_reason
from lackey.services.runs.outcomes import evidence_of, judged
from lackey.services.runs.reporting import ReportedLog, keep_text
from lackey.services.runs.settling import settle
from lackey.store import events, logs, runs, tokens, words

BY = "import-v1"
CANCELLED = "runs that were due and had never started: cancelled (--keep-pending lets them wait for their start)"
KEPT = "runs that were due and had never started: they wait for their own start report"
TO_COME = "runs whose time is still to come: they wait for their own start report, and nothing launches them"
RUNNING = "runs that had started and not ended: they run until they report their end (or: lackey run cancel ID)"
NO_DIRECTORY = "runs whose directory lies on no share: kept without it, their events say what it was"
NO_APPLICATION = "runs kept without an application, for theirs was not there any more"
NO_TOKEN = "runs that can't be reported to, for their token was empty or another run's"
ODD_CLOCK = "runs that ended before they started, by their clock: marked"
CUT = "logs longer than is kept here: their first and last parts are"

_BATCH = 500
_GATHERED_BYTES = 1 << 22
_NONE: dict[str, Any] = dict.fromkeys(("project_id", "application_id", "project", "application"))
_INPUTS: dict[str, Any] = {
    **dict.fromkeys(("parent_id", "cause", "time_limit", "start_grace", "silence", "cpus", "memory", "queued_at")),
    "launched": False,
    "workdir": "application",
    "parameters": {},
    "environment": {},
    "priority": 0,
    "executor": "local",
    "retries": 0,
    "after": [],
    "by": BY,
}

Applications = Mapping[int, OldApplication | Application]


def take_over(takeover: Takeover, applications: Applications) -> None:
    """Take over the runs; `applications` are what they belong to, by old ids."""
    read = takeover.understood(
        "run", takeover.old.runs(), lambda cells, row: lackey_1.read_run(cells, row["row"], takeover.clock)
    )
    while batch := list(islice(read, _BATCH)):
        here = runs.with_ids(takeover.connection, [old.id for old in batch])
        new = [old for old in batch if old.id not in here]
        for old in (old for old in batch if old.id in here):
            _meet(takeover, old, here[old.id])
        if takeover.may_write and new:
            _add(takeover, new, applications)


def uid_of(old: OldRun) -> str:
    """The `uid` of an imported run, by which it is known again. Without a token it goes by what else never changes."""
    told = old.token or f"{old.directory}\0{old.command}"
    return hashlib.sha256(f"lackey 1.0\0{old.id}\0{told}".encode()).hexdigest()[:32]


def _meet(takeover: Takeover, old: OldRun, run: Run) -> None:
    """A run that is here already: the imported one, to which a late report may have to be added, or one in the way."""
    if run.uid != uid_of(old):
        takeover.refuse(f"run {old.id}: {run.name!r} has its id here")
        return
    takeover.runs.known += 1
    evidence = _with_reports(evidence_of(run), old)
    if evidence == evidence_of(run) or not takeover.may_write:
        return
    takeover.runs.changed += 1
    log = _log_of(takeover, old) if old.end and not run.stop_log_size else None
    values = {} if log is None else {"stop_log_size": log.size}
    event = Event(run.id, takeover.now, "imported", BY, f"had gone on in lackey 1.0 ({takeover.file})")
    settle(takeover.connection, run, evidence, BY, takeover.now, event, values)
    if log is not None:
        keep_text(takeover.connection, run.id, "stop", 0, log, log.size, takeover.options.log_limit)


def _with_reports(evidence: Evidence, old: OldRun) -> Evidence:
    """What the old service was told, merged as reports are; it knew one time of each, so it was received then."""
    if old.start is not None:
        ts = old.start.timestamp()
        evidence = evidence.with_start(ts, ts).with_sign_of_life(ts)
    if old.end is not None:
        ts = old.end.timestamp()
        stop = Stop(None, ts, ts)
        if not evidence.contradicts(stop):
            evidence = evidence.with_stop(stop).with_sign_of_life(ts)
    return evidence


@dataclass(frozen=True)
class _Newcomer:
    old: OldRun
    columns: dict[str, Any]
    event: Event


def _add(takeover: Takeover, batch: list[OldRun], applications: Applications) -> None:
    inserted = [_inserted(takeover, old, applications) for old in batch]
    connection = takeover.connection
    runs.add_all(connection, [one.columns for one in inserted])
    if speaking := dict(_speaking(takeover, batch)):
        tokens.add_all(connection, speaking)
    events.add_all(connection, [one.event for one in inserted])
    texts = _Texts(connection)
    for one in inserted:
        texts.add(one.columns, _log_of(takeover, one.old))
    texts.write()


class _Texts:
    """Logs and words on their way into the database: many small ones at once, and never much more than a large one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pieces: list[tuple[int, str, int, bytes]] = []
        self._words: list[tuple[int, str, None]] = []
        self._size = 0

    def add(self, columns: dict[str, Any], log: ReportedLog | None) -> None:
        """The words of a new run and, if it has one, its log."""
        run_id, names = columns["id"], f"{columns['name']}\n{columns['command']}"
        log = log or ReportedLog(b"", b"", 0)
        part = "stop" if columns["stop_log_size"] else "reported"
        self._words.append((run_id, f"{names}\n{log.head.decode(errors='replace')}", None))
        self._words.append((run_id, log.tail.decode(errors="replace"), None))
        pieces = ((run_id, part, 0, log.head), (run_id, part, log.size - len(log.tail), log.tail))
        self._pieces += [piece for piece in pieces if piece[3]]
        self._size += len(log.head) + len(log.tail)
        if self._size > _GATHERED_BYTES:
            self.write()

    def write(self) -> None:
        """Write what was gathered."""
        logs.add_all(self._connection, self._pieces)
        words.index_all(self._connection, self._words)
        self._pieces, self._words, self._size = [], [], 0


def _inserted(takeover: Takeover, old: OldRun, applications: Applications) -> _Newcomer:
    path = share_path_of(old.directory, takeover.shares, takeover.options.share)
    if path is None:
        takeover.note(NO_DIRECTORY, old.id)
    share, directory = path or (None, None)
    columns = {
        **_INPUTS,
        **_belonging(takeover, old, applications),
        "id": old.id,
        "uid": uid_of(old),
        "command": old.command,
        "share": share,
        "directory": directory,
        "created_at": takeover.now,
        "scheduled_at": old.schedule,
        **_standing(takeover, old),
        # A log without an end has no stop that it could be part of.
        "stop_log_size": old.log_size or 0 if old.end else 0,
        "log_size": 0 if old.end else old.log_size or 0,
    }
    takeover.runs.new += 1
    takeover.states[columns["state"]] = takeover.states.get(columns["state"], 0) + 1
    text = f"taken over from lackey 1.0 ({takeover.file}); {columns['state']}"
    details = {"file": takeover.file, **({} if path else {"directory": old.directory})}
    if columns["reason"]:
        text += f": {columns['reason']}"
    return _Newcomer(old, columns, Event(old.id, takeover.now, "imported", BY, text, details))


def _belonging(takeover: Takeover, old: OldRun, applications: Applications) -> dict[str, Any]:
    application = None if old.application_id is None else applications.get(old.application_id)
    if isinstance(application, Application):
        return {
            "name": application.full_name,
            "project_id": application.project_id,
            "application_id": application.id,
            "project": application.project,
            "application": application.full_name,
        }
    takeover.note(NO_APPLICATION, old.id)
    return {**_NONE, "name": application.name if application and application.name else f"run {old.id} of lackey 1.0"}


def _standing(takeover: Takeover, old: OldRun) -> dict[str, Any]:
    """The columns that the evidence comes to."""
    evidence, due = _with_reports(Evidence(), old), old.schedule <= takeover.now
    reason = None
    if evidence == Evidence() and due and not takeover.options.keep_pending:
        never = f"never started; due at {old.schedule:%Y-%m-%dT%H:%M:%SZ} in lackey 1.0"
        evidence = Evidence(kill=Kill("cancelled", takeover.now.timestamp(), never))
        takeover.note(CANCELLED, old.id)
    elif evidence == Evidence():
        reason = waiting_reason({"launched": False}, due)
        takeover.note(KEPT if due else TO_COME, old.id)
    columns = judged(evidence, RunState.SCHEDULED, reason)
    if columns["state"] is RunState.RUNNING:
        takeover.note(RUNNING, old.id)
    if columns["marks"]:
        takeover.note(ODD_CLOCK, old.id)
    return columns


def _speaking(takeover: Takeover, batch: list[OldRun]) -> Iterator[tuple[bytes, int]]:
    """The digests of the tokens of new runs, and the runs; those that are another run's are passed over."""
    digests = {old.id: tokens.digest(old.token) for old in batch if old.token}
    taken = tokens.known(takeover.connection, list(digests.values()))
    for old in batch:
        digest = digests.get(old.id)
        if digest is None or digest in taken:
            takeover.note(NO_TOKEN, old.id)
        else:
            taken.add(digest)
            yield digest, old.id


def _log_of(takeover: Takeover, old: OldRun) -> ReportedLog | None:
    """What is kept of its log; it is counted."""
    if not old.log_size:
        return None
    takeover.logs += 1
    takeover.log_bytes += old.log_size
    if old.log_size > takeover.options.log_limit:
        takeover.note(CUT, old.id)
    return ReportedLog(*takeover.old.log(old.row, takeover.options.log_limit), old.log_size)
