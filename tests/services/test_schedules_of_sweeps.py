"""Recurring schedules that make a sweep each time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from lackey.domain.refusals import Invalid, TooMany, Unavailable
from lackey.domain.run import RunState
from lackey.domain.schedule import Schedule, Tick
from lackey.domain.sweep import Spread, Sweep
from lackey.services.catalogue import changing as catalogue
from lackey.services.schedules import changing, firing, reading
from lackey.services.schedules.firing import Drafts
from lackey.services.sweeps import changing as sweep_changing
from lackey.services.sweeps import making
from lackey.services.sweeps import reading as sweeps
from tests.services.lab import SHARES, Lab
from tests.services.sweeping import begun, care, counts, left

USUAL: dict[str, Any] = {"application": "heat/explicit", "parameters": {}, "cron": "0 * * * *", "timezone": "UTC"}
USUAL |= {"overlap": "skip", "catch_up": "latest", "paused": False, "grid": {"n": "1..3"}}


def add(lab: Lab, **values: Any) -> Schedule:
    """A schedule of three runs each full hour, which differs from the usual in `values`."""
    return changing.add(lab.database, {**USUAL, **values}, "anna", lab.clock())


def fire(lab: Lab, hours: float, drafts: Drafts | None = None) -> datetime | None:
    """The scheduler looks, after a while."""
    lab.clock.forward(3600 * hours)
    return firing.fire(lab.database, lab.clock(), drafts)


def history(lab: Lab, schedule: Schedule) -> list[Tick]:
    """What has come of its times, the first first."""
    return [tick for _, tick in reading.ticks(lab.database, schedule.id, None, 1000)][::-1]


def made(lab: Lab) -> list[Sweep]:
    """All sweeps there are, the first first."""
    return [state.sweep for state in sweeps.listing(lab.database, None, 100, None, lab.clock())][::-1]


def end_all(lab: Lab) -> None:
    """Its runs are made, begin and end well."""
    care(lab)
    for claim in begun(lab, lab.claim()):
        lab.end(claim)
    care(lab)


def at(hour: int) -> datetime:
    """A time of the day on which the clock begins, at noon."""
    return datetime(2026, 3, 5, tzinfo=UTC) + timedelta(hours=hour)


def test_each_time_a_sweep_is_made_as_the_user_who_made_the_schedule(lab: Lab) -> None:
    schedule = add(lab, max_running=2)
    assert schedule.sweep == Spread({"n": "1..3"}, [], 2, 3)
    assert fire(lab, 1) == at(14)
    (sweep,) = made(lab)
    assert (sweep.schedule_id, sweep.by, sweep.points, sweep.max_running) == (schedule.id, "anna", 3, 2)
    assert (sweep.names, sweep.scheduled_at) == (["n"], at(13))
    assert history(lab, schedule) == [Tick(at(13), at(13), "made", sweep_id=sweep.id)]
    care(lab)
    assert [(run.parameters, run.sweep_id) for run in lab.runs()] == [({"n": str(n)}, sweep.id) for n in (1, 2, 3)]
    assert fire(lab, 0) == at(14), "it is not made again"
    assert len(made(lab)) == 1


def test_rows_take_the_place_of_a_grid_and_other_parameters_are_the_same_in_all(lab: Lab) -> None:
    lab.add_application(name="two", parameters=[{"name": "n"}, {"name": "m"}], command="./heat {n} {m}")
    rows = [{"n": "1"}, {"n": "5"}]
    add(lab, application="heat/two", grid={}, points=rows, parameters={"m": "7"})
    fire(lab, 1)
    care(lab)
    assert [run.parameters for run in lab.runs()] == [{"n": "1", "m": "7"}, {"n": "5", "m": "7"}]


@pytest.mark.parametrize("overlap", ["skip", "allow"])
def test_as_long_as_any_run_of_the_one_before_has_not_ended_it_goes_on(lab: Lab, overlap: str) -> None:
    schedule = add(lab, overlap=overlap)
    fire(lab, 1)
    fire(lab, 1)
    skipped = ["made", "skipped" if overlap == "skip" else "made"]
    assert [tick.came_to for tick in history(lab, schedule)] == skipped
    if overlap == "skip":
        assert history(lab, schedule)[1].reason == "sweep 1, the one before, has not ended"
        assert left(lab) == (1, 3), "nothing is written in vain"
        end_all(lab)
        assert counts(lab, made(lab)[0]) == {RunState.SUCCEEDED: 3}
        fire(lab, 1)
        assert [tick.came_to for tick in history(lab, schedule)] == ["made", "skipped", "made"]


def test_one_sweep_at_most_waits_for_the_one_before(lab: Lab) -> None:
    schedule = add(lab, overlap="queue")
    for _ in range(3):
        fire(lab, 1)
        care(lab)
    assert [tick.came_to for tick in history(lab, schedule)] == ["made", "made", "skipped"]
    assert history(lab, schedule)[2].reason == "sweep 2 waits already for the one before"
    first, second = made(lab)
    assert counts(lab, second) == {RunState.SCHEDULED: 3}
    assert {claim.run.sweep_id for claim in lab.claim()} == {first.id}, "the second one waits"


def test_a_sweep_that_waits_begins_once_the_one_before_has_ended_however_it_did(lab: Lab) -> None:
    schedule = add(lab, overlap="queue")
    fire(lab, 1)
    care(lab)
    fire(lab, 1)
    sweep_changing.cancel(lab.database, 1, "anna", lab.clock())
    care(lab)
    assert counts(lab, made(lab)[0]) == {RunState.CANCELLED: 3}
    assert counts(lab, made(lab)[1]) == {RunState.QUEUED: 3}
    fire(lab, 1)
    assert [tick.came_to for tick in history(lab, schedule)] == ["made"] * 3, "the third one waits for the second"


def test_a_sweep_waits_for_the_run_that_was_made_before_it_was_changed_to_one(lab: Lab) -> None:
    schedule = add(lab, grid={}, overlap="queue")
    fire(lab, 1)
    changing.change(lab.database, schedule.id, {"points": [{"n": "1"}]}, lab.clock())
    fire(lab, 1)
    care(lab)
    assert counts(lab, made(lab)[0]) == {RunState.SCHEDULED: 1}
    end_all(lab)
    assert counts(lab, made(lab)[0]) == {RunState.QUEUED: 1}


def test_the_run_of_before_it_was_changed_to_a_sweep_counts_too(lab: Lab) -> None:
    schedule = add(lab, grid={})
    fire(lab, 1)
    changing.change(lab.database, schedule.id, {"points": [{"n": "1"}]}, lab.clock())
    fire(lab, 1)
    assert [(tick.came_to, tick.run_id) for tick in history(lab, schedule)] == [("made", 1), ("skipped", None)]


def test_it_is_changed_between_a_run_a_grid_and_rows(lab: Lab) -> None:
    schedule = add(lab)

    def change(**values: Any) -> Spread | None:
        return changing.change(lab.database, schedule.id, values, lab.clock()).sweep

    assert change(max_running=5) == Spread({"n": "1..3"}, [], 5, 3)
    assert change(points=[{"n": "1"}]) == Spread({}, [{"n": "1"}], 5, 1)
    assert change(grid={"n": ["1", "2"]}) == Spread({"n": ["1", "2"]}, [], 5, 2)
    assert change(cron="0 3 * * *") == Spread({"n": ["1", "2"]}, [], 5, 2)
    assert change(grid={}) is None


def test_what_no_sweep_could_be_made_of_is_refused_when_it_is_saved(lab: Lab) -> None:
    for wrong, field in (
        ({"points": [{"n": "1"}]}, "grid"),
        ({"grid": {"n": "0.5..1"}}, "grid.n"),
        ({"grid": {"m": "1,2"}}, "grid.m"),
    ):
        with pytest.raises(Invalid) as refused:
            add(lab, **wrong)
        assert refused.value.errors[0].field == field
    with pytest.raises(TooMany):
        add(lab, grid={"n": "1..100000", "m": "1,2"})


def test_what_no_longer_fits_is_told_in_its_history_and_nothing_is_left(lab: Lab) -> None:
    schedule = add(lab)
    other = {"parameters": [{"name": "k", "default": "1"}], "command": "./heat {k}"}
    catalogue.change_application(lab.database, 1, other, SHARES)
    fire(lab, 1)
    (tick,) = history(lab, schedule)
    assert (tick.came_to, tick.sweep_id) == ("refused", None)
    assert "n" in (tick.reason or "")
    care(lab)
    assert left(lab) == (0, 0)


def test_a_time_that_is_days_ago_is_caught_up(lab: Lab) -> None:
    schedule = add(lab, cron="0 13 5 * *")
    fire(lab, 24 * 9)
    assert [tick.came_to for tick in history(lab, schedule)] == ["caught_up"]
    assert made(lab)[0].scheduled_at == at(13)


def test_a_large_one_is_written_in_pieces_that_let_others_through(lab: Lab) -> None:
    schedule, drafts = add(lab, grid={"n": "1..20"}), Drafts()
    with patch.object(making, "POINTS_AT_ONCE", 2):
        looks = 0
        while fire(lab, 1 if looks == 0 else 0, drafts) == at(13):
            looks += 1
            assert (made(lab), history(lab, schedule)) == ([], []), "nothing of it is there before all of it is"
        assert looks == 2
    assert [sweep.points for sweep in made(lab)] == [20]
    assert [tick.came_to for tick in history(lab, schedule)] == ["made"]


def test_what_a_scheduler_that_died_had_written_is_removed_and_it_fires_once(lab: Lab) -> None:
    schedule = add(lab, grid={"n": "1..20"})
    with patch.object(making, "POINTS_AT_ONCE", 2):
        fire(lab, 1, Drafts())
        assert left(lab)[0] == 1
        lab.clock.forward(61)
        fire(lab, 0, Drafts())
        care(lab)
        drafts = Drafts()
        while fire(lab, 0, drafts) == at(13):
            pass
    care(lab)
    assert [tick.came_to for tick in history(lab, schedule)] == ["made"]
    assert ([sweep.points for sweep in made(lab)], len(lab.runs())) == ([20], 20)
    lab.clock.forward(61)
    care(lab)
    assert left(lab) == (1, 20)


def test_two_schedulers_at_once_make_one_sweep(lab: Lab) -> None:
    schedule, looks = add(lab), list[None]()
    write = firing._is_written

    def interrupted(*given: Any) -> bool:
        looks.append(None)
        if len(looks) == 1:
            fire(lab, 0)
        return write(*given)

    with patch.object(firing, "_is_written", interrupted):
        fire(lab, 1)
    care(lab)
    assert (len(looks), len(made(lab)), len(lab.runs())) == (2, 1, 3)
    assert [tick.came_to for tick in history(lab, schedule)] == ["made"]
    assert left(lab) == (1, 3)


def test_one_that_was_taken_for_given_up_is_written_anew(lab: Lab) -> None:
    schedule, drafts = add(lab, grid={"n": "1..20"}), Drafts()
    with patch.object(making, "POINTS_AT_ONCE", 2):
        fire(lab, 1, drafts)
        lab.clock.forward(61)
        care(lab)
        with pytest.raises(Unavailable):
            fire(lab, 0, drafts)
        while fire(lab, 0, drafts) == at(13):
            pass
    assert [tick.came_to for tick in history(lab, schedule)] == ["made"]
    assert left(lab) == (1, 20)


def test_one_that_is_changed_while_it_is_written_is_made_as_it_is_then(lab: Lab) -> None:
    schedule, drafts = add(lab, grid={"n": "1..20"}), Drafts()
    with patch.object(making, "POINTS_AT_ONCE", 2):
        fire(lab, 1, drafts)
        changing.change(lab.database, schedule.id, {"grid": {"n": "1..12"}}, lab.clock())
        while fire(lab, 0, drafts) == at(13):
            pass
    care(lab)
    assert ([sweep.points for sweep in made(lab)], left(lab)) == ([12], (1, 12))


def test_one_that_is_paused_while_it_is_written_makes_none(lab: Lab) -> None:
    schedule, drafts = add(lab, grid={"n": "1..20"}), Drafts()
    with patch.object(making, "POINTS_AT_ONCE", 2):
        fire(lab, 1, drafts)
    changing.change(lab.database, schedule.id, {"paused": True}, lab.clock())
    fire(lab, 0, drafts)
    care(lab)
    assert (history(lab, schedule), left(lab)) == ([], (0, 0))


def test_its_sweep_is_cancelled_as_any(lab: Lab) -> None:
    add(lab)
    fire(lab, 1)
    care(lab)
    sweep_changing.cancel(lab.database, 1, "anna", lab.clock())
    care(lab)
    assert counts(lab, made(lab)[0]) == {RunState.CANCELLED: 3}
