"""A lock on a file (flock(2)) by which the processes that write take turns, with a deadline.

The kernel wakes at once whoever waits for such a lock, but waits for it have no timeout. So where it is not free a
thread waits for it, and whoever wants it waits for that thread. A thread that has waited in vain goes on waiting, as
long as another process keeps the lock, and is the one that serves the next who wants it.
"""

import fcntl
import logging
import os
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)


class WriterLock:
    """The lock. Wanted by one thread at a time; make it after a fork."""

    def __init__(self, path: Path, database: Path) -> None:
        """`path` is the lock's file, which is made for whoever may use `database`."""
        self._path, self._database = path, database
        self._descriptor: int | None = None
        self._changed = threading.Condition()
        self._asking = self._wanted = self._held = False

    def take(self, deadline: float) -> bool:
        """Whether the lock is ours before `deadline` (monotonic seconds). Raises OSError if it has no file."""
        if self._descriptor is None:
            self._descriptor = _open_for_all(self._path, self._database)
        with self._changed:
            if not self._asking:
                try:
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if not self._ask_for_it(self._descriptor):
                        return False
                else:
                    self._held = True
            self._wanted = True
            self._changed.wait_for(lambda: self._held, max(0.0, deadline - time.monotonic()))
            self._wanted = False
            return self._held

    def give_back(self) -> None:
        """Let the next one have it."""
        if self._descriptor is not None:
            self._held = False
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file, which is opened again for whoever wants the lock after all."""
        with self._changed:
            if self._descriptor is not None and not self._asking:
                os.close(self._descriptor)
            self._descriptor, self._asking = None, False

    def _ask_for_it(self, descriptor: int) -> bool:
        """Have a thread wait for the lock; False if there can be no other thread now."""
        try:
            threading.Thread(target=self._ask, args=(descriptor,), name="turns", daemon=True).start()
        except (RuntimeError, MemoryError) as error:
            log.warning("the lock %s can't be waited for: %s", self._path, error)
            return False
        self._asking = True
        return True

    def _ask(self, descriptor: int) -> None:
        error = None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as failure:
            log.warning("the lock %s can't be had: %s", self._path, failure)
            error = failure
        with self._changed:
            if descriptor != self._descriptor:  # it was closed meanwhile
                os.close(descriptor)
                return
            self._asking = False  # where that failed, whoever wants it next asks anew
            if error is None:
                self._hand_over(descriptor)

    def _hand_over(self, descriptor: int) -> None:
        if self._wanted:
            self._held = True
            self._changed.notify_all()
        else:
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _open_for_all(path: Path, database: Path) -> int:
    """The lock's file, for whoever may use the database: its owner and mode are those of the database.

    SQLite does so with its own files beside it (findCreateFileMode in os_unix.c). Else a scheduler that is root would
    lock the web service out.
    """
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o660)
    except FileExistsError:
        return os.open(path, flags)
    with suppress(OSError):  # there is no database yet
        known = database.stat()
        os.fchmod(descriptor, stat.S_IMODE(known.st_mode))
        if os.geteuid() == 0:
            os.fchown(descriptor, known.st_uid, known.st_gid)
    return descriptor
