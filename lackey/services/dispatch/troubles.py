"""What keeps one run from being queued, launched or followed, told in its history and in the log."""

import logging
from datetime import datetime

from sqlalchemy import Connection

from lackey.domain.run import Event
from lackey.store import events
from lackey.store.database import Database

log = logging.getLogger(__name__)

_LOOKED_BACK = 50


def note(database: Database, run_id: int, text: str, now: datetime) -> None:
    """Tell it, unless it was told lately: it may be met again with every tick, and by the next scheduler."""
    with database.read() as connection:
        if _told(connection, run_id, text):
            return
    log.warning("run %d: %s", run_id, text)

    def work(connection: Connection) -> None:
        if not _told(connection, run_id, text):
            events.add(connection, Event(run_id, now, "trouble", "scheduler", text))

    database.write(work)


def _told(connection: Connection, run_id: int, text: str) -> bool:
    lately = events.of_run(connection, run_id, None, _LOOKED_BACK)
    return any(event.kind == "trouble" and event.text == text for _, event in lately)
