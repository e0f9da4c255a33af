"""What a claim counts, writes and costs; and whose turn it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Row, event, text

from lackey.domain.resources import Capacity
from lackey.domain.run import RunState
from lackey.services.dispatch import claiming, launching
from lackey.services.dispatch.claiming import Claim, Memory, Site
from lackey.services.runs import scheduling
from lackey.services.runs.scheduling import Wanted
from lackey.store import claimable
from tests.services.lab import Lab
from tests.store.rows import attempts_of


def of_run(lab: Lab, run_id: int) -> list[Row[Any]]:
    with lab.database.read() as connection:
        return attempts_of(connection, run_id)


def make(lab: Lab, by: str = "anna", **wanted: Any) -> int:
    return scheduling.schedule(lab.database, Wanted("heat/explicit", **wanted), by, lab.clock())[0].id


def claim(lab: Lab, memory: Memory | None = None, **has: Any) -> list[Claim]:
    site = Site("h1", "-0123abcd", Capacity(**{"cpus": 1, **has}))
    return claiming.claim(lab.database, site, {"store": "it is away"}, (), lab.clock(), memory=memory)


def ids(claims: list[Claim]) -> list[int]:
    return [one.run.id for one in claims]


def test_the_attempt_stands_beside_the_run_with_what_it_takes(lab: Lab) -> None:
    run_id = make(lab, instead={"cpus": 2, "memory_bytes": 7, "gpus": 1})
    (claimed,) = claim(lab, cpus=4, memory_bytes=10, gpus=("a", "b"))
    (attempt,) = of_run(lab, run_id)
    assert (attempt.number, attempt.ticket, attempt.scheduler) == (1, claimed.ticket, "-0123abcd")
    assert (attempt.executor, attempt.by, attempt.share, attempt.host) == ("local", "anna", "lab", "h1")
    assert (attempt.cpus, attempt.memory_bytes, attempt.gpus) == (2, 7, ["a"])
    assert (attempt.application_id, attempt.claimed_at, attempt.closed_at) == (1, lab.clock(), None)


@pytest.mark.parametrize("end", ["ended", "gone", "void"])
def test_an_attempt_is_closed_with_what_it_came_to(lab: Lab, end: str) -> None:
    run_id = make(lab)
    (claimed,) = claim(lab)
    now = lab.clock.forward(1)
    if end == "ended":
        lab.end(claimed)
    elif end == "gone":
        launching.gone(lab.database, claimed.ticket, None, now)
    else:
        launching.give_back(lab.database, claimed.ticket, "no fork", now)
    (attempt,) = of_run(lab, run_id)
    assert (attempt.came_to, attempt.closed_at) == (end, now)
    another = run_id if end == "void" else make(lab)
    assert ids(claim(lab)) == [another], "what it took is free"
    assert of_run(lab, another)[-1].number == (2 if end == "void" else 1)


def test_an_attempt_that_an_older_database_did_not_know_of_takes_the_place_of_the_new_one(lab: Lab) -> None:
    run_id = make(lab)
    (claimed,) = claim(lab)
    launching.adopt(lab.database, claimed.ticket, "e" * 8 + "-0123abcd", lab.clock())
    drawn, attempt = of_run(lab, run_id)
    assert (drawn.ticket, drawn.came_to, attempt.closed_at) == (claimed.ticket, "void", None)
    assert (attempt.ticket, attempt.scheduler) == ("e" * 8 + "-0123abcd", "-0123abcd")


def test_no_more_starts_than_there_are_cpus_and_memory(lab: Lab) -> None:
    large = [make(lab, instead={"cpus": 3}) for _ in range(2)]
    heavy = [make(lab, instead={"memory_bytes": 6}) for _ in range(2)]
    first = claim(lab, cpus=5, memory_bytes=10)
    assert ids(first) == [large[0], heavy[0]]
    assert claim(lab, cpus=5, memory_bytes=10) == []
    lab.end(first[0])
    assert ids(claim(lab, cpus=5, memory_bytes=10)) == [large[1]]
    lab.end(first[1])
    assert ids(claim(lab, cpus=5, memory_bytes=10)) == [heavy[1]]


def test_no_device_is_given_to_two_and_each_is_free_again_when_its_run_has_ended(lab: Lab) -> None:
    for count in (2, 1, 1):
        make(lab, instead={"gpus": count})
    first, second = claim(lab, cpus=9, gpus=("a", "b", "c"))
    assert (first.gpus, second.gpus) == (("a", "b"), ("c",))
    assert claim(lab, cpus=9, gpus=("a", "b", "c")) == []
    lab.end(second)
    assert [one.gpus for one in claim(lab, cpus=9, gpus=("a", "b", "c"))] == [("c",)]


@pytest.mark.parametrize("has", [{"cpus": 4}, {"cpus": 4, "slots": 1}])
def test_the_single_run_of_another_is_not_behind_all_those_of_a_sweep(lab: Lab, has: dict[str, Any]) -> None:
    for _ in range(30):
        make(lab)
    memory = Memory()
    started = claim(lab, memory, **has)
    bobs = make(lab, "bob")
    assert bobs not in ids(claim(lab, memory, **has))
    lab.end(started[0])
    assert ids(claim(lab, memory, **has)) == [bobs], "the first that ends lets it start"


def test_a_large_run_has_what_is_free_kept_for_it_from_one_claim_to_the_next(lab: Lab) -> None:
    memory = Memory()
    for _ in range(4):
        make(lab)
    running = claim(lab, memory, cpus=4)
    large = make(lab, instead={"cpus": 3})
    lab.clock.forward(timedelta(minutes=10).total_seconds())
    small = make(lab, "bob")
    for one in running[:2]:
        lab.end(one)
        assert claim(lab, memory, cpus=4) == []
        assert memory.kept_for == large
    lab.end(running[2])
    assert ids(claim(lab, memory, cpus=4)) == [large]
    lab.end(running[3])
    assert ids(claim(lab, memory, cpus=4)) == [small]


def test_runs_that_the_version_before_made_are_claimed_as_all_others(lab: Lab) -> None:
    made = [make(lab, priority=number % 2) for number in range(4)]
    with lab.database.writer.begin() as connection:
        connection.execute(text("UPDATE run SET lane = ''"))
    assert ids(claim(lab, cpus=9)) == [made[1], made[3], made[0], made[2]]
    assert all(lab.run(run_id).lane for run_id in made)


def test_however_many_kinds_of_runs_wait_for_a_share_those_of_another_get_their_turn(lab: Lab) -> None:
    for number in range(20):
        make(lab, priority=number, instead={"share": "store"})
    last = make(lab, priority=-1)
    memory, found = Memory(), list[int]()
    with (
        patch.object(claiming, "FURTHER_LANES", 4),
        patch.object(claiming, "LANES_AT_MOST", 4),
        patch.object(claimable, "LANES_AT_MOST", 4),
    ):
        for _ in range(6):
            found += ids(claim(lab, memory))
    assert found == [last]


def test_however_many_users_wait_for_a_share_those_of_another_get_their_turn(lab: Lab) -> None:
    for name in "abcdef":
        make(lab, name, priority=1, instead={"share": "store"})
    last = make(lab, "zoe")
    memory, found = Memory(), list[int]()
    with patch.object(claiming, "USERS_AT_MOST", 2), patch.object(claimable, "USERS_AT_MOST", 2):
        for _ in range(4):
            found += ids(claim(lab, memory))
    assert found == [last]


@contextmanager
def statements(lab: Lab) -> Iterator[list[str]]:
    """What the database is asked meanwhile."""
    asked: list[str] = []

    def note(*told: Any) -> None:
        asked.append(told[2])

    engines = (lab.database.reader, lab.database.writer)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield asked
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


def test_as_much_is_asked_and_written_whether_few_wait_or_many(lab: Lab) -> None:
    lab.add_application(name="few", max_running=1)
    asked: list[list[str]] = []
    for count in (3, 200):
        waiting = [scheduling.schedule(lab.database, Wanted("heat/few"), "anna", lab.clock())[0] for _ in range(count)]
        with statements(lab) as known:
            (started,) = claim(lab, cpus=9)
        asked.append(known)
        with statements(lab) as known:
            assert claim(lab, cpus=9) == []
        assert not [one for one in known if not one.lstrip().startswith(("SELECT", "WITH"))]
        asked.append(known)
        assert lab.run(waiting[-1].id) == waiting[-1]
        lab.end(started)
    assert [len(one) for one in asked[:2]] == [len(one) for one in asked[2:]]
    assert lab.state(started.run.id) is RunState.SUCCEEDED
