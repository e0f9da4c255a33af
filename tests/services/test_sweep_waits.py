"""Runs and sweeps wait for sweeps and runs: released, cancelled and put right as what they wait for has it."""

from datetime import timedelta
from unittest.mock import patch

import pytest

from lackey.domain.dependencies import Dependency, Wants
from lackey.domain.refusals import Conflict, Invalid
from lackey.domain.run import Run, RunState
from lackey.domain.sweep import Sweep
from lackey.services.dispatch import silence
from lackey.services.dispatch.claiming import Claim
from lackey.services.runs import cancelling, listing, rerunning
from lackey.services.runs.queries import Search
from lackey.services.runs.rerunning import Changes
from lackey.services.sweeps import changing, making, reading
from lackey.services.sweeps.care import Care
from tests.services.edges import CANCELLED, LOST, QUEUED, SCHEDULED, after, tick
from tests.services.lab import Lab
from tests.services.sweeping import FAILED, SUCCEEDED, begun, cancel, care, counts, make, rerun


def on(sweep: Sweep, wants: Wants = "succeeded") -> Dependency:
    return Dependency(sweep.id, wants, "sweep")


def on_run(run: Run, wants: Wants = "succeeded") -> Dependency:
    return Dependency(run.id, wants)


def settle(lab: Lab) -> None:
    """Let the scheduler do all there is to do."""
    for _ in range(3):
        care(lab)
        tick(lab)


def end_all(lab: Lab, claims: list[Claim], code: int = 0) -> None:
    for claim in begun(lab, claims):
        lab.end(claim, code)
    settle(lab)


def why(lab: Lab, sweep: Sweep) -> str | None:
    return reading.one(lab.database, sweep.id, lab.clock()).reason


def test_a_run_waits_for_a_sweep_until_all_its_points_have_succeeded(lab: Lab) -> None:
    sweep = make(lab, 2)
    run = lab.schedule(after=(on(sweep),))
    assert (run.state, lab.says(run.id)) == (SCHEDULED, f"waits for sweep {sweep.id} to succeed")
    first, second = begun(lab, lab.claim())
    lab.end(first)
    settle(lab)
    assert lab.state(run.id) is SCHEDULED
    lab.end(second)
    settle(lab)
    assert lab.state(run.id) is QUEUED


def test_a_run_whose_sweep_has_failed_is_cancelled_and_comes_back_when_the_points_are_run_again(lab: Lab) -> None:
    sweep = make(lab, 2)
    run = lab.schedule(after=(on(sweep),))
    of_failure = lab.schedule(after=(on(sweep, "failed"),))
    first, second = begun(lab, lab.claim())
    lab.end(first, 1)
    settle(lab)
    assert [lab.state(one.id) for one in (run, of_failure)] == [SCHEDULED, SCHEDULED]
    lab.end(second)
    settle(lab)
    assert (lab.state(run.id), lab.says(run.id)) == (CANCELLED, f"sweep {sweep.id}, which it waited for, is failed")
    assert lab.state(of_failure.id) is QUEUED
    assert rerun(lab, sweep) == 1
    settle(lab)
    assert [lab.state(one.id) for one in (run, of_failure)] == [SCHEDULED, SCHEDULED]
    (again,) = (claim for claim in lab.claim() if claim.run.sweep_id == sweep.id)
    end_all(lab, [again])
    assert [lab.state(one.id) for one in (run, of_failure)] == [QUEUED, CANCELLED]


def test_a_run_after_a_sweep_that_has_ended_starts_at_once_or_never(lab: Lab) -> None:
    sweep = make(lab, 1)
    end_all(lab, lab.claim(), 3)
    assert lab.schedule(after=(on(sweep, "ended"),)).state is QUEUED
    assert lab.schedule(after=(on(sweep, "succeeded"),)).state is CANCELLED


def test_a_sweep_waits_for_a_run_and_none_of_its_runs_is_started_before(lab: Lab) -> None:
    first = lab.schedule()
    sweep = make(lab, 3, after=(on_run(first),))
    assert counts(lab, sweep) == {SCHEDULED: 3}
    assert why(lab, sweep) == f"waits for run {first.id} to succeed"
    (claim,) = lab.claim()
    assert lab.says(lab.runs()[-1].id) == f"its sweep waits for run {first.id} to succeed"
    end_all(lab, [claim])
    assert (counts(lab, sweep), why(lab, sweep)) == ({QUEUED: 3}, None)
    assert len(lab.claim()) == 3


