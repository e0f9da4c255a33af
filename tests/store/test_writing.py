"""Writing: no update is lost, whoever writes at once; what fails leaves nothing; what is away is called so."""

import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from lackey.domain.refusals import NotFound, Unavailable
from lackey.domain.run import Event, RunState
from lackey.store import database as stored
from lackey.store import events, runs, schema
from lackey.store.database import Database, NotUnique, unique
from lackey.store.waiting_writes import Changed
from tests.clock import Clock
from tests.processes import in_processes
from tests.store.rows import add_run
from tests.waiting import wait_until

THREADS = 16


@pytest.fixture
def run_id(database: Database, clock: Clock) -> int:
    return database.write(lambda connection: add_run(connection, clock()).id)


def raise_priority(run_id: int) -> Callable[[Connection], int]:
    """Read, add one, write: loses an update if two do it at once and nothing guards it."""

    def work(connection: Connection) -> int:
        run = runs.get(connection, run_id)
        return runs.change(connection, run, {"priority": run.priority + 1}).priority

    return work


def priority(database: Database, run_id: int) -> int:
    with database.read() as connection:
        return runs.get(connection, run_id).priority


def writes(database: Database, run_id: int) -> bool:
    try:
        return database.write(raise_priority(run_id)) > 0
    except Unavailable:
        return False


def test_what_is_written_is_there_for_everybody(database: Database, database_url: str, run_id: int) -> None:
    assert database.write(raise_priority(run_id)) == 1
    other = Database(database_url)
    assert priority(other, run_id) == 1
    other.close()


def test_what_lies_beside_an_sqlite_file_is_open_to_whoever_the_file_is_open_to(
    sqlite_url: str, clock: Clock, tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        (tmp_path / "lackey.sqlite3").chmod(0o660)
        database = Database(sqlite_url)
        database.write(lambda connection: add_run(connection, clock()))
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    database.close()
    names = ("lackey.sqlite3", "lackey.sqlite3-shm", "lackey.sqlite3-wal", "lackey.sqlite3-writer")
    assert modes == dict.fromkeys(names, 0o660)


@pytest.mark.parametrize(("directory", "mode"), [(0o755, 0o600), (0o777, 0o660), (0o2770, 0o660), (0o700, 0o600)])
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_sqlite_file_is_for_its_user_and_for_a_group_that_may_write_beside_it_and_for_nobody_else(
    tmp_path: Path, directory: int, mode: int, umask: int
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(directory)
    before = os.umask(umask)
    database = Database(f"sqlite:///{tmp_path}/there/lackey.sqlite3")
    try:
        schema.upgrade(database)
        database.write(lambda connection: connection.execute(text("SELECT 1")))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "there").iterdir()}
    finally:
        os.umask(before)
        database.close()
    assert len(modes) == 4 and set(modes.values()) == {mode}


def test_a_group_that_owns_a_directory_gets_no_file_of_another_groups_opened(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    shutil.chown(tmp_path / "there", group="daemon")
    (tmp_path / "there").chmod(0o770)
    database = Database(f"sqlite:///{tmp_path}/there/lackey.sqlite3")
    schema.upgrade(database)
    database.close()
    assert stat.S_IMODE((tmp_path / "there/lackey.sqlite3").stat().st_mode) == 0o600


def test_a_use_case_that_fails_leaves_nothing_behind(database: Database, run_id: int) -> None:
    def work(connection: Connection) -> None:
        raise_priority(run_id)(connection)
        raise NotFound("no more")

    with pytest.raises(NotFound, match="no more"):
        database.write(work)
    assert priority(database, run_id) == 0
    assert database.write(raise_priority(run_id)) == 1


def test_no_update_of_many_threads_is_lost(database: Database, run_id: int) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        seen = list(pool.map(database.write, [raise_priority(run_id)] * 10 * THREADS))
    assert sorted(seen) == list(range(1, 10 * THREADS + 1))
    assert priority(database, run_id) == 10 * THREADS


def raise_often(place: tuple[str, int]) -> list[int]:
    url, run_id = place
    database = Database(url)
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(database.write, [raise_priority(run_id)] * 40))
    database.close()
    return seen


def test_no_update_of_many_processes_with_threads_is_lost(database_url: str, clock: Clock) -> None:
    database = Database(database_url)
    run_id = database.write(lambda connection: add_run(connection, clock()).id)
    database.close()
    seen = in_processes(raise_often, [(database_url, run_id)] * 4)
    assert sorted(priority for each in seen for priority in each) == list(range(1, 161))


def test_of_use_cases_that_share_a_commit_one_that_fails_takes_back_its_own_alone(
    sqlite: Database, clock: Clock
) -> None:
    ids = [sqlite.write(lambda connection: add_run(connection, clock()).id) for _ in range(10)]
    connections = set()

    def work(run_id: int) -> Callable[[Connection], None]:
        def raise_or_fail(connection: Connection) -> None:
            connections.add(connection)
            raise_priority(run_id)(connection)
            if run_id % 2:
                raise NotFound(str(run_id))

        return raise_or_fail

    outcomes = gathered(sqlite, [work(run_id) for run_id in ids])
    assert len(connections) == 1, "they did not share a commit, so this shows nothing"
    assert [str(outcome) if outcome else "" for outcome in outcomes] == [str(i) if i % 2 else "" for i in ids]
    assert [priority(sqlite, run_id) for run_id in ids] == [0 if run_id % 2 else 1 for run_id in ids]


