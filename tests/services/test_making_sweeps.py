"""A sweep is made as a whole or not at all, whatever happens meanwhile."""

from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from lackey.domain.refusals import Conflict, Invalid, NotFound, TooMany, Unavailable
from lackey.domain.sweep import Sweep, check_size
from lackey.services.idempotency import Once
from lackey.services.runs.scheduling import Wanted
from lackey.services.sweeps import changing, making, reading
from lackey.services.sweeps.making import WantedSweep
from tests.services.lab import Lab
from tests.services.sweeping import QUEUED, care, counts, left, make, whole


def test_a_sweep_has_a_run_for_each_point_in_order_and_with_what_runs_have_of_their_application(lab: Lab) -> None:
    sweep = make(lab, 3, priority=2, instead={"retries": 1, "cpus": 2})
    made = lab.runs()
    assert (sweep.points, sweep.unmade, sweep.names) == (3, 0, ["n"])
    assert [(run.parameters, run.point, run.sweep_id) for run in made] == [
        ({"n": str(number)}, number + 1, sweep.id) for number in range(3)
    ]
    usual = lab.schedule(parameters={"n": "0"}, priority=2, instead={"retries": 1, "cpus": 2})
    differing = {"id", "uid", "cause", "lane", "sweep_id", "point"}
    assert {name for name, value in vars(usual).items() if vars(made[0])[name] != value} == differing
    assert len({run.uid for run in made}) == 3 and made[0].cause == "sweep"
    assert [event.text for event in lab.history(made[0].id)] == ["made; queued"]
    assert counts(lab, sweep) == {QUEUED: 3}


def test_a_sweep_of_more_than_one_piece_is_made_whole(lab: Lab) -> None:
    with patch.object(making, "POINTS_AT_ONCE", 4), patch.object(making, "RUNS_AT_ONCE", 3):
        sweep = make(lab, 10)
    assert [run.parameters["n"] for run in lab.runs()] == [str(number) for number in range(10)]
    care(lab)
    assert (counts(lab, sweep), whole(lab, sweep).decided) == ({QUEUED: 10}, 0)


def test_all_faulty_points_are_named_and_nothing_is_made(lab: Lab) -> None:
    lab.add_application(name="checked", parameters=[{"name": "n", "kind": "integer"}])
    bad = WantedSweep(
        Wanted("heat/checked"), lambda: [("line 2", {"n": "x"}), ("line 3", {"n": "1"}), ("line 4", {"m": "1"})]
    )
    with pytest.raises(Invalid) as refused:
        making.make(lab.database, bad, "anna", lab.clock)
    assert [error.field for error in refused.value.errors] == ["line 2.n", "line 4.n", "line 4.m"]
    assert lab.runs() == [] and left(lab) == (0, 0)


class Died(BaseException):
    """The maker is no more."""


def half_made(lab: Lab, pieces: int) -> None:
    """A sweep whose maker dies before it has written so many pieces and one more."""
    write, written = making._write_piece, list[int]()

    def piece(*args: Any, **given: Any) -> None:
        if len(written) == pieces:
            raise Died
        written.append(1)
        write(*args, **given)

    with patch.multiple(making, POINTS_AT_ONCE=2, _write_piece=piece, remove=lambda *_: None), pytest.raises(Died):
        make(lab, 7)


def test_what_is_half_made_is_not_to_be_seen_and_is_removed_when_its_maker_is_silent(lab: Lab) -> None:
    half_made(lab, pieces=2)
    assert left(lab) == (1, 4)
    assert (lab.runs(), reading.listing(lab.database, None, 10, None, lab.clock()), lab.claim()) == ([], [], [])
    with pytest.raises(NotFound):
        changing.cancel(lab.database, 1, "anna", lab.clock())
    care(lab)
    assert left(lab) == (1, 4)
    lab.clock.forward(61)
    with patch.object(making, "POINTS_AT_ONCE", 1):
        care(lab)
    assert left(lab) == (0, 0)


