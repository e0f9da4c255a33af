"""Moving to another database: all of it is there afterwards, or nothing is."""

import os
import resource
import signal
import threading
from collections.abc import Iterator
from copy import copy
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import JSON, text

from lackey.domain.refusals import Conflict, Unavailable
from lackey.services.admin import copying, health, keys
from lackey.services.catalogue import changing, removing
from lackey.services.runs import listing, reporting, scheduling
from lackey.services.runs.queries import Metric, Search
from lackey.services.runs.reporting import ReportedLog, ReportedProgress
from lackey.services.runs.scheduling import Wanted
from lackey.services.schedules import changing as schedules
from lackey.services.schedules import firing
from lackey.services.schedules import reading as recurring
from lackey.store import database as stored
from lackey.store import schema
from lackey.store.copying import tables
from lackey.store.database import Database
from lackey.store.models import Base
from tests.clock import Clock
from tests.postgres import Cluster
from tests.processes import in_processes
from tests.services.lab import PROJECT, SHARES, Lab

LIMIT = 1 << 20


@pytest.fixture
def target_url(database_url: str, postgresql: Cluster, tmp_path: Path) -> str:
    """An empty database of the other kind."""
    return postgresql.create() if database_url.startswith("sqlite") else f"sqlite:///{tmp_path / 'target.sqlite3'}"


@pytest.fixture
def target(target_url: str) -> Iterator[Database]:
    target = Database(target_url)
    yield target
    target.close()


@pytest.fixture
def postgresql_target(postgresql: Cluster) -> Iterator[Database]:
    target = Database(postgresql.create())
    yield target
    target.close()


def told_of(source: Database, target: Database) -> list[str]:
    """Copy; what was said meanwhile."""
    said: list[str] = []
    copying.copy(source, target, said.append)
    return said


def fill(lab: Lab) -> str:
    """At least one row in each table, and odd ones; the token of the run that is still running."""
    keys.create(lab.database, "anna", "run", lab.clock())
    lab.end(lab.launched(parameters={"n": "ünïcode ∂x"}), 3)
    ended = lab.reported()
    lab.start(ended.id, 1000.5)
    lab.stop(ended.id, 0, 2000.25, b"bytes \x00\xff of the end: turbulence\n")
    run, token = reported(lab)
    reporting.keep_metrics(lab.database, run, [Metric("b", 1e-300, 1.5, 1.0), Metric("a", 2.0, 1.5)], lab.clock())
    reporting.progress(
        lab.database, run, ReportedProgress(1.0, done=1.0, total=3.0, message="on its \\u0000 way"), lab.clock()
    )
    log = ReportedLog(b"vortices\nin the wake\n", b"", 21)
    reporting.keep_log(lab.database, run, log, 100, LIMIT, lab.clock())
    health.found(lab.database, lab.clock())
    health.beat(lab.database, "h1-1", lab.clock(), True, lab.clock())
    passing = changing.add_project(lab.database, {**PROJECT, "name": "passing"}, SHARES, lab.clock())
    removing.remove_project(lab.database, passing.id, lab.clock())
    with lab.database.writer.begin() as connection:
        for table in [Base.metadata.tables[name] for name, found in rows(lab.database).items() if not found]:
            kinds = {c.name: list if isinstance(c.type, JSON) else c.type.python_type for c in table.columns}
            connection.execute(table.insert(), {name: _ANY.get(kind, lab.clock()) for name, kind in kinds.items()})
    return token


_ANY: dict[type, Any] = {
    int: 1,
    float: 0.5,
    bool: True,
    str: "any",
    bytes: b"\x00\xff",
    dict: {"any": [1, None]},
    list: ["any"],
}


def reported(lab: Lab) -> tuple[int, str]:
    """A run of somebody's own script, and its token."""
    wanted = Wanted(None, name="wake flow", launch=False)
    run, token = scheduling.schedule(lab.database, wanted, "anna", lab.clock())
    return run.id, token


def at(lab: Lab, target: Database) -> Lab:
    """The same lab, on the other database."""
    moved = copy(lab)
    moved.database = target
    return moved


def rows(database: Database) -> dict[str, list[Any]]:
    """Everything, as the database has it."""
    with database.read() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=lambda row: repr(row[:3]))
            for table in tables()
        }


def found(database: Database, words: str) -> list[int]:
    return [run.id for run in listing.page(database, Search(words=words), None, 100).runs]