def test_a_sweep_that_waits_in_vain_is_cancelled_and_comes_back_when_that_is_put_right(lab: Lab) -> None:
    first = lab.launched()
    sweep = make(lab, 3, after=(on_run(first.run),))
    behind = lab.schedule(after=(on(sweep, "ended"),))
    lab.end(first, 1)
    settle(lab)
    assert counts(lab, sweep) == {CANCELLED: 3}
    assert why(lab, sweep) == f"run {first.run.id}, which it waited for, is failed"
    assert reading.one(lab.database, sweep.id, lab.clock()).counts.outcome is CANCELLED
    assert lab.state(behind.id) is QUEUED
    again, _ = rerunning.rerun(lab.database, first.run.id, "anna", lab.clock(), dependents=True)
    settle(lab)
    assert (counts(lab, sweep), lab.state(behind.id)) == ({SCHEDULED: 3}, SCHEDULED)
    assert why(lab, sweep) == f"waits for run {first.run.id} to succeed"
    end_all(lab, [claim for claim in lab.claim() if claim.run.id == again.id])
    assert counts(lab, sweep) == {QUEUED: 3}


def test_a_sweep_waits_for_a_sweep_that_waits_for_a_sweep(lab: Lab) -> None:
    first = make(lab, 2)
    second = make(lab, 2, after=(on(first),))
    third = make(lab, 2, after=(on(second), on(first, "ended")))
    assert why(lab, third) == f"waits for sweep {second.id} to succeed and sweep {first.id} to end"
    for sweep in (first, second, third):
        claims = lab.claim()
        assert {claim.run.sweep_id for claim in claims} == {sweep.id} and len(claims) == 2
        end_all(lab, claims)
    assert counts(lab, third) == {SUCCEEDED: 2}


def test_in_a_chain_of_sweeps_all_behind_the_failed_one_are_cancelled_and_come_back(lab: Lab) -> None:
    first = make(lab, 2)
    others = [first]
    for _ in range(3):
        others.append(make(lab, 2, after=(on(others[-1]),)))
    end_all(lab, lab.claim(), 1)
    assert [counts(lab, sweep) for sweep in others] == [{FAILED: 2}] + [{CANCELLED: 2}] * 3
    rerun(lab, first)
    settle(lab)
    assert [counts(lab, sweep) for sweep in others] == [{QUEUED: 2}] + [{SCHEDULED: 2}] * 3
    end_all(lab, lab.claim())
    assert counts(lab, others[1]) == {QUEUED: 2}


def test_a_sweep_made_after_what_has_ended_already_begins_or_is_cancelled(lab: Lab) -> None:
    done = lab.launched()
    lab.end(done)
    good, bad = make(lab, 2, after=(on_run(done.run),)), make(lab, 2, after=(on_run(done.run, "failed"),))
    settle(lab)
    assert (counts(lab, good), counts(lab, bad)) == ({QUEUED: 2}, {CANCELLED: 2})


def test_a_correction_takes_back_what_has_not_begun_and_leaves_alone_what_has(lab: Lab) -> None:
    first = lab.launched()
    sweep = make(lab, 3, after=(on_run(first.run),))
    lab.end(first)
    settle(lab)
    (claim,) = begun(lab, lab.claim(slots=1))
    lab.stop(first.run.id, 1)
    settle(lab)
    assert lab.state(first.run.id) is FAILED
    assert counts(lab, sweep) == {RunState.RUNNING: 1, CANCELLED: 2}
    lab.end(claim)
    settle(lab)
    assert counts(lab, sweep) == {SUCCEEDED: 1, CANCELLED: 2}


def test_what_somebody_has_cancelled_does_not_come_back(lab: Lab) -> None:
    first = lab.schedule()
    sweep, single = make(lab, 2, after=(on_run(first),)), make(lab, 2, after=(on_run(first),))
    cancel(lab, sweep)
    cancelling.cancel(lab.database, lab.runs()[-1].id, "bob", lab.clock())
    settle(lab)
    assert (counts(lab, sweep), counts(lab, single)) == ({CANCELLED: 2}, {SCHEDULED: 1, CANCELLED: 1})
    end_all(lab, lab.claim())
    assert (counts(lab, sweep), counts(lab, single)) == ({CANCELLED: 2}, {QUEUED: 1, CANCELLED: 1})


