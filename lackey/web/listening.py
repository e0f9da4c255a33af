"""The web service says now and then that it takes reports: silence counts only while somebody listens."""

import logging
import threading

from lackey.domain.refusals import Unavailable
from lackey.services import Database
from lackey.services.dispatch import hearing

log = logging.getLogger(__name__)


def announce(database_url: str) -> None:
    """Say so from now on, as long as this process lives. To be called after a fork."""
    threading.Thread(target=_announce, args=(Database(database_url),), name="listening", daemon=True).start()


def _announce(database: Database) -> None:
    for_ever = threading.Event()
    while True:
        try:
            hearing.note_listening(database, database.clock())
        except Unavailable:
            log.debug("the database is away; this is said again")
        except Exception:
            log.exception("it can't be noted that this service listens")
        for_ever.wait(hearing.LISTEN_EVERY.total_seconds())
