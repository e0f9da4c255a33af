"""Trouble with one ticket ends the work on that ticket for this tick, and is told once; it never ends the scheduler.

Whatever it is: a mark that can't be read, a directory of another user's, a row that holds what nobody here has written.
All but the database being away, which concerns all tickets.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lackey.domain.refusals import Unavailable
from lackey.services import Database
from lackey.services.dispatch import troubles

log = logging.getLogger(__name__)


class Troubles:
    """What has been told of each run by this scheduler; it can be lost, for the database knows it too."""

    def __init__(self, database: Database) -> None:
        """Nothing has been told yet."""
        self._database = database
        self._told: dict[int, set[str]] = {}

    @contextmanager
    def contained(self, run_id: int, doing: str) -> Iterator[None]:
        """Let nothing out of the block but Unavailable; what it was is told: `doing`, and why that failed."""
        try:
            yield
        except Unavailable:
            raise
        except Exception as error:
            self.tell(run_id, f"{doing}: {said(error)}")

    def tell(self, run_id: int, text: str) -> None:
        """A line in the log and one in the run's history, the first time; with where it came from, if it was raised."""
        if text in self._told.get(run_id, ()):
            return
        try:
            troubles.note(self._database, run_id, text, self._database.clock())
            log.debug("run %d: %s", run_id, text, exc_info=True)
        except Unavailable:
            raise
        except Exception:
            log.exception("run %d: its history can't be written: %s", run_id, text)
        self._told.setdefault(run_id, set()).add(text)

    def keep(self, run_ids: set[int]) -> None:
        """Forget what was told of all but these."""
        for run_id in self._told.keys() - run_ids:
            del self._told[run_id]


class Faults:
    """Which parts of a scheduler's work fail now; none keeps another one from being done."""

    def __init__(self, where: str = "") -> None:
        """Nothing fails yet. `where`: what is said of it in the log, behind a word."""
        self._where = where
        self._known: dict[str, str] = {}

    def __bool__(self) -> bool:
        """Whether any does."""
        return bool(self._known)

    def contained(self, doing: str, step: Callable[[], None]) -> None:
        """Do one part. Lets nothing out but Unavailable; the same fault is told once, and that it is over."""
        try:
            step()
        except Unavailable:
            raise
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            if self._known.get(doing) != fault:
                log.exception("this scheduler can't %s now%s", doing, self._where)
            self._known[doing] = fault
        else:
            if self._known.pop(doing, None):
                log.info("this scheduler can %s again%s", doing, self._where)


def said(error: Exception) -> str:
    """What went wrong. Without the name of a file, which may be a new one each time."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"