def test_a_maker_that_was_taken_for_dead_says_so_and_leaves_nothing(lab: Lab) -> None:
    pieces = making._pieces

    def stalled(made: Any) -> Any:
        for number, piece in enumerate(pieces(made)):
            if number == 2:
                lab.clock.forward(61)
                care(lab)
            yield piece

    with patch.multiple(making, POINTS_AT_ONCE=2, _pieces=stalled), pytest.raises(Unavailable, match="try again"):
        make(lab, 7)
    assert left(lab) == (0, 0) and lab.runs() == []


def test_an_error_half_way_leaves_nothing(lab: Lab) -> None:
    write = making._write_piece

    def fails(*args: Any, **given: Any) -> None:
        if given["first"] > 4:
            raise Unavailable("the disk is full")
        write(*args, **given)

    with patch.multiple(making, POINTS_AT_ONCE=2, _write_piece=fails), pytest.raises(Unavailable):
        make(lab, 7)
    assert left(lab) == (0, 0) and lab.runs() == []


def test_of_a_complete_sweep_whose_maker_dies_the_scheduler_makes_the_other_runs(lab: Lab) -> None:
    with patch.object(making, "_make_runs_now", lambda *_: None), patch.object(making, "RUNS_AT_ONCE", 2):
        sweep = make(lab, 5)
        assert (counts(lab, sweep), lab.runs()) == ({QUEUED: 5}, [])
        care(lab)
        assert lab.runs() == []
        lab.clock.forward(61)
        care(lab)
    assert [run.parameters["n"] for run in lab.runs()] == ["0", "1", "2", "3", "4"]
    assert counts(lab, sweep) == {QUEUED: 5}


def test_one_who_would_have_too_many_waiting_gets_none(lab: Lab) -> None:
    lab.schedule()
    with patch.object(making, "WAITING_RUNS", 4):
        with pytest.raises(TooMany, match="WAITING_RUNS"):
            make(lab, 4)
        assert left(lab) == (0, 0)
        make(lab, 3)


def test_the_same_request_again_answers_the_same_sweep(lab: Lab) -> None:
    once = Once("anna", "key", b"request")
    first = make(lab, once=once)
    assert make(lab, once=once).id == first.id
    assert (len(lab.runs()), left(lab)) == (3, (1, 3))
    with pytest.raises(Conflict):
        make(lab, once=Once("anna", "key", b"another"))


def test_of_two_that_are_the_same_request_at_once_one_is_made(lab: Lab) -> None:
    once, check, others = Once("anna", "key", b"request"), check_size, list[Sweep]()

    def meanwhile(number: int) -> None:
        with patch.object(making, "check_size", check):
            others.append(make(lab, once=once))

    with patch.object(making, "check_size", meanwhile):
        assert make(lab, once=once).id == others[0].id
    assert left(lab) == (1, 3) and len(lab.runs()) == 3


def test_runs_that_are_still_to_be_made_count_as_waiting(lab: Lab) -> None:
    with patch.object(making, "_make_runs_now", lambda *_: None), patch.object(making, "WAITING_RUNS", 4):
        make(lab, 3)
        with pytest.raises(TooMany):
            make(lab, 2)
        make(lab, 2, by="bob")


def test_a_maker_whose_sweep_is_being_removed_adds_nothing_to_it(lab: Lab) -> None:
    pieces = making._pieces

    def stalled(made: Any) -> Any:
        for number, piece in enumerate(pieces(made)):
            if number == 2:
                lab.database.write(partial(making._begin_removal, sweep_id=1, older_than=lab.clock.forward(61)))
            yield piece

    with patch.multiple(making, POINTS_AT_ONCE=2, _pieces=stalled, remove=lambda *_: None), pytest.raises(Unavailable):
        make(lab, 7)
    assert left(lab) == (1, 4)
    care(lab)
    assert left(lab) == (0, 0)
