"""Listens for NOTIFY from other hosts, in a thread of its own, and wakes the loop.

Word that comes while the connection is lost is not heard; the loop's own poll finds what it was about.
"""

import logging
import threading
from collections.abc import Callable

from lackey.domain.refusals import Unavailable
from lackey.services import Database
from lackey.store import notices

log = logging.getLogger(__name__)

_LOOK_UP_SECONDS = 1.0


class Notices:
    """The thread. `heard` is called when word has come, or may have been missed."""

    def __init__(self, database: Database, heard: Callable[[], None]) -> None:
        """Nothing is heard before `start`."""
        self._database, self._heard = database, heard
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to listen."""
        threading.Thread(target=self._listen, name="notices", daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self._stop.set()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                self._hear()
            except Unavailable as error:
                log.warning("no word from other hosts is heard: %s; trying again", error)
                self._stop.wait(_LOOK_UP_SECONDS)
            except Exception:
                log.exception("no word from other hosts is heard")
                self._stop.wait(_LOOK_UP_SECONDS)

    def _hear(self) -> None:
        with notices.listening(self._database) as wait:
            self._heard()
            while not self._stop.is_set():
                if wait(_LOOK_UP_SECONDS):
                    self._heard()
