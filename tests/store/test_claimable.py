"""The questions by which the scheduler finds what may start, and the claim."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, text

from lackey.domain.policy import InUse, lane_of
from lackey.domain.resources import Demand
from lackey.domain.run import Garbled, Run, RunState
from lackey.store import attempts, claimable, runs
from lackey.store.claimable import LaneHead
from lackey.store.database import Database
from tests.clock import Clock
from tests.store.rows import add_application, add_project, add_run


@pytest.fixture
def make(database: Database, clock: Clock) -> Any:
    def made(seconds: float = 0, **values: Any) -> Run:
        at = clock() + timedelta(seconds=seconds)
        return database.write(lambda connection: add_run(connection, clock(), scheduled_at=at, **values))

    return made


def places(database: Database, **more: Any) -> list[LaneHead]:
    with database.read() as connection:
        return claimable.lanes(connection, "local", **more)


def lane(database: Database, place: LaneHead, chunk: int = 2) -> list[int]:
    with database.read() as connection:
        return [one.run_id for one in claimable.runs_of(connection, "local", place, chunk)]


def test_each_lane_is_named_by_its_oldest_run_and_gives_the_others_in_order(database: Database, make: Any) -> None:
    younger, oldest, urgent, large = make(0), make(-60), make(0, priority=5), make(0, cpus=4)
    last, bobs = make(0), make(0, by="bob")
    found = {place.first.run_id: place for place in places(database)}
    assert sorted(found) == sorted([oldest.id, urgent.id, large.id, bobs.id])
    assert lane(database, found[oldest.id]) == [oldest.id, younger.id, last.id]
    assert (found[urgent.id].priority, found[large.id].demand, found[bobs.id].by) == (5, Demand(4), "bob")
    assert found[oldest.id].first.scheduled_at == oldest.scheduled_at


def test_none_is_claimed_held_cancelled_or_of_another_executor(database: Database, clock: Clock, make: Any) -> None:
    make(ticket="t", ticket_open=True)
    make(held=True)
    make(executor="slurm")
    make(state=RunState.RUNNING)
    make(state=RunState.CANCELLED, ended_at=clock())
    assert places(database) == []
    with database.read() as connection:
        assert (claimable.exist(connection, "local"), claimable.count(connection, "local")) == (False, 0)
        assert (claimable.exist(connection, "slurm"), claimable.count(connection, "slurm")) == (True, 1)


def test_a_lane_brings_the_limit_of_its_application_and_its_demand(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> int:
        application = add_application(connection, clock(), add_project(connection, clock()), max_running=3)
        add_run(connection, clock(), application_id=application, share="lab", cpus=2, memory_bytes=7, gpus=1)
        return application

    application = database.write(work)
    (place,) = places(database)
    assert (place.application_id, place.max_running, place.share) == (application, 3, "lab")
    assert place.demand == Demand(2, 7, 1)


def test_of_each_user_as_many_lanes_are_found_and_the_others_in_turn(database: Database, make: Any) -> None:
    for cpus in range(1, 8):
        make(cpus=cpus, priority=-cpus)
    other = make(by="zoe", priority=-99)
    with patch.object(claimable, "LANES_AT_MOST", 6):
        found = places(database)
        mine = [place for place in found if place.by == "anna"]
        assert [place.demand.cpus for place in mine] == [1, 2, 3]
        assert [place.first.run_id for place in found if place.by == "zoe"] == [other.id]
        with database.read() as connection:
            further = claimable.further_lanes(connection, "local", mine[-1], 2)
            last = claimable.further_lanes(connection, "local", further[-1], 9)
    assert [place.demand.cpus for place in further + last] == [4, 5, 6, 7]


def test_runs_that_the_version_before_made_get_their_lanes_in_pieces(database: Database, make: Any) -> None:
    mine = [make(lane="", cpus=cpus) for cpus in (1, 2, 1)]
    others = make(lane="", by="bob")
    place = next(one for one in places(database) if one.by == "anna")
    for left in (1, 0):
        database.write(lambda connection: claimable.name_lanes(connection, "local", place, 2))
        with database.read() as connection:
            now = [runs.get(connection, run.id) for run in mine]
            assert sum(not run.lane for run in now) == left
            assert runs.get(connection, others.id).lane == ""
    assert [run.lane for run in now] == [lane_of(None, None, cpus, None, 0) for cpus in (1, 2, 1)]


def attempt(run: Run, now: datetime, **values: Any) -> dict[str, Any]:
    """A row of an open attempt at the run."""
    return {
        "run_id": run.id,
        "number": 1,
        "ticket": f"t{run.id}",
        "scheduler": "h1",
        "executor": "local",
        "application_id": None,
        "by": run.by,
        "share": "lab",
        "cpus": 1,
        "memory_bytes": None,
        "gpus": [],
        "host": "h1",
        "claimed_at": now,
        **values,
    }


def test_what_is_taken_is_told_by_the_attempts_that_are_open(database: Database, clock: Clock, make: Any) -> None:
    done, lost, running, elsewhere, cluster = (
        make(state=state)
        for state in (RunState.SUCCEEDED, RunState.LOST, RunState.RUNNING, RunState.RUNNING, RunState.RUNNING)
    )
    rows = [
        attempt(done, clock()),
        attempt(lost, clock(), cpus=2),
        attempt(running, clock(), cpus=3, memory_bytes=5, gpus=["a", "b"], share="store"),
        attempt(elsewhere, clock(), scheduler="h2"),
        attempt(cluster, clock(), executor="slurm"),
    ]
    database.write(lambda connection: attempts.add_all(connection, rows))
    database.write(lambda connection: attempts.close(connection, f"t{done.id}", "ended", clock()))
    with database.read() as connection:
        taken = claimable.taken(connection, "local", "h1", {"store"})
    assert sorted(taken, key=lambda one: one.demand.cpus) == [
        InUse(None, "anna", "lab", Demand(1), here=False),
        InUse(None, "anna", "lab", Demand(2), lost=True, is_idle=True),
        InUse(None, "anna", "store", Demand(3, 5, 2), devices=("a", "b"), is_idle=True),
    ]


def test_only_what_can_still_be_claimed_is_and_in_the_order_asked_for(
    database: Database, clock: Clock, make: Any
) -> None:
    first, second, cancelled, held = make(), make(attempts=2), make(cancel_requested_at=clock()), make(held=True)
    wanted = [second.id, held.id, cancelled.id, first.id, 99]

    def work(connection: Connection) -> list[Run]:
        return claimable.claim(connection, wanted, "h7", "-0123abcd", "starting", clock())

    claimed = database.write(work)
    assert [run.id for run in claimed] == [second.id, first.id]
    assert [(run.ticket, run.attempts) for run in claimed] == [("un3-0123abcd", 3), ("un1-0123abcd", 1)]
    assert {(run.ticket_open, run.host, run.claimed_at, run.reason) for run in claimed} == {
        (True, "h7", clock(), "starting")
    }
    assert claimed[1].revision == first.revision + 1
    assert database.write(work) == []


def test_a_first_run_that_can_not_be_read_is_named_unless_it_is_to_be_passed_over(
    sqlite: Database, clock: Clock
) -> None:
    run = sqlite.write(lambda connection: add_run(connection, clock()))
    with sqlite.writer.begin() as connection:
        connection.execute(text("UPDATE run SET queued_at = 'yesterday'"))
    with pytest.raises(Garbled, match="can't be read"):
        places(sqlite)
    assert places(sqlite, passed_over=[run.id]) == []


def test_on_sqlite_nothing_that_is_asked_in_each_tick_looks_through_all_runs(sqlite: Database, clock: Clock) -> None:
    sqlite.write(lambda connection: add_run(connection, clock()))
    asked: list[tuple[str, Any]] = []
    event.listen(sqlite.reader, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    with sqlite.read() as connection:
        claimable.exist(connection, "local")
        claimable.count(connection, "local")
        (place,) = claimable.lanes(connection, "local")
        claimable.further_lanes(connection, "local", place, 9)
        list(claimable.runs_of(connection, "local", place, 9))
        claimable.taken(connection, "local", "h1")
        for statement, values in list(asked):
            plan = [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert not [step for step in plan if step.startswith(("SCAN run", "SCAN r", "SCAN attempt"))], statement
            searches = [step for step in plan if step.startswith("SEARCH run USING")]
            assert all("ix_run_claimable" in step for step in searches), (statement, searches)


@dataclass(frozen=True)
class Queued:
    """A queued run of the model."""

    by: str
    priority: int
    cpus: int
    seconds: int
    held: bool


queues = st.lists(
    st.builds(
        Queued,
        by=st.sampled_from(["anna", "bob", "Zoe"]),
        priority=st.integers(-1, 1),
        cpus=st.integers(1, 3),
        seconds=st.integers(0, 2),
        held=st.booleans(),
    ),
    max_size=25,
)


def expected_lanes(queue: list[tuple[int, Queued]]) -> dict[tuple[str, int, int], list[int]]:
    lanes: dict[tuple[str, int, int], list[int]] = {}
    for run_id, run in sorted(queue, key=lambda one: (one[1].seconds, one[0])):
        if not run.held:
            lanes.setdefault((run.by, run.priority, run.cpus), []).append(run_id)
    return lanes


def in_pieces(database: Database, first: list[LaneHead]) -> Iterator[LaneHead]:
    """The lanes found at first, and of each user those beyond."""
    for _, mine in itertools.groupby(first, key=lambda place: place.by):
        known = list(mine)
        yield from known
        while known:
            with database.read() as connection:
                known = claimable.further_lanes(connection, "local", known[-1], 2)
            yield from known


@settings(max_examples=40)
@given(queue=queues, most=st.integers(3, 30))
def test_the_lanes_are_those_of_a_plain_model(database: Database, clock: Clock, queue: list[Queued], most: int) -> None:
    def fill(connection: Connection) -> list[tuple[int, Queued]]:
        connection.execute(text("DELETE FROM run"))
        made = []
        for one in queue:
            at = clock() + timedelta(seconds=one.seconds)
            values = {"by": one.by, "priority": one.priority, "cpus": one.cpus, "held": one.held}
            made.append((add_run(connection, clock(), scheduled_at=at, **values).id, one))
        return made

    expected = expected_lanes(database.write(fill))
    with patch.object(claimable, "LANES_AT_MOST", most):
        first = sorted(places(database), key=lambda place: place.by)
    users = {by for by, _, _ in expected}
    for by in users:
        mine = [place for place in first if place.by == by]
        of_user = [priority for name, priority, _ in expected if name == by]
        assert len(mine) == min(len(of_user), most // len(users))
        assert [place.priority for place in mine] == sorted(of_user, reverse=True)[: len(mine)]
    with patch.object(claimable, "LANES_AT_MOST", 1000):
        everything = places(database)
    assert {(one.by, one.priority, one.demand.cpus): lane(database, one) for one in everything} == expected
    if most >= len(users):
        beyond = [(one.by, one.priority, one.demand.cpus) for one in in_pieces(database, first)]
        assert sorted(beyond) == sorted(expected)
