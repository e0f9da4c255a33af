"""Takes head and tail of ended runs' log.txt into the database, in a thread of its own: a share may take its time."""

import logging
import threading

from lackey.domain.refusals import Refusal
from lackey.domain.run import Run
from lackey.files import FileError, FileMissing, FileRefused, Files, ShareAway
from lackey.services import Database, following

log = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0
_PIECE = 512 * 1024


class LogKeeper:
    """The thread and what wakes it."""

    def __init__(self, database: Database, files: Files, host: str, series: str) -> None:
        """Nothing runs before `start`."""
        self._database, self._files, self._host, self._series = database, files, host, series
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
            try:
                self._round()
            except Refusal as error:
                log.warning("logs are taken in later: %s", error)
            except Exception:
                log.exception("logs are taken in later")
            self._wake.wait(_EVERY_SECONDS)
            self._wake.clear()

    def _round(self) -> None:
        away: set[str] = set()
        for run in following.logs_to_keep(self._database, self._host, self._series):
            if run.share is not None and run.share not in away and not self._ending:
                try:
                    self._keep(run, run.share)
                except FileError as error:
                    log.info("run %d: its log is taken in later: %s", run.id, error)
                    away.add(run.share)

    def _keep(self, run: Run, share: str) -> None:
        path = f"{run.run_directory}/log.txt"
        half = following.FILE_LOG_LIMIT // 2
        try:
            head = self._files.read(share, path, 0, half)
            pieces = [(0, head.content)]
            rest = max(half, head.size - half)
            if head.size > half:
                pieces.append((rest, self._files.read(share, path, rest, _PIECE).content))
        except (FileMissing, FileRefused) as error:
            look = self._files.health(share).look
            if look is not None and look.emptied:
                raise ShareAway(f"the share {share} is empty") from error
            log.warning("run %d: no log to take in: %s", run.id, error)
            head, pieces = None, []
        size = sum(len(content) for _, content in pieces) if head is None else head.size
        following.keep_file_log(self._database, run.id, size, pieces)