def test_a_sweep_that_waited_in_vain_is_run_again_as_one_and_waits_no_more(lab: Lab) -> None:
    first = lab.launched()
    sweep = make(lab, 2, after=(on_run(first.run),))
    lab.end(first, 1)
    settle(lab)
    with pytest.raises(Conflict, match="run the sweep again"):
        rerunning.rerun(lab.database, lab.runs()[-1].id, "anna", lab.clock())
    assert rerun(lab, sweep) == 2
    settle(lab)
    assert (counts(lab, sweep), why(lab, sweep), len(lab.runs())) == ({QUEUED: 2}, None, 5)


def test_a_sweep_that_waits_in_vain_stays_cancelled_when_something_else_of_it_is_changed(lab: Lab) -> None:
    first = lab.launched()
    sweep = make(lab, 2, after=(on_run(first.run),))
    lab.end(first, 1)
    settle(lab)
    changing.change(lab.database, sweep.id, {"priority": 3})
    settle(lab)
    assert counts(lab, sweep) == {CANCELLED: 2}
    rerun(lab, sweep)
    settle(lab)
    assert {run.priority for run in lab.runs() if run.state is QUEUED} == {3}


def test_a_point_run_again_while_its_sweep_waits_waits_with_it(lab: Lab) -> None:
    first = lab.schedule()
    sweep = make(lab, 1, after=(on_run(first),))
    (point,) = (run for run in lab.runs() if run.sweep_id == sweep.id)
    cancelling.cancel(lab.database, point.id, "bob", lab.clock())
    again, _ = rerunning.rerun(lab.database, point.id, "anna", lab.clock())
    assert (again.state, lab.says(again.id)) == (SCHEDULED, f"its sweep waits for run {first.id} to succeed")
    end_all(lab, lab.claim())
    assert lab.state(again.id) is QUEUED


def test_a_sweep_due_later_waits_for_its_time_too(lab: Lab) -> None:
    first = lab.schedule()
    sweep = make(lab, 2, after=(on_run(first),), at=lab.clock() + timedelta(hours=1))
    end_all(lab, lab.claim())
    assert (counts(lab, sweep), why(lab, sweep)) == ({SCHEDULED: 2}, None)
    lab.clock.forward(3600)
    settle(lab)
    assert counts(lab, sweep) == {QUEUED: 2}


def test_a_silent_point_decides_nothing_until_it_is_given_up(lab: Lab) -> None:
    sweep = make(lab, 1)
    (claim,) = begun(lab, lab.claim())
    run = lab.schedule(after=(on(sweep, "failed"),))
    lab.clock.forward(3600)
    silence.note_silent_schedulers(lab.database, lab.clock(), "h2")
    settle(lab)
    assert (lab.state(claim.run.id), lab.state(run.id)) == (LOST, SCHEDULED)
    cancelling.give_up(lab.database, claim.run.id, "anna", lab.clock())
    settle(lab)
    assert lab.state(run.id) is QUEUED


def test_runs_that_are_made_after_what_they_wait_for_has_ended_go_on_too(lab: Lab) -> None:
    first = lab.schedule()
    with patch.object(making, "_make_runs_now"):
        sweep = make(lab, 3, after=(on_run(first),))
    end_all(lab, lab.claim())
    lab.clock.forward(120)
    settle(lab)
    assert (counts(lab, sweep), len(lab.claim())) == ({QUEUED: 3}, 3)


def test_a_change_while_the_one_before_is_being_passed_on_reaches_all_runs(lab: Lab) -> None:
    first = lab.launched()
    sweep = make(lab, 200, after=(on_run(first.run),))
    lab.end(first, 1)
    half_way = Care()
    half_way.tick(lab.database, lab.clock())
    some = counts(lab, sweep)
    assert 0 < some[CANCELLED] < 200
    rerunning.rerun(lab.database, first.run.id, "anna", lab.clock(), dependents=True)
    while half_way.tick(lab.database, lab.clock()):
        pass
    settle(lab)
    assert counts(lab, sweep) == {SCHEDULED: 200}


def test_a_new_priority_is_that_of_all_waiting_runs_in_lists_too(lab: Lab) -> None:
    sweep, plain = make(lab, 3), lab.schedule(priority=1)
    (claim,) = begun(lab, lab.claim(slots=1))
    changing.change(lab.database, sweep.id, {"priority": 5})
    settle(lab)
    mine = [run for run in lab.runs() if run.sweep_id == sweep.id]
    assert sorted(run.priority for run in mine if run.state is QUEUED) == [5] * (2 if claim.run.id != plain.id else 3)


