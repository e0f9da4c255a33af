"""Turns among the writers of an SQLite file: whoever waits in vain is told so, and every turn comes to an end."""

import errno
import fcntl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event

from lackey.domain.refusals import Unavailable
from lackey.store import database as stored
from lackey.store import group_commit
from lackey.store.database import Database
from lackey.store.group_commit import GroupCommit
from tests.clock import Clock
from tests.store.rows import add_run
from tests.store.test_writing import THREADS, priority, raise_priority, writes
from tests.waiting import wait_until


@pytest.fixture
def hasty(sqlite: Database, run_id_on_sqlite: int, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(stored, "TURN_SECONDS", 0.3)
    return sqlite


@pytest.fixture
def run_id_on_sqlite(sqlite: Database, clock: Clock) -> int:
    return sqlite.write(lambda connection: add_run(connection, clock()).id)


def test_a_process_that_keeps_the_writers_turn_makes_all_others_unavailable_until_it_gives_it_back(
    hasty: Database, run_id_on_sqlite: int
) -> None:
    with open(f"{hasty.url.database}-writer", "r+") as file, ThreadPoolExecutor(THREADS) as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        for _ in range(2):
            refused = [pool.submit(hasty.write, raise_priority(run_id_on_sqlite)) for _ in range(THREADS)]
            for future in refused:
                with pytest.raises(Unavailable, match="another writer does not come to an end"):
                    future.result(30)
        assert len(hasty._group_commit.waiting) == 0, "what was refused is never carried out"
        fcntl.flock(file, fcntl.LOCK_UN)
        wait_until(lambda: writes(hasty, run_id_on_sqlite))
        assert list(pool.map(hasty.write, [raise_priority(run_id_on_sqlite)] * THREADS)) == list(range(2, THREADS + 2))
    assert priority(hasty, run_id_on_sqlite) == THREADS + 1
    assert sum(thread.name == "turns" for thread in threading.enumerate()) == 0


def test_a_database_that_was_closed_waits_for_its_turn_as_before(
    sqlite: Database, run_id_on_sqlite: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(f"{sqlite.url.database}-writer", "r+") as file, ThreadPoolExecutor(1) as pool:
        for turn_seconds in (30.0, 0.1, 30.0):
            monkeypatch.setattr(stored, "TURN_SECONDS", turn_seconds)
            sqlite.close()
            fcntl.flock(file, fcntl.LOCK_EX)
            waiting = pool.submit(writes, sqlite, run_id_on_sqlite)
            wait_until(lambda: any(thread.name == "turns" for thread in threading.enumerate()))
            if turn_seconds < 1:  # closed while a thread of its waits, too
                assert not waiting.result(30)
                sqlite.close()
            fcntl.flock(file, fcntl.LOCK_UN)
            assert waiting.result(30) is (turn_seconds > 1)
    assert priority(sqlite, run_id_on_sqlite) == 2
    wait_until(lambda: all(thread.name != "turns" for thread in threading.enumerate()))


def test_a_thread_that_cannot_be_started_and_a_lock_that_fails_cost_their_own_write_and_no_later_one(
    hasty: Database, run_id_on_sqlite: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hasty.write(raise_priority(run_id_on_sqlite)) == 1

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def no_lock(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX:
            raise OSError(errno.ENOLCK, "No locks available")
        flock(descriptor, operation)

    flock = fcntl.flock
    for number, (target, fault) in enumerate((("threading.Thread.start", no_thread), ("fcntl.flock", no_lock)), 2):
        with open(f"{hasty.url.database}-writer", "rb") as other, monkeypatch.context() as patch:
            flock(other, fcntl.LOCK_EX)
            patch.setattr(target, fault)
            with pytest.raises(Unavailable):
                hasty.write(raise_priority(run_id_on_sqlite))
        assert hasty.write(raise_priority(run_id_on_sqlite)) == number


def test_whoever_waits_in_vain_for_another_thread_is_told_so_and_what_was_begun_tells_its_true_result(
    hasty: Database, run_id_on_sqlite: int
) -> None:
    busy, go_on = threading.Event(), threading.Event()

    def stuck(connection: Connection) -> int:
        busy.set()
        assert go_on.wait(30)
        return raise_priority(run_id_on_sqlite)(connection)

    with ThreadPoolExecutor(3) as pool:
        begun = pool.submit(hasty.write, stuck)
        assert busy.wait(30)
        with pytest.raises(Unavailable, match="another writer does not come to an end"):
            pool.submit(hasty.write, raise_priority(run_id_on_sqlite)).result(30)
        assert not begun.done()
        go_on.set()
        assert begun.result(30) == 1
    assert priority(hasty, run_id_on_sqlite) == 1


def test_a_use_case_that_shares_the_commit_of_one_that_is_stuck_is_answered_with_what_became_of_it(
    hasty: Database, run_id_on_sqlite: int
) -> None:
    first_runs, second_waits, go_on = threading.Event(), threading.Event(), threading.Event()

    def first(_: Connection) -> None:
        first_runs.set()
        assert second_waits.wait(30)

    def stuck(_: Connection) -> None:
        assert go_on.wait(30)

    with ThreadPoolExecutor(3) as pool:
        before = pool.submit(hasty.write, first)
        assert first_runs.wait(30)
        begun: list[Any] = [pool.submit(hasty.write, w) for w in (stuck, raise_priority(run_id_on_sqlite))]
        wait_until(lambda: len(hasty._group_commit.waiting) == 2)
        second_waits.set()
        before.result(30)
        wait_until(lambda: len(hasty._group_commit.waiting) == 0)
        # Their time is long up now, and they have been begun.
        with pytest.raises(Unavailable):
            hasty.write(raise_priority(run_id_on_sqlite))
        go_on.set()
        assert [future.result(30) for future in begun] == [None, 1]


class Batches:
    """Three use cases in a row of commits: one alone, then two together, then one more, which `third` carries out."""

    def __init__(self, database: Database, pool: ThreadPoolExecutor) -> None:
        self._database, self._pool = database, pool
        self._begun = threading.Event()
        self._go_on = [threading.Event(), threading.Event()]

    def up_to_the_second_commit(self, third: list[Callable[[Connection], Any]]) -> Future[None]:
        """Begin them; of the two that share the second commit the one that does not lead."""
        self._pool.submit(self._database.write, partial(self._waits, 0))
        assert self._begun.wait(30)
        _, served = self._hand_in([partial(self._waits, 1), nothing])
        self._go_on[0].set()
        wait_until(lambda: len(self._database._group_commit.waiting) == 0)
        self._hand_in(third)
        return served

    def go_on(self) -> None:
        """Let the second commit come."""
        self._go_on[1].set()

    def _waits(self, number: int, _: Connection) -> None:
        self._begun.set()
        assert self._go_on[number].wait(30)

    def _hand_in(self, works: list[Callable[[Connection], Any]]) -> list[Future[None]]:
        futures: list[Future[None]] = []
        for work in works:
            futures.append(self._pool.submit(self._database.write, work))
            wait_until(lambda: len(self._database._group_commit.waiting) == len(futures))
        return futures


def nothing(_: Connection) -> None:
    """A use case that does nothing."""


def test_who_is_served_is_answered_while_another_process_writes(
    sqlite: Database, run_id_on_sqlite: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(f"{sqlite.url.database}-writer", "r+") as file, ThreadPoolExecutor(6) as pool:
        batches = Batches(sqlite, pool)
        served = batches.up_to_the_second_commit([raise_priority(run_id_on_sqlite)])
        turns = sqlite._group_commit._between_processes
        give_back = turns.give_back

        def to_another_process() -> None:
            give_back()
            fcntl.flock(file, fcntl.LOCK_EX)

        monkeypatch.setattr(turns, "give_back", to_another_process)
        batches.go_on()
        served.result(20)
        monkeypatch.undo()
        assert priority(sqlite, run_id_on_sqlite) == 0
        fcntl.flock(file, fcntl.LOCK_UN)
        wait_until(lambda: priority(sqlite, run_id_on_sqlite) == 1)


def test_who_is_served_is_answered_while_the_next_commit_waits_for_the_disk(
    sqlite: Database, run_id_on_sqlite: int
) -> None:
    answered = threading.Event()
    commits: list[None] = []

    def slow_disk(_: Connection) -> None:
        commits.append(None)
        if len(commits) == 3:
            assert answered.wait(20)

    with ThreadPoolExecutor(6) as pool:
        event.listen(sqlite.writer, "commit", slow_disk)
        batches = Batches(sqlite, pool)
        served = batches.up_to_the_second_commit([raise_priority(run_id_on_sqlite)])
        served.add_done_callback(lambda _: answered.set())
        batches.go_on()
        served.result(30)
        wait_until(lambda: priority(sqlite, run_id_on_sqlite) == 1)


def test_who_is_served_does_not_wait_for_all_that_is_carried_out_next(sqlite: Database) -> None:
    answered = threading.Event()

    with ThreadPoolExecutor(6) as pool:
        batches = Batches(sqlite, pool)
        served = batches.up_to_the_second_commit(
            [lambda _: time.sleep(2 * group_commit._KEPT_SECONDS), lambda _: answered.wait(30)]
        )
        served.add_done_callback(lambda _: answered.set())
        batches.go_on()
        served.result(20)


def test_who_is_served_is_answered_though_the_next_one_gives_up_at_that_moment(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = threading.Event()
    take_back = GroupCommit._take_back

    def late(group: GroupCommit, handed: Any) -> bool:
        given_up.set()
        wait_until(lambda: handed.leads)
        return take_back(group, handed)

    with ThreadPoolExecutor(6) as pool:
        batches = Batches(sqlite, pool)
        served = batches.up_to_the_second_commit([])
        monkeypatch.setattr(GroupCommit, "_take_back", late)
        hasty = pool.submit(sqlite.write, nothing, 0.0)
        assert given_up.wait(30)
        batches.go_on()
        served.result(20)
        with pytest.raises(Unavailable):
            hasty.result(30)