def gathered(database: Database, works: list[Callable[[Connection], None]]) -> list[BaseException | None]:
    """What each raised, when all are handed in while another use case has the writer's place."""
    busy, go_on = threading.Event(), threading.Event()

    def first(_: Connection) -> None:
        busy.set()
        assert go_on.wait(30)

    with ThreadPoolExecutor(len(works) + 1) as pool:
        before = pool.submit(database.write, first)
        assert busy.wait(30)
        futures = [pool.submit(database.write, work) for work in works]
        wait_until(lambda: len(database._group_commit.waiting) == len(works))
        go_on.set()
        before.result(30)
        return [future.exception(30) for future in futures]


def test_a_use_case_that_found_its_row_changed_is_tried_again(database: Database, run_id: int) -> None:
    tries = []

    def work(connection: Connection) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise Changed
        return raise_priority(run_id)(connection)

    assert (database.write(work), len(tries)) == (1, 3)


def test_what_changes_without_end_is_unavailable_for_now(database: Database) -> None:
    def work(_: Connection) -> None:
        raise Changed

    with pytest.raises(Unavailable, match="many changed the same"):
        database.write(work)


def test_a_change_of_a_run_that_has_changed_since_it_was_read_is_refused(database: Database, run_id: int) -> None:
    with database.read() as connection:
        stale = runs.get(connection, run_id)
    database.write(raise_priority(run_id))
    with pytest.raises(Changed), database.writer.begin() as connection:
        runs.change(connection, stale, {"priority": 99})
    assert priority(database, run_id) == 1


def test_something_unique_that_is_there_already_is_taken(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> None:
        for _ in range(2):
            with unique():
                connection.execute(text("INSERT INTO installation (id, created_at) VALUES ('a', 0)"))

    with pytest.raises(NotUnique):
        database.write(work)
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM installation")).scalar_one() == 0


def test_a_time_without_a_zone_is_never_stored(database: Database) -> None:
    with pytest.raises(Exception, match="naive"):
        database.write(lambda connection: add_run(connection, datetime(2026, 3, 5)))


def test_two_that_wait_for_each_other_on_postgresql_both_succeed(postgresql_url: str, clock: Clock) -> None:
    database = Database(postgresql_url)
    one, other = (database.write(lambda connection: add_run(connection, clock()).id) for _ in range(2))
    both_hold_one = threading.Barrier(2)

    def crosswise(first: int, second: int) -> Callable[[Connection], None]:
        tries = []

        def work(connection: Connection) -> None:
            raise_priority(first)(connection)
            tries.append(1)
            if len(tries) == 1:
                both_hold_one.wait(30)
            raise_priority(second)(connection)

        return work

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(database.write, [crosswise(one, other), crosswise(other, one)]))
    assert (priority(database, one), priority(database, other)) == (2, 2)
    database.close()


