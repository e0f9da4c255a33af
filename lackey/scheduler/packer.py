"""Packs marks (`executors.packed`) in a thread of its own: those of closed attempts whose log has been taken in.

And those of which the database knows nothing, for it is an older copy, say: there they may be asked for again at any
time, and are found where they are then.
"""

import logging
import os
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

from lackey.domain.refusals import Refusal
from lackey.executors.local.packed import Packed
from lackey.executors.local.tickets import REMOVED, Mark
from lackey.services import Database
from lackey.services.dispatch import attempts

log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0
# For so long a mark stays as it is: a guard of the version before, which does not know of packed ones, may be about to
# make it, late as it is.
_AGE_SECONDS = 3600.0
_AT_ONCE = 200
_PAUSE_SECONDS = 0.1


class Packer:
    """The thread."""

    def __init__(self, database: Database, tickets: Path) -> None:
        """Nothing is done before `start`. `tickets`: the directory of marks."""
        self._database, self._tickets = database, tickets
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._pack_all, name="packer", daemon=True).start()

    def stop(self) -> None:
        """Pack no more."""
        self._stop.set()

    def _pack_all(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            try:
                self._round()
            except (Refusal, OSError) as error:
                log.warning("marks are packed later: %s", error)
            except Exception:
                log.exception("marks are packed later")

    def _round(self) -> None:
        for half_removed in self._tickets.glob(f"*{REMOVED}"):
            shutil.rmtree(half_removed)
        old = self._old()
        for first in range(0, len(old), _AT_ONCE):
            # There may be a million of them, the first time: others are to get a word in.
            if self._stop.wait(_PAUSE_SECONDS):
                return
            self._pack(old[first : first + _AT_ONCE])

    def _old(self) -> list[str]:
        """The names of marks that nothing was written to for long."""
        made_before = time.time() - _AGE_SECONDS
        found = []
        with os.scandir(self._tickets) as marks:
            for mark in marks:
                with suppress(FileNotFoundError):
                    if mark.is_dir() and mark.stat().st_mtime <= made_before:
                        found.append(mark.name)
        return found

    def _pack(self, tickets: list[str]) -> None:
        needed = attempts.still_needed(self._database, tickets)
        marks = {}
        for ticket in tickets:
            # What can't be read stays where people can look at it.
            with suppress(OSError, ValueError):
                mark = Mark(self._tickets, ticket)
                if ticket not in needed and mark.is_over():
                    marks[mark] = mark.content()
        # One that is packed already may have been left behind, empty.
        if filled := {mark.ticket: held for mark, held in marks.items() if held}:
            Packed(self._tickets).add(filled)
        for mark in marks:
            mark.remove()
