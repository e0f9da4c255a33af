"""Who keeps a host's readers: its scheduler, or `lackey reader` where the web service is alone.

Should there be both, one of them does, and the other one takes over when that one ends.
"""

import logging

from lackey import privileges
from lackey.kernel import unfit
from lackey.scheduler.leading import FileLock
from lackey.scheduler.rights import settle
from lackey.scheduler.signals import stop_on_signals
from lackey.settings import Settings
from lackey.shares.readers import Readers

log = logging.getLogger(__name__)

DIRECTORY = "readers"
TEND_SECONDS = 0.5


class ReaderKeeper:
    """The readers of a data directory, as long as nobody else keeps them."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is started before `tend`."""
        shares = {share.name: (share.path, share.must_be_mounted) for share in settings.shares.values()}
        self._data_dir = settings.data_dir
        user = settings.executor.local.user if privileges.held().issuperset(privileges.LOOKING) else None
        self._readers = Readers(shares, settings.data_dir / DIRECTORY, user)
        self._lock = FileLock(settings.data_dir / "readers.lock")
        self._ours: bool | None = None

    def tend(self) -> None:
        """Start what has to run, if it is ours to keep; to be called again and again. Raises OSError the first time."""
        if self._ours:
            self._readers.tend()
            return
        try:
            self._take()
        except OSError as error:
            if self._ours is None:
                raise
            log.warning("the readers of shares can't be started: %s", error)

    def _take(self) -> None:
        ours = self._lock.take()
        if ours:
            log.info("the readers of shares for %s are kept here", self._data_dir)
            self._readers.start()
        elif self._ours is None:
            log.warning("another process keeps the readers of shares for %s; this one stands by", self._data_dir)
        self._ours = ours

    def stop(self) -> None:
        """End the readers, if they are ours, and let the next one keep them."""
        if self._ours:
            self._readers.stop()
            self._lock.release()
        self._ours = None


def read(settings: Settings) -> int:
    """Keep the readers until SIGTERM or SIGINT; the exit code."""
    user, problem = settings.executor.local.user, unfit()
    if user is not None and not privileges.held().issuperset(privileges.LOOKING):
        log.warning("executor.local.user is %s; without CAP_SETUID and CAP_SETGID this reads as its own user", user)
    else:
        problem = problem or settle(settings, privileges.LOOKING)
    if problem:
        log.error("%s", problem)
        return 1
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.make_own_share()
    stop = stop_on_signals(lambda: None)
    reading = ReaderKeeper(settings)
    log.info("shares read here: %s", ", ".join(settings.shares))
    try:
        while not stop.is_set():
            reading.tend()
            stop.wait(TEND_SECONDS)
    finally:
        reading.stop()
    log.info("the reader has ended")
    return 0
