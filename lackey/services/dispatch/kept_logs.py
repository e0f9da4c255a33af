"""What is kept of a launched run's log.txt when it has ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lackey.domain.evidence import judge
from lackey.domain.exits import last_words
from lackey.domain.run import Event
from lackey.services.dispatch.launching import scheduler_on
from lackey.services.runs.settling import evidence_of
from lackey.store import events, logs, queue, runs, words
from lackey.store.database import Database
from lackey.store.queue import LogDue

# A log.txt stays where it is; this much of it is kept here, for when the share is away and to find runs by its words.
FILE_LOG_LIMIT = 1024 * 1024
_LOG_END = 4096
LOGS_AT_ONCE = 50


def logs_to_keep(database: Database, host: str, series: str, share: str, after_id: int = 0) -> list[LogDue]:
    """The first `LOGS_AT_ONCE` after an id of this scheduler's ended runs on a share whose log.txt is to be read."""
    with database.read() as connection:
        return queue.logs_to_keep(connection, host, series, share, after_id, LOGS_AT_ONCE)


@dataclass(frozen=True)
class Taken:
    """What is kept of the log.txt, of `size` bytes, of a run: pieces, each with its offset.

    `gone`: what has become of it, in a sentence, where the run removed it.
    """

    run_id: int
    size: int
    pieces: list[tuple[int, bytes]]
    gone: str | None = None


def keep_file_logs(database: Database, some: Sequence[Taken]) -> None:
    """Keep heads and tails of logs, those of several runs in one transaction."""

    def work(connection: Connection) -> None:
        for one in some:
            _keep(connection, one, database.clock())

    database.write(work)


def _keep(connection: Connection, one: Taken, now: datetime) -> None:
    run, pieces = runs.get(connection, one.run_id), one.pieces
    if run.log_kept:
        return
    for start, content in pieces:
        if content:
            logs.put(connection, run.id, "file", start, content)
    words.index(connection, run.id, b"\n".join(content for _, content in pieces).decode(errors="replace"))
    said = last_words(run.exit_code, pieces[-1][1][-_LOG_END:]) if pieces else None
    values: dict[str, Any] = {"file_size": one.size, "log_kept": True}
    if said is not None:
        values |= {"log_says": said, "reason": judge(evidence_of(run), said).reason}
    if one.gone is not None:
        values["marks"] = sorted({*run.marks, "log-gone"})
        events.add(connection, Event(run.id, now, "log-gone", scheduler_on(run.host), one.gone))
    runs.change(connection, run, values)
