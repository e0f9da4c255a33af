"""Group commit: how threads and processes share the one writer that SQLite allows.

What costs is the sync at each commit, so the threads of a process commit together: whoever holds the lock carries out
what the others have handed in meanwhile, each use case in a savepoint of its own, and one commit serves them all. Each
is answered after that commit. Between processes a lock on a file beside the database (`writer_lock`) hands over at
once, where SQLite's own busy handler would sleep.

Whoever holds the lock may be stopped, or its disk may hang. So each waits for it until a deadline of its own, and then
takes its use case back. What has been begun is not taken back: its writer waits until it is known what became of it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from lackey.domain.refusals import Unavailable
from lackey.store.compiled import say
from lackey.store.writer_lock import WriterLock

T = TypeVar("T")
Work = Callable[[Connection], T]

_GATHERED_AT_MOST = 64


@dataclass(eq=False)
class _Handed:
    """A use case that waits for the lock, and what came of it."""

    work: Work[Any]
    done: bool = False
    result: Any = None
    error: BaseException | None = None


class GroupCommit:
    """The writers of one process to one SQLite file. Safe to share between threads; make it after a fork."""

    def __init__(self, engine: Engine, file: Path) -> None:
        """`engine` begins its transactions as a writer; `file` is the database."""
        self._engine = engine
        self.waiting: deque[_Handed] = deque()
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._between_processes = WriterLock(file.with_name(f"{file.name}-writer"), file)

    def write(self, work: Work[T], deadline: float) -> T:
        """Carry out `work` in a transaction and return what it returns, when that is on disk. Raises what it raises.

        Raises Unavailable, with nothing done, if the lock is not to be had before `deadline` (monotonic seconds).
        """
        mine = _Handed(work)
        self.waiting.append(mine)
        try:
            in_turn = self._in_turn(mine, deadline)
        except BaseException:
            self._take_back(mine)
            raise
        if not in_turn:
            if self._take_back(mine):
                raise Unavailable("the database is not available: another writer does not come to an end")
            with self._lock:  # whoever has begun it holds it until the end
                pass
        if mine.error is not None:
            raise mine.error
        result: T = mine.result
        return result

    def close(self) -> None:
        """Let go of the connection, and of the lock's file."""
        with self._lock:
            self._let_go()
        self._between_processes.close()

    def _take_back(self, mine: _Handed) -> bool:
        """Whether nobody has begun it; nobody will then."""
        try:
            self.waiting.remove(mine)
        except ValueError:
            return False
        return True

    def _in_turn(self, mine: _Handed, deadline: float) -> bool:
        """Take the lock, and carry out what waits, unless somebody else has done so; False if the time is up."""
        while not mine.done:
            if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                return False
            try:
                if not mine.done and not self._carry_out(deadline):
                    return False
            finally:
                self._lock.release()
        return True

    def _carry_out(self, deadline: float) -> bool:
        """Carry out what waits, in one transaction; False if another process has the lock until `deadline`."""
        works: list[_Handed] = []
        try:
            if not self._between_processes.take(deadline):
                return False
            try:
                # Only now, so that whoever waits in vain can take back what is his.
                works += [self.waiting.popleft() for _ in range(min(len(self.waiting), _GATHERED_AT_MOST))]
                self._commit(works)
            finally:
                self._between_processes.give_back()
        except BaseException as error:
            if not works:
                raise
            for handed in works:
                handed.error = handed.error or error
        finally:
            for handed in works:
                handed.done = True
        return True

    def _commit(self, works: list[_Handed]) -> None:
        # One connection serves them all, for there is one writer at a time. After a fault it is given back to the pool,
        # which ends what may have been left open.
        if self._connection is None:
            self._connection = self._engine.connect()
        connection = self._connection
        try:
            with connection.begin():
                for handed in works:
                    if len(works) == 1:
                        handed.result = handed.work(connection)
                    else:
                        _attempt(connection, handed)
        except BaseException:
            self._let_go()
            raise
        if any(handed.error is not None for handed in works):
            self._let_go()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _attempt(connection: Connection, handed: _Handed) -> None:
    """One of several use cases in a transaction: if it fails, what it wrote is taken back and the others stand."""
    say(connection, "SAVEPOINT handed")
    try:
        handed.result = handed.work(connection)
    except Exception as error:
        handed.error = error
        say(connection, "ROLLBACK TO handed")
    say(connection, "RELEASE handed")