def test_many_runs_wait_for_a_sweep_and_all_are_told(lab: Lab) -> None:
    sweep = make(lab, 1)
    waiting = [lab.schedule(after=(on(sweep),)) for _ in range(30)]
    chained = after(lab, waiting[0].id)
    end_all(lab, lab.claim(), 1)
    assert {lab.state(run.id) for run in (*waiting, chained)} == {CANCELLED}


def test_many_sweeps_wait_for_a_run_and_all_are_told(lab: Lab) -> None:
    first = lab.launched()
    waiting = [make(lab, 1, after=(on_run(first.run),)) for _ in range(20)]
    lab.end(first)
    settle(lab)
    assert [counts(lab, sweep) for sweep in waiting] == [{QUEUED: 1}] * 20


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_what_is_not_there_is_not_waited_for_and_nothing_is_made(lab: Lab, kind: str) -> None:
    awaited = Dependency(77, "ended", kind)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match=f"there is no {kind} 77"):
        make(lab, 2, after=(awaited,))
    with pytest.raises(Invalid, match=f"there is no {kind} 77"):
        lab.schedule(after=(awaited,))


def test_no_sweep_that_is_still_being_made_is_waited_for(lab: Lab) -> None:
    at_the_end = patch.object(making, "_complete", side_effect=KeyboardInterrupt)
    with at_the_end, patch.object(making, "remove"), pytest.raises(KeyboardInterrupt):
        make(lab, 2)
    with pytest.raises(Invalid, match="there is no sweep 1"):
        lab.schedule(after=(Dependency(1, "ended", "sweep"),))


def test_a_point_run_again_can_not_wait_for_its_sweep_nor_for_what_waits_for_that(lab: Lab) -> None:
    sweep = make(lab, 2)
    end_all(lab, lab.claim(), 1)
    point = lab.runs()[0]
    behind = lab.schedule(after=(on(sweep, "ended"),))
    further = make(lab, 1, after=(on_run(behind, "ended"),))
    beyond = lab.schedule(after=(on(further, "ended"),))
    for circle in (on(sweep, "ended"), on_run(behind), on(further), on_run(beyond)):
        with pytest.raises(Invalid, match="it would wait for itself"):
            rerunning.rerun(lab.database, point.id, "anna", lab.clock(), changes=Changes(after=(circle,)))
    other = lab.schedule()
    again, _ = rerunning.rerun(lab.database, point.id, "anna", lab.clock(), changes=Changes(after=(on_run(other),)))
    assert again.state is SCHEDULED


def test_a_run_in_the_place_of_another_can_not_wait_for_what_waits_for_that(lab: Lab) -> None:
    first = lab.launched()
    behind = make(lab, 1, after=(on_run(first.run),))
    lab.end(first, 1)
    settle(lab)
    changes = Changes(after=(on(behind, "ended"),))
    with pytest.raises(Invalid, match="it would wait for itself"):
        rerunning.rerun(lab.database, first.run.id, "anna", lab.clock(), dependents=True, changes=changes)
    assert rerunning.rerun(lab.database, first.run.id, "anna", lab.clock(), changes=changes)[0].state is QUEUED


def test_the_runs_of_a_sweep_have_its_tags_and_its_environment_and_reruns_too(lab: Lab) -> None:
    sweep = make(lab, 3, tags=["paper", "draft"], environment={"OMP": "4", "MODE": "fast"})
    mine = lab.runs()
    assert {tuple(run.tags or ()) for run in mine} == {("paper", "draft")}
    assert {(run.environment["OMP"], run.environment["MODE"]) for run in mine} == {("4", "fast")}
    assert mine[0].own_variables == ["MODE", "OMP"]
    end_all(lab, lab.claim(), 1)
    rerun(lab, sweep)
    found = listing.page(lab.database, Search(tag="draft"), None, 100).runs
    assert sorted(run.id for run in found) == [run.id for run in lab.runs()] and len(found) == 6


def test_a_variable_that_lackey_sets_itself_is_refused_for_a_sweep(lab: Lab) -> None:
    with pytest.raises(Invalid):
        make(lab, 2, environment={"LACKEY_TOKEN": "x"})
    assert lab.runs() == []