@pytest.fixture
def impatient(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(stored, "BUSY_SECONDS", 0.1)
    database = Database(sqlite_url)
    yield database
    database.close()


def test_a_database_that_a_stranger_has_locked_is_unavailable_until_it_lets_go(
    impatient: Database, clock: Clock
) -> None:
    stranger = sqlite3.connect(impatient.url.database or "", isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        impatient.write(lambda connection: add_run(connection, clock()))
    stranger.execute("ROLLBACK")
    stranger.close()
    impatient.write(lambda connection: add_run(connection, clock()))


def test_a_full_disk_is_unavailable_for_all_who_share_the_commit_and_passes(sqlite: Database, clock: Clock) -> None:
    run_id = sqlite.write(lambda connection: add_run(connection, clock()).id)
    limit_pages(sqlite, 1)

    def fill(connection: Connection) -> None:
        add_run(connection, clock(), name="x" * 100_000)

    outcomes = gathered(sqlite, [raise_quietly(run_id), fill, raise_quietly(run_id)])
    assert isinstance(outcomes[1], Unavailable)
    written = 0
    for outcome in (outcomes[0], outcomes[2]):
        assert outcome is None or isinstance(outcome, Unavailable), repr(outcome)
        written += outcome is None
    assert priority(sqlite, run_id) == written, "what was answered is written, and nothing else"
    limit_pages(sqlite, 1 << 30)
    sqlite.write(fill)


def raise_quietly(run_id: int) -> Callable[[Connection], None]:
    return lambda connection: void(raise_priority(run_id)(connection))


def void(_: object) -> None:
    return None


def limit_pages(database: Database, pages: int) -> None:
    """Let the file grow up to so many pages; SQLite then says that the disk is full."""
    event.listen(
        database.writer, "begin", lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    )


def test_a_database_that_can_only_be_read_is_unavailable_for_writing(database: Database, run_id: int) -> None:
    read_only = "PRAGMA query_only=ON" if database.is_sqlite else "SET TRANSACTION READ ONLY"
    with pytest.raises(Unavailable):
        database.write(
            lambda connection: void((connection.exec_driver_sql(read_only), raise_priority(run_id)(connection)))
        )
    assert priority(database, run_id) == 0


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all.sqlite3", "postgresql+psycopg://nobody@/nothing?host=/nowhere"]
)
def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    database = Database(url)
    with pytest.raises(Unavailable), database.read() as connection:
        events.of_run(connection, 1, None, 1)
    with pytest.raises(Unavailable):
        database.write(lambda connection: connection.execute(text("SELECT 1")).scalar())
    database.close()


def test_a_mistake_in_a_statement_is_no_absence_of_the_database(database: Database) -> None:
    with pytest.raises(Exception, match="no_such_table") as raised:
        database.write(lambda connection: void(connection.execute(text("SELECT * FROM no_such_table"))))
    assert not isinstance(raised.value, Unavailable)


@pytest.fixture
def limited(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """PostgreSQL, whose limits are short."""
    monkeypatch.setattr(stored, "LIMITS", dict.fromkeys(stored.LIMITS, timedelta(seconds=0.5)))
    database = Database(postgresql_url)
    yield database
    database.close()


def test_one_that_stands_still_within_its_transaction_holds_up_others_for_a_bounded_time(
    limited: Database, clock: Clock
) -> None:
    run_id = limited.write(lambda connection: add_run(connection, clock()).id)
    holds, go_on = threading.Event(), threading.Event()

    def stopped(connection: Connection) -> None:
        raise_priority(run_id)(connection)
        runs.get(connection, run_id)  # whoever asks has sent what it writes
        holds.set()
        assert go_on.wait(30)

    with ThreadPoolExecutor(1) as pool:
        frozen = pool.submit(limited.write, stopped)
        assert holds.wait(30)
        wait_until(lambda: writes(limited, run_id))
        go_on.set()
        with pytest.raises(Unavailable):
            frozen.result(30)
    assert writes(limited, run_id) and priority(limited, run_id) == 2, "what stood still has written nothing"


@pytest.mark.parametrize("rows", [1, 2])
def test_one_that_stands_still_after_it_has_written_rows_is_ended_too(
    limited: Database, clock: Clock, rows: int
) -> None:
    run_id = limited.write(lambda connection: add_run(connection, clock()).id)

    def stands_still(connection: Connection) -> None:
        events.add_all(connection, [Event(run_id, clock(), "k", "b", "t")] * rows)
        wait_until(lambda: ended(limited))

    with pytest.raises(Unavailable):
        limited.write(stands_still)
    with limited.read() as connection:
        assert events.of_run(connection, run_id, None, 9) == []


def ended(database: Database) -> bool:
    """Whether no session of this database stands still within a transaction."""
    with database.read() as connection:
        asked = (
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
        )
        return not connection.execute(text(asked)).scalar_one()


def test_what_takes_too_long_on_postgresql_is_unavailable_and_a_long_transaction_may_take_its_time(
    limited: Database,
) -> None:
    with pytest.raises(Unavailable):
        limited.write(lambda connection: void(connection.execute(text("SELECT pg_sleep(5)"))))

    def long(connection: Connection) -> None:
        stored.take_your_time(connection)
        connection.execute(text("SELECT pg_sleep(0.7)"))

    limited.write(long)


def test_a_question_that_takes_too_long_on_postgresql_is_unavailable_and_the_next_is_answered(
    limited: Database,
) -> None:
    with pytest.raises(Unavailable), limited.read() as connection:
        connection.execute(text("SELECT pg_sleep(20)"))
    with limited.read() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_what_two_insert_at_once_is_tried_again_on_postgresql(postgresql_url: str, clock: Clock) -> None:
    database = Database(postgresql_url)
    both = threading.Barrier(2)
    tries = []

    def work(connection: Connection) -> None:
        tries.append(1)
        there = connection.execute(text("SELECT count(*) FROM installation")).scalar_one()
        if len(tries) <= 2:
            both.wait(30)
        if not there:
            connection.execute(text("INSERT INTO installation (id, created_at) VALUES ('a', 0)"))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(database.write, [work, work]))
    assert len(tries) == 3
    database.close()


def test_a_row_that_could_not_be_read_keeps_nobody_in_the_past(sqlite: Database, clock: Clock) -> None:
    def add(connection: Connection) -> int:
        return [add_run(connection, clock(), ticket=ticket, ticket_open=True).id for ticket in ("a", "b", "c")][0]

    first = sqlite.write(add)
    sqlite.write(lambda connection: connection.execute(text("UPDATE run SET state = 'odd'")))
    kept: list[Exception] = []  # as a log does for a while, or a cycle of objects until it is collected
    with sqlite.read() as connection:
        kept += runs.readable(connection, runs.select_runs())[1]
    sqlite.write(lambda connection: connection.execute(text("UPDATE run SET state = 'running'")))
    assert kept
    with sqlite.read() as connection:
        assert runs.get(connection, first).state is RunState.RUNNING
