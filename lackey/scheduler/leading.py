"""Who schedules. On one host one scheduler; among hosts on one database one that claims.

Leadership decides only who claims, so that two do not race; that no run is started twice rests on guarded updates and
marks. Locks end with the process that holds them, however it ends.
"""

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

from sqlalchemy import Connection

from lackey.services import Database
from lackey.services.admin.health import Leadership


def series(data_dir: Path) -> str:
    """What the tickets end in whose marks are in this directory; drawn now if it has none. For the lock's holder only.

    Another scheduler on the same host may, by mistake, have the same database and another directory. To each the other
    one's tickets would seem never launched, if they could not be told apart.
    """
    path = data_dir / "series"
    if not path.exists():
        aside = data_dir / "series.new"
        with open(aside, "w", encoding="ascii") as file:
            file.write(f"-{secrets.token_hex(4)}")
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    return path.read_text(encoding="ascii")


class FileLock:
    """An exclusive lock on a file (flock(2))."""

    def __init__(self, path: Path) -> None:
        """Nothing is locked yet."""
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Whether the lock is ours now. Never waits."""
        if self._descriptor is None:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let the next one have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Lead:
    """The right to claim runs: a lock beside an SQLite database, an advisory lock on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        """Nothing is taken yet."""
        file = database.url.database if database.is_sqlite else None
        self._lock = FileLock(Path(f"{file}-scheduler")) if file else Leadership(database)

    def take(self) -> bool:
        """Whether it is ours now, still or newly. Never waits."""
        return self._lock.take()

    def is_ours(self, connection: Connection) -> bool:
        """Whether it still is, as a transaction sees it: the scheduler may have been stopped since it took it."""
        # Nobody gets a file's lock from a process that is merely stopped.
        return not isinstance(self._lock, Leadership) or self._lock.is_ours(connection)

    def release(self) -> None:
        """Let the next one have it."""
        with contextlib.suppress(OSError):
            self._lock.release()
