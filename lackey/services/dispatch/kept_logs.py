"""What is kept of a launched run's log.txt when it has ended."""

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


def keep_file_log(
    database: Database, run_id: int, size: int, pieces: list[tuple[int, bytes]], gone: str | None = None
) -> None:
    """Keep head and tail of a log.txt of `size` bytes: pieces, each with its offset.

    `gone`: what has become of it, in a sentence, where the run removed it.
    """

    def work(connection: Connection) -> None:
        run = runs.get(connection, run_id)
        if run.log_kept:
            return
        for start, content in pieces:
            if content:
                logs.put(connection, run_id, "file", start, content)
        words.index(connection, run_id, b"\n".join(content for _, content in pieces).decode(errors="replace"))
        said = last_words(run.exit_code, pieces[-1][1][-_LOG_END:]) if pieces else None
        values: dict[str, Any] = {"file_size": size, "log_kept": True}
        if said is not None:
            values |= {"log_says": said, "reason": judge(evidence_of(run), said).reason}
        if gone is not None:
            values["marks"] = sorted({*run.marks, "log-gone"})
            events.add(connection, Event(run_id, database.clock(), "log-gone", scheduler_on(run.host), gone))
        runs.change(connection, run, values)

    database.write(work)
