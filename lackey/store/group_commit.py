"""Group commit: how threads and processes share the one writer that SQLite allows.

What costs is the sync at each commit, so the threads of a process commit together: one of them leads. It carries out
what the others have handed in meanwhile, each use case in a savepoint of its own, and one commit serves them all. Each
is answered after that commit. Then the first of those that have come meanwhile leads. Between processes a lock on a
file beside the database (`writer_lock`) hands over at once, where SQLite's own busy handler would sleep.

A commit waits for the disk, and meanwhile the interpreter's lock is free. That is when those are woken whom the commit
before has served, if the next one can begin at once: woken earlier, their answers would be worked out in turns with its
statements, and during the sync nobody would have anything to do.

Whoever leads may be stopped, or its disk may hang. So each waits for its turn until a deadline of its own, and then
takes its use case back. What has been begun is not taken back: its writer waits until it is known what became of it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from lackey.domain.refusals import Unavailable
from lackey.store.compiled import say
from lackey.store.writer_lock import WriterLock

T = TypeVar("T")
Work = Callable[[Connection], T]

_GATHERED_AT_MOST = 64
# Those whom a commit has served are kept waiting by the statements of the next one for no longer, but for one use case.
_KEPT_SECONDS = 0.005
_LEFT_SECONDS = 1.0


class _Handed:
    """A use case that waits for its turn, and what came of it. Its fields are changed by whoever leads."""

    def __init__(self, work: Work[Any]) -> None:
        self.work = work
        self.leads = self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._news = threading.Lock()
        self._news.acquire()

    def tell(self) -> None:
        """Wake its thread: it leads, or is done. Once for each."""
        self._news.release()

    def wait(self, seconds: float = -1) -> None:
        """Wait until there is something to tell, for no longer than this; a negative time is no limit."""
        self._news.acquire(timeout=seconds)


class GroupCommit:
    """The writers of one process to one SQLite file. Safe to share between threads; make it after a fork."""

    def __init__(self, engine: Engine, file: Path) -> None:
        """`engine` begins its transactions as a writer; `file` is the database."""
        self._engine = engine
        self._lock = threading.Lock()
        # These two belong to `_lock`. As long as anybody waits somebody leads: the first that waits, or one before.
        self.waiting: deque[_Handed] = deque()
        self._is_led = False
        # Held by the one that leads, as are those that the commit before has served, and the connection.
        self._turn = threading.Lock()
        self._served: list[_Handed] = []
        self._connection: Connection | None = None
        self._between_processes = WriterLock(file.with_name(f"{file.name}-writer"), file)

    def write(self, work: Work[T], deadline: float) -> T:
        """Carry out `work` in a transaction and return what it returns, when that is on disk. Raises what it raises.

        Raises Unavailable, with nothing done, if its turn does not come before `deadline` (monotonic seconds).
        """
        mine = _Handed(work)
        with self._lock:
            self.waiting.append(mine)
            mine.leads, self._is_led = not self._is_led, True
        try:
            in_turn = self._in_turn(mine, deadline)
        except BaseException:
            self._take_back(mine)
            raise
        if not in_turn:
            if self._take_back(mine):
                raise Unavailable("the database is not available: another writer does not come to an end")
            mine.wait()  # whoever has begun it tells
        if mine.error is not None:
            raise mine.error
        result: T = mine.result
        return result

    def close(self) -> None:
        """Let go of the connection, and of the lock's file."""
        with self._turn:
            self._let_go()
        self._between_processes.close()

    def _in_turn(self, mine: _Handed, deadline: float) -> bool:
        """Wait until it is done, or lead; False if the time is up."""
        if not mine.leads:
            mine.wait(max(0.0, deadline - time.monotonic()))
        if not mine.done and mine.leads:
            return self._lead(deadline)
        return mine.done

    def _take_back(self, mine: _Handed) -> bool:
        """Whether nobody has begun it; nobody will then."""
        with self._lock:
            if mine not in self.waiting:
                return False
            self.waiting.remove(mine)
            successor = self._successor() if mine.leads else None
        if successor:
            successor.tell()
        elif mine.leads and self._turn.acquire(timeout=_LEFT_SECONDS):
            # Whom the commit before has served was left to the one that gives up here. Where somebody else has the
            # turn by now, and keeps it, those are told already.
            self._tell_served()
            self._turn.release()
        return True

    def _successor(self) -> _Handed | None:
        """The first that waits, which leads from now on, and is to be told. `_lock` is held."""
        successor = self.waiting[0] if self.waiting else None
        self._is_led = successor is not None
        if successor:
            successor.leads = True
        return successor

    def _lead(self, deadline: float) -> bool:
        """Carry out what waits, in one transaction; False if another process has the lock until `deadline`."""
        works: list[_Handed] = []
        successor = None
        with self._turn:
            try:
                if not self._may_write(deadline):
                    return False
                try:
                    # Only now, so that whoever waits in vain can take back what is his.
                    with self._lock:
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
                self._tell_served()
                if works:
                    successor = self._finish(works)
        if successor:
            successor.tell()
        return True

    def _may_write(self, deadline: float) -> bool:
        """Whether no other process writes from now on; False if one does until `deadline`."""
        if self._between_processes.take(time.monotonic()):
            return True
        self._tell_served()
        return self._between_processes.take(deadline)

    def _finish(self, works: list[_Handed]) -> _Handed | None:
        """Say that they are done, of which the first is the one that led; who leads next, and is to be told."""
        for handed in works:
            handed.done = True
        self._served = works[1:]
        with self._lock:
            successor = self._successor()
        if successor is None:
            self._tell_served()
        return successor

    def _tell_served(self) -> None:
        served, self._served = self._served, []
        for handed in served:
            handed.tell()

    def _commit(self, works: list[_Handed]) -> None:
        # One connection serves them all, for there is one writer at a time. After a fault it is given back to the pool,
        # which ends what may have been left open.
        if self._connection is None:
            self._connection = self._engine.connect()
        connection = self._connection
        try:
            with connection.begin() as transaction:
                together = self._carry_out(connection, works)
                if not together:
                    transaction.rollback()
            if not together:
                with connection.begin():
                    for handed in works:
                        _attempt(connection, handed)
        except BaseException:
            self._let_go()
            raise
        if any(handed.error is not None for handed in works):
            self._let_go()

    def _carry_out(self, connection: Connection, works: list[_Handed]) -> bool:
        """Whether all have passed. Raises what one raises that is alone."""
        kept_until = time.monotonic() + _KEPT_SECONDS
        try:
            for handed in works:
                handed.result = handed.work(connection)
                if self._served and time.monotonic() >= kept_until:
                    self._tell_served()
        except Exception:
            if len(works) == 1:
                raise
            return False
        self._tell_served()
        return True

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
