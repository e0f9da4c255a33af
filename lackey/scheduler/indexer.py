"""Brings the words of logs into the index, in a thread of its own: a report does not wait for that."""

import logging
import threading

from lackey.domain.refusals import Refusal
from lackey.services import Database
from lackey.services.runs import searchable

log = logging.getLogger(__name__)

# Whoever searches has them brought in before; so this only keeps them from becoming many.
_EVERY_SECONDS = 5.0
_PAUSE_SECONDS = 0.02


class Indexer:
    """The thread."""

    def __init__(self, database: Database) -> None:
        """Nothing is done before `start`."""
        self._database = database
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._index_all, name="indexer", daemon=True).start()

    def stop(self) -> None:
        """Index no more."""
        self._stop.set()

    def _index_all(self) -> None:
        pause = _EVERY_SECONDS
        while not self._stop.wait(pause):
            pause = _EVERY_SECONDS
            try:
                if searchable.catch_up(self._database):
                    pause = _PAUSE_SECONDS  # others are to get a word in
            except Refusal as error:
                log.warning("logs are indexed later: %s", error)
            except Exception:
                log.exception("logs are indexed later")
