"""Takes head and tail of ended runs' log.txt into the database, in a thread of its own: a share may take its time."""

import logging
import threading
from datetime import timedelta
from pathlib import Path

from lackey.domain.refusals import Refusal
from lackey.domain.run import Run
from lackey.executors.directories import LOG, RECEIPT
from lackey.executors.tickets import KeptLog, Mark
from lackey.files import FileError, FileMissing, FileRefused, Files, Piece, ShareAway
from lackey.services import Database, following

log = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0
_SOON_SECONDS = 0.5
_PIECE = 512 * 1024
# For so long it is waited, beside the grace time, for a log that has gone to be put back.
_SPARE = timedelta(seconds=30)
# And for so long for its guard to look whether it is there. It may never say so: its share was away, say.
_LOOK_SPARE = timedelta(seconds=5)
_GONE = "its log.txt was removed, and what it wrote is gone"


class LogKeeper:
    """The thread and what wakes it."""

    def __init__(
        self, database: Database, files: Files, host: str, series: str, tickets: Path, kill_grace: float
    ) -> None:
        """Nothing runs before `start`. `tickets`: the directory of marks; `kill_grace`: seconds from TERM to KILL."""
        self._database, self._files, self._host, self._series = database, files, host, series
        self._tickets, self._grace = tickets, timedelta(seconds=kill_grace)
        self._wake = threading.Event()
        self._ending = False

    def start(self) -> None:
        """Begin; what an earlier scheduler left undone comes first."""
        threading.Thread(target=self._keep_all, name="log-keeper", daemon=True).start()

    def wake(self) -> None:
        """Runs have ended."""
        self._wake.set()

    def stop(self) -> None:
        """Take in no more."""
        self._ending = True
        self._wake.set()

    def _keep_all(self) -> None:
        while not self._ending:
            pause = _EVERY_SECONDS
            try:
                pause = _SOON_SECONDS if self._round() else _EVERY_SECONDS
            except Refusal as error:
                log.warning("logs are taken in later: %s", error)
            except Exception:
                log.exception("logs are taken in later")
            self._wake.wait(pause)
            self._wake.clear()

    def _round(self) -> bool:
        """Take in what there is; whether there is more to come soon."""
        away: set[str] = set()
        unfinished = False
        for run in following.logs_to_keep(self._database, self._host, self._series):
            if run.share is not None and run.share not in away and not self._ending:
                try:
                    if self._is_unfinished(run, run.share):
                        unfinished = True
                    else:
                        self._keep(run, run.share)
                except FileError as error:
                    log.info("run %d: its log is taken in later: %s", run.id, error)
                    away.add(run.share)
        return unfinished

    def _is_unfinished(self, run: Run, share: str) -> bool:
        """Whether its guard may yet look whether the log is there; when it has, it leaves a copy of its receipt."""
        if not self._may_be_put_back(run, _LOOK_SPARE):
            return False
        try:
            self._files.read(share, f"{run.run_directory}/{RECEIPT}", 0, 1)
        except FileMissing:
            return True
        except FileRefused:
            pass
        return False

    def _keep(self, run: Run, share: str) -> None:
        kept = self._kept(run)
        name, gone = (LOG, None) if kept is None else (kept.name or LOG, _what_became(kept))
        half = following.FILE_LOG_LIMIT // 2
        try:
            head, pieces = self._read(share, f"{run.run_directory}/{name}", half)
        except (FileMissing, FileRefused) as error:
            look = self._files.health(share).look
            if look is not None and look.emptied:
                raise ShareAway(f"the share {share} is empty") from error
            if kept is None and self._may_be_put_back(run, _SPARE):
                return
            log.warning("run %d: no log to take in: %s", run.id, error)
            head, pieces, gone = None, [], _GONE
        size = sum(len(content) for _, content in pieces) if head is None else head.size
        following.keep_file_log(self._database, run.id, size, pieces, gone)

    def _read(self, share: str, path: str, half: int) -> tuple[Piece, list[tuple[int, bytes]]]:
        head = self._files.read(share, path, 0, half)
        pieces = [(0, head.content)]
        if head.size > half:
            rest = max(half, head.size - half)
            pieces.append((rest, self._files.read(share, path, rest, _PIECE).content))
        return head, pieces

    def _kept(self, run: Run) -> KeptLog | None:
        """What the guard says that it has kept of a log that the run had removed."""
        try:
            return Mark(self._tickets, run.ticket or "").kept_log()
        except (OSError, ValueError):
            return None

    def _may_be_put_back(self, run: Run, spare: timedelta) -> bool:
        """Whether its guard, if it has seen the end, may yet do so: it waits until nothing of the run writes to it."""
        if "observed" not in run.evidence:
            return False
        since = run.settled_at or self._database.clock()
        return self._database.clock() - since < self._grace + spare


def _what_became(kept: KeptLog) -> str:
    if kept.name == LOG:
        return "the run removed its own log.txt; what it wrote up to its end was put back"
    if kept.name:
        return f"the run removed its own log.txt and made another; what it wrote up to its end is in {kept.name}"
    return _GONE