def test_all_is_there_afterwards_and_goes_on_where_it_was(lab: Lab, target: Database) -> None:
    token = fill(lab)
    before = rows(lab.database)
    assert all(before.values()), "a table without rows shows nothing"
    said = told_of(lab.database, target)
    assert rows(target) == rows(lab.database) == before
    assert f"run: {len(before['run'])} rows compared" in said
    assert schema.current(target) == schema.expected()
    for words in ("heat", "explicit", "turbulence", "VORTICES wake", "flow", "nowhere"):
        assert found(target, words) == found(lab.database, words), words
    assert found(target, "turbulence") and found(target, "vortices")
    (running,) = found(target, "wake flow")
    reporting.authenticate(target, running, token)
    assert at(lab, target).stop(running, 0).exit_code == 0


def test_ids_that_were_given_before_are_not_given_again(lab: Lab, target: Database) -> None:
    """Not even those of rows that are gone."""
    fill(lab)
    told_of(lab.database, target)
    made = [
        changing.add_project(database, {**PROJECT, "name": "new"}, SHARES, lab.clock()).id
        for database in (lab.database, target)
    ]
    assert made[0] == made[1] == 3
    assert at(lab, target).reported().id == lab.reported().id == len(rows(lab.database)["run"])


def test_a_database_with_the_schema_and_no_rows_can_be_copied_to(lab: Lab, target: Database) -> None:
    schema.upgrade(target)
    told_of(lab.database, target)
    assert rows(target) == rows(lab.database)


def test_a_database_with_rows_is_not_copied_to(lab: Lab, target: Database, clock: Clock) -> None:
    schema.upgrade(target)
    keys.create(target, "somebody's", "read", clock())
    before = rows(target)
    with pytest.raises(Conflict, match="not empty: there are rows in key"):
        told_of(lab.database, target)
    assert rows(target) == before


def test_somebody_else_s_database_is_not_copied_to(lab: Lab, target: Database) -> None:
    with target.writer.begin() as connection:
        connection.execute(text("CREATE TABLE recipe (id integer)"))
    with pytest.raises(Conflict, match="tables that are not lackey's"):
        told_of(lab.database, target)
    assert schema.current(target) is None


@pytest.mark.parametrize("which", ["from", "to"])
def test_a_database_of_a_later_version_is_refused_in_words(lab: Lab, target: Database, which: str) -> None:
    schema.upgrade(target)
    with (lab.database if which == "from" else target).writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(Conflict, match="is at 9999"):
            told_of(lab.database, target)
    finally:
        if which == "from":
            with lab.database.writer.begin() as connection:
                connection.execute(text(f"UPDATE alembic_version SET version_num = '{schema.expected()}'"))


def beat(database: Database) -> None:
    health.beat(database, "h1-1", database.clock(), True, database.clock())


def test_nothing_is_copied_while_a_scheduler_works(lab: Lab, target: Database) -> None:
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.05):
            beat(lab.database)

    beat(lab.database)
    scheduler = threading.Thread(target=work, daemon=True)
    scheduler.start()
    with pytest.raises(Conflict, match="scheduler h1-1 is at work; stop"):
        told_of(lab.database, target)
    ended.set()
    scheduler.join()
    assert schema.current(target) is None


@patch("lackey.services.admin.copying.SILENT", timedelta(seconds=1))
def test_the_silence_of_a_scheduler_that_was_just_stopped_is_waited_for(lab: Lab, target: Database) -> None:
    beat(lab.database)
    assert "waiting until it has been silent" in told_of(lab.database, target)[0]


def test_a_database_is_not_copied_to_itself(lab: Lab, database_url: str) -> None:
    again = Database(database_url)
    with pytest.raises(Conflict, match="the same database|the one to copy from"):
        told_of(lab.database, again)
    again.close()


def test_a_file_that_is_not_there_is_not_made_to_copy_from(postgresql_target: Database, tmp_path: Path) -> None:
    missing = Database(f"sqlite:///{tmp_path / 'missing.sqlite3'}")
    with pytest.raises(Conflict, match="there is no database"):
        told_of(missing, postgresql_target)
    assert not (tmp_path / "missing.sqlite3").exists()


def test_nobody_writes_into_what_is_copied_but_all_may_read(
    lab: Lab, database_url: str, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "BUSY_SECONDS", 0.05)
    other = Database(database_url)
    refused = []

    def meanwhile(_: str) -> None:
        assert len(listing.page(other, Search(), None, 100).runs) == 1
        with pytest.raises(Unavailable):
            write_soon(other, lab.clock)
        refused.append(True)

    lab.schedule()
    copying.copy(lab.database, target, meanwhile)
    assert refused
    keys.create(other, "later", "read", lab.clock())
    other.close()


