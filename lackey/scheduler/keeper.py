"""Takes head and tail of ended runs' log.txt into the database.

A share may take its time, or be away with thousands of logs on it: each is looked after by a thread of its own.
"""

import logging
import threading
import time
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

from lackey.domain.refusals import Refusal
from lackey.executors.local.directories import LOG, RECEIPT
from lackey.executors.local.tickets import KeptLog, Mark
from lackey.files import FileError, FileMissing, FilePiece, FileRefused, ShareAway, ShareFiles
from lackey.services import Database
from lackey.services.dispatch import kept_logs
from lackey.services.dispatch.kept_logs import Taken
from lackey.store.queue import LogDue

log = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0
_SOON_SECONDS = 0.5
# Those of runs that end one after the other are taken in together, so many bytes of them at once.
_GATHERED_SECONDS = 0.1
_GATHERED_BYTES = 1 << 18
_PIECE = 512 * 1024
# For so long it is waited, beside the grace time, for a log that has gone to be put back.
_SPARE = timedelta(seconds=30)
# And for so long for its guard to look whether it is there. It may never say so: its share was away, say.
_LOOK_SPARE = timedelta(seconds=5)
_GONE = "its log.txt was removed, and what it wrote is gone"


class LogKeeper:
    """The threads and what wakes them."""

    def __init__(
        self,
        database: Database,
        files: ShareFiles,
        shares: Collection[str],
        host: str,
        series: str,
        tickets: Path,
        kill_grace: float,
    ) -> None:
        """Nothing runs before `start`. `tickets`: the directory of marks; `kill_grace`: seconds from TERM to KILL."""
        self._database, self._files, self._host, self._series = database, files, host, series
        self._tickets, self._grace = tickets, timedelta(seconds=kill_grace)
        self._wakes = {share: threading.Event() for share in shares}
        self._ending = False

    def start(self) -> None:
        """Begin; what an earlier scheduler left undone comes first."""
        for share in self._wakes:
            threading.Thread(target=self._keep_all, args=(share,), name=f"logs-{share}", daemon=True).start()

    def wake(self, shares: Collection[str]) -> None:
        """Runs on these have ended."""
        for share in shares:
            if share in self._wakes:
                self._wakes[share].set()

    def stop(self) -> None:
        """Take in no more."""
        self._ending = True
        self.wake(self._wakes.keys())

    def _keep_all(self, share: str) -> None:
        wake = self._wakes[share]
        while not self._ending:
            pause = _EVERY_SECONDS
            try:
                pause = _SOON_SECONDS if self._round(share) else _EVERY_SECONDS
            except FileError as error:
                log.info("share %s: logs are taken in later: %s", share, error)
            except Refusal as error:
                log.warning("share %s: logs are taken in later: %s", share, error)
            except Exception:
                log.exception("share %s: logs are taken in later", share)
            if wake.wait(pause):
                time.sleep(_GATHERED_SECONDS)
            wake.clear()

    def _round(self, share: str) -> bool:
        """Take in what can be had now; whether there is more to come soon. Raises FileError: the share is away."""
        last, unfinished = 0, False
        while True:
            due = kept_logs.logs_to_keep(self._database, self._host, self._series, share, last)
            taken: list[Taken] = []
            try:
                for run in due:
                    if self._ending:
                        return False
                    if self._is_unfinished(run, share):
                        unfinished = True
                    elif (one := self._take(run, share)) is not None:
                        taken.append(one)
                    if sum(one.size for one in taken) > _GATHERED_BYTES:
                        self._keep(taken)
            finally:
                self._keep(taken)
            if len(due) < kept_logs.LOGS_AT_ONCE:
                return unfinished
            last = due[-1].run_id

    def _is_unfinished(self, run: LogDue, share: str) -> bool:
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

    def _keep(self, taken: list[Taken]) -> None:
        """Write down what was taken."""
        if taken:
            kept_logs.keep_file_logs(self._database, taken)
            taken.clear()

    def _take(self, run: LogDue, share: str) -> Taken | None:
        """Head and tail of its log; None: it may come yet. Raises FileError: the share is away."""
        kept = self._kept(run)
        name, gone = (LOG, None) if kept is None else (kept.name or LOG, _what_became(kept))
        half = kept_logs.FILE_LOG_LIMIT // 2
        try:
            head, pieces = self._read(share, f"{run.run_directory}/{name}", half)
        except (FileMissing, FileRefused) as error:
            look = self._files.health(share).look
            if look is not None and look.emptied:
                raise ShareAway(f"the share {share} is empty") from error
            if kept is None and self._may_be_put_back(run, _SPARE):
                return None
            log.warning("run %d: no log to take in: %s", run.run_id, error)
            head, pieces, gone = None, [], _GONE
        size = sum(len(content) for _, content in pieces) if head is None else head.size
        return Taken(run.run_id, size, pieces, gone)

    def _read(self, share: str, path: str, half: int) -> tuple[FilePiece, list[tuple[int, bytes]]]:
        head = self._files.read(share, path, 0, half)
        pieces = [(0, head.content)]
        if head.size > half:
            rest = max(half, head.size - half)
            pieces.append((rest, self._files.read(share, path, rest, _PIECE).content))
        return head, pieces

    def _kept(self, run: LogDue) -> KeptLog | None:
        """What the guard says that it has kept of a log that the run had removed."""
        try:
            return Mark(self._tickets, run.ticket).kept_log()
        except (OSError, ValueError):
            return None

    def _may_be_put_back(self, run: LogDue, spare: timedelta) -> bool:
        """Whether its guard, if it has seen the end, may yet do so: it waits until nothing of the run writes to it."""
        if not run.observed:
            return False
        since = run.settled_at or self._database.clock()
        return self._database.clock() - since < self._grace + spare


def _what_became(kept: KeptLog) -> str:
    if kept.name == LOG:
        return "the run removed its own log.txt; what it wrote up to its end was put back"
    if kept.name:
        return f"the run removed its own log.txt and made another; what it wrote up to its end is in {kept.name}"
    return _GONE
