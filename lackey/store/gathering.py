"""How threads and processes share the one place of a writer that SQLite has.

What costs is the sync at each commit, so the threads of a process gather: whoever holds the writer's place carries out
what the others have handed in meanwhile, each use case in a savepoint of its own, and one commit serves them all. Each
is answered after that commit. Between processes a lock on a file beside the database hands over at once, where SQLite's
own busy handler would sleep.
"""

import fcntl
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")
Work = Callable[[Connection], T]

_GATHERED_AT_MOST = 64


@dataclass
class _Handed:
    """A use case that waits for the writer's place, and what came of it."""

    work: Work[Any]
    done: bool = False
    result: Any = None
    error: BaseException | None = None


class Gathering:
    """The writers of one process to one SQLite file. Safe to share between threads; make it after a fork."""

    def __init__(self, engine: Engine, file: Path) -> None:
        """`engine` begins its transactions as a writer; `file` is the database."""
        self._engine = engine
        self._file = file
        self.waiting: deque[_Handed] = deque()
        self._place = threading.Lock()
        self._lock_file: int | None = None

    def write(self, work: Work[T]) -> T:
        """Carry out `work` in a transaction and return what it returns, when that is on disk. Raises what it raises."""
        mine = _Handed(work)
        self.waiting.append(mine)
        while not mine.done:
            with self._place:
                if not mine.done:
                    self._carry_out([self.waiting.popleft() for _ in range(min(len(self.waiting), _GATHERED_AT_MOST))])
        if mine.error is not None:
            raise mine.error
        result: T = mine.result
        return result

    def close(self) -> None:
        """Let go of the lock's file."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _carry_out(self, works: list[_Handed]) -> None:
        try:
            with self._between_processes(), self._engine.begin() as connection:
                for handed in works:
                    if len(works) == 1:
                        handed.result = handed.work(connection)
                    else:
                        _attempt(connection, handed)
        except BaseException as error:
            for handed in works:
                handed.error = handed.error or error
        finally:
            for handed in works:
                handed.done = True

    @contextmanager
    def _between_processes(self) -> Iterator[None]:
        if self._lock_file is None:
            self._lock_file = _open_lock_file(self._file)
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)


def _open_lock_file(database: Path) -> int:
    """The file `<database>-writer`, for whoever may use the database: its owner and mode are those of the database.

    SQLite does so with its own files beside it (findCreateFileMode in os_unix.c). Else a scheduler that is root would
    lock the web service out.
    """
    path, flags = database.with_name(f"{database.name}-writer"), os.O_RDWR | os.O_CLOEXEC
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


def _attempt(connection: Connection, handed: _Handed) -> None:
    """One of several use cases in a transaction: if it fails, what it wrote is taken back and the others stand."""
    savepoint = connection.begin_nested()
    try:
        handed.result = handed.work(connection)
    except Exception as error:
        handed.error = error
        savepoint.rollback()
    else:
        savepoint.commit()