def write_soon(database: Database, clock: Clock) -> None:
    """Write, or give up: PostgreSQL would wait for the copy to end."""

    def work(connection: Any) -> None:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        connection.execute(text("UPDATE run SET priority = 7"))

    database.write(work)


def test_a_row_that_is_not_the_same_afterwards_is_found_and_all_is_taken_back(
    lab: Lab, postgresql_target: Database
) -> None:
    schema.upgrade(postgresql_target)
    with postgresql_target.writer.begin() as connection:
        connection.execute(text(_MEDDLE))
        connection.execute(text("CREATE TRIGGER meddle BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION meddle()"))
    for _ in range(3):
        lab.schedule()
    with pytest.raises(Conflict, match="a row of the table event is not the same on both sides: id 2"):
        told_of(lab.database, postgresql_target)
    assert not any(rows(postgresql_target).values())


_MEDDLE = """
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.id = 2 THEN NEW.text := NEW.text || '!'; END IF; RETURN NEW; END $$
"""


def test_a_row_that_can_t_be_stored_there_is_named_and_nothing_is_written(
    sqlite: Database, postgresql_target: Database, clock: Clock
) -> None:
    lab = Lab(sqlite, clock)
    lab.schedule()
    with sqlite.writer.begin() as connection:
        connection.execute(text("UPDATE run SET priority = 1 << 40"))
    with pytest.raises(Conflict, match="a row of the table run can't be stored: .*out of range"):
        told_of(sqlite, postgresql_target)
    assert schema.current(postgresql_target) is None


def test_no_column_has_two_kinds_of_nothing() -> None:
    """JSON's null and none at all are read alike, so a copy could not keep them apart."""
    columns = [column for table in tables() for column in table.columns if column.nullable]
    assert all(column.type.none_as_null for column in columns if isinstance(column.type, JSON))


def copy_and_die(urls: tuple[str, str, str]) -> None:
    """Be killed at the last moment: all is written, and nothing is known to be right."""
    source, target = Database(urls[0]), Database(urls[1])
    with patch(f"lackey.store.copying.{urls[2]}", lambda *_: os.kill(os.getpid(), signal.SIGKILL)):
        copying.copy(source, target, lambda _: None)


@pytest.mark.parametrize("moment", ["index", "verify"])
def test_a_copy_that_is_killed_leaves_nothing_and_is_made_anew(
    lab: Lab, database_url: str, target_url: str, moment: str
) -> None:
    fill(lab)
    lab.database.close()
    child = os.fork()
    if child == 0:
        copy_and_die((database_url, target_url, moment))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    target = Database(target_url)
    assert schema.current(target) is None
    told_of(lab.database, target)
    assert rows(target) == rows(lab.database)
    target.close()


def growth_kib(urls: tuple[str, str]) -> int:
    """By how much a process grows that copies."""
    source, target = Database(urls[0]), Database(urls[1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    copying.copy(source, target, lambda _: None)
    source.close()
    target.close()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def test_long_logs_are_never_all_in_memory(
    sqlite: Database, sqlite_url: str, postgresql: Cluster, clock: Clock
) -> None:
    lab, log = Lab(sqlite, clock), b"the residual is 1e-6\n" * 50_000
    for _ in range(60):
        reporting.keep_log(sqlite, lab.reported().id, ReportedLog(log, b"", len(log)), 0, 2 * len(log), clock())
    sqlite.close()
    (growth,) = in_processes(growth_kib, [(sqlite_url, postgresql.create())])
    assert growth < 45 * len(log) // 1024


def test_schedules_come_along_with_their_history_and_what_their_runs_say_of_them(lab: Lab, target: Database) -> None:
    rule: dict[str, Any] = {"application": "heat/explicit", "parameters": {"n": "7"}, "cron": "0 * * * *"}
    rule |= {"timezone": "UTC", "overlap": "skip", "catch_up": "none", "paused": False}
    for _ in range(2):
        schedule = schedules.add(lab.database, rule, "anna", lab.clock())
    schedules.remove(lab.database, schedule.id)
    firing.fire(lab.database, lab.clock.forward(3600))
    firing.fire(lab.database, lab.clock.forward(9000))
    told_of(lab.database, target)
    assert recurring.schedule(target, 1) == recurring.schedule(lab.database, 1)
    history = recurring.ticks(target, 1, None, 100)
    assert [tick.came_to for _, tick in history] == ["missed", "made"]
    assert history == recurring.ticks(lab.database, 1, None, 100)
    assert schedules.add(target, rule, "anna", lab.clock()).id == schedule.id + 1
