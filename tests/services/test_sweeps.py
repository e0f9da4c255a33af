"""Sweeps: claimed within their limits, counted right whatever becomes of their runs, cancelled and run again."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lackey.domain.dependencies import was_withdrawn
from lackey.domain.refusals import AlreadyFinal, Conflict, Invalid, TooMany
from lackey.domain.run import RunState
from lackey.domain.sweep import Sweep
from lackey.services.dispatch import claiming, launching, queueing, silence
from lackey.services.dispatch.claiming import Claim
from lackey.services.idempotency import Once
from lackey.services.runs import cancelling, listing, rerunning
from lackey.services.runs.queries import Search
from lackey.services.sweeps import again, changing, making, reading
from lackey.store import sweep_points, sweeps
from tests.services.edges import after, silent
from tests.services.lab import Lab
from tests.services.sweeping import (
    CANCELLED,
    FAILED,
    LOST,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    begun,
    cancel,
    care,
    counts,
    make,
    points,
    rerun,
    wanted,
    whole,
)


def test_as_many_run_at_a_time_as_the_sweep_allows_and_a_change_holds_at_once(lab: Lab) -> None:
    lab.beat()
    sweep = make(lab, 6, max_running=2)
    first = begun(lab, lab.claim())
    assert len(first) == 2 and lab.claim() == []
    assert lab.says(lab.runs()[-1].id) == "waits for another run of its sweep: at most 2 at a time"
    changing.change(lab.database, sweep.id, {"max_running": 3})
    assert len(begun(lab, lab.claim())) == 1
    changing.change(lab.database, sweep.id, {"held": True})
    lab.end(first[0])
    assert lab.claim() == []
    assert lab.says(lab.runs()[-1].id) == "its sweep is held on request, until it is released"
    changing.change(lab.database, sweep.id, {"held": False, "max_running": None})
    assert len(lab.claim()) == 3


def test_two_sweeps_of_one_application_are_limited_each_by_itself(lab: Lab) -> None:
    one, other = make(lab, 4, max_running=1), make(lab, 4, max_running=2)
    assert sorted(claim.run.sweep_id or 0 for claim in lab.claim()) == [one.id, other.id, other.id]


def test_the_priority_of_a_sweep_counts_for_runs_that_were_made_before_it_was_changed(lab: Lab) -> None:
    plain, sweep = lab.schedule(), make(lab, 1)
    changing.change(lab.database, sweep.id, {"priority": 5})
    (claim,) = lab.claim(slots=1)
    assert claim.run.sweep_id == sweep.id
    begun(lab, [claim])
    changing.change(lab.database, sweep.id, {"priority": -5})
    lab.end(claim)
    assert [claim.run.id for claim in lab.claim(slots=1)] == [plain.id]


def test_a_sweep_makes_nobody_else_wait_for_more_than_the_end_of_a_run(lab: Lab) -> None:
    make(lab, 30)
    first, _ = begun(lab, lab.claim(slots=2))
    other = make(lab, 1, by="bob")
    lab.end(first)
    (claim,) = lab.claim(slots=2)
    assert claim.run.sweep_id == other.id


def test_a_point_counts_with_its_last_run(lab: Lab) -> None:
    sweep = make(lab, 2, instead={"retries": 1})
    first, second = begun(lab, lab.claim())
    assert counts(lab, sweep) == {RUNNING: 2}
    lab.end(first, 3)
    lab.end(second, 0)
    assert counts(lab, sweep) == {RunState.SCHEDULED: 1, SUCCEEDED: 1}
    queueing.queue_due(lab.database, lab.clock.forward(60))
    (retry,) = begun(lab, lab.claim())
    assert (retry.run.sweep_id, retry.run.point, retry.run.cause) == (sweep.id, 1, "retry")
    lab.end(retry, 4)
    assert counts(lab, sweep) == {FAILED: 1, SUCCEEDED: 1}
    again, _ = rerunning.rerun(lab.database, retry.run.id, "anna", lab.clock())
    assert counts(lab, sweep) == {QUEUED: 1, SUCCEEDED: 1}
    care(lab)
    (claim,) = begun(lab, lab.claim())
    lab.end(claim, 0)
    assert (claim.run.id, counts(lab, sweep), whole(lab, sweep).outcome) == (again.id, {SUCCEEDED: 2}, SUCCEEDED)
    (row, _) = reading.table(lab.database, sweep.id, None, False, 0, 10)
    assert (row.run, row.state) == (again.id, SUCCEEDED)


def test_a_point_whose_run_is_found_again_counts_with_that_and_not_with_the_withdrawn_retry(lab: Lab) -> None:
    sweep = make(lab, 1, instead={"retries": 1})
    (claim,) = begun(lab, lab.claim())
    launching.gone(lab.database, claim.ticket, None, lab.clock())
    assert counts(lab, sweep) == {RunState.SCHEDULED: 1}
    lab.start(claim.run.id)
    assert counts(lab, sweep) == {RUNNING: 1}
    lab.stop(claim.run.id, 0)
    assert (counts(lab, sweep), whole(lab, sweep).decided) == ({SUCCEEDED: 1}, 1)


def test_a_silent_run_is_lost_and_nothing_is_decided_until_it_is_given_up(lab: Lab) -> None:
    sweep = make(lab, 1)
    claim = begun(lab, lab.claim())[0]
    silent(lab)
    assert (counts(lab, sweep), whole(lab, sweep).decided) == ({LOST: 1}, 0)
    assert rerun(lab, sweep, LOST) == 0
    cancelling.give_up(lab.database, claim.run.id, "anna", lab.clock())
    assert (whole(lab, sweep).decided, whole(lab, sweep).outcome) == (1, FAILED)


def test_from_the_moment_a_sweep_is_cancelled_nothing_of_it_starts_and_all_of_it_ends(lab: Lab) -> None:
    sweep = make(lab, 60)
    running = begun(lab, lab.claim(slots=2))
    cancel(lab, sweep)
    assert lab.claim() == []
    assert lab.says(lab.runs()[-1].id) == "its sweep is being cancelled"
    care(lab)
    assert counts(lab, sweep) == {RUNNING: 2, CANCELLED: 58}
    assert all(lab.run(claim.run.id).cancel_requested_at for claim in running)
    for claim in running:
        lab.end(claim, None, 15, killed="cancelled")
    care(lab)
    assert (counts(lab, sweep), whole(lab, sweep).outcome) == ({CANCELLED: 60}, CANCELLED)
    cancel(lab, sweep)
    assert "cancel" in lab.history(running[0].run.id)[-2].text


def test_a_sweep_that_is_cancelled_before_all_its_runs_are_made_ends_with_none_left(lab: Lab) -> None:
    with patch.object(making, "_make_runs_now", lambda *_: None), patch.object(making, "RUNS_AT_ONCE", 2):
        sweep = make(lab, 5)
        cancel(lab, sweep)
        care(lab)
        lab.clock.forward(61)
        care(lab)
    assert (counts(lab, sweep), len(lab.runs())) == ({CANCELLED: 5}, 5)
    with lab.database.read() as connection:
        assert sweeps.unfinished(connection) == []


def test_one_that_has_ended_is_not_cancelled(lab: Lab) -> None:
    sweep = make(lab, 1)
    (claim,) = begun(lab, lab.claim())
    lab.end(claim)
    with pytest.raises(AlreadyFinal):
        cancel(lab, sweep)


def test_those_that_did_not_succeed_are_run_again_as_runs_of_their_points(lab: Lab) -> None:
    sweep = make(lab, 40)
    claims = begun(lab, lab.claim())
    for number, claim in enumerate(claims):
        lab.end(claim, 0 if number < 5 else 1)
    assert rerun(lab, sweep) == 35
    assert counts(lab, sweep) == {SUCCEEDED: 5, QUEUED: 35}
    again = [run for run in lab.runs() if run.cause == "rerun"]
    assert {(run.parent_id, run.point) for run in again} == {(one.run.id, one.run.point) for one in claims[5:]}
    assert rerun(lab, sweep) == 0


def all_failed(lab: Lab, count: int) -> Sweep:
    sweep = make(lab, count)
    for claim in begun(lab, lab.claim(slots=1000)):
        lab.end(claim, 1)
    return sweep


def test_the_same_request_to_run_a_sweep_again_does_so_once_though_points_have_failed_anew(lab: Lab) -> None:
    sweep, once = all_failed(lab, 3), Once("anna", "again", b"digest")
    assert rerun(lab, sweep, once=once) == 3
    for claim in begun(lab, lab.claim()):
        lab.end(claim, 1)
    assert (rerun(lab, sweep, once=once), len(lab.runs())) == (3, 6)
    assert (rerun(lab, sweep, once=Once("anna", "anew", b"digest")), len(lab.runs())) == (3, 9)


def test_what_was_asked_to_run_again_is_made_by_the_scheduler_where_the_one_who_asked_died(lab: Lab) -> None:
    sweep = all_failed(lab, 60)
    with patch.object(again, "_make_some", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        rerun(lab, sweep)
    assert counts(lab, sweep) == {FAILED: 60}
    with pytest.raises(Conflict, match="being run again already"):
        rerun(lab, sweep)
    care(lab)
    assert (counts(lab, sweep), len(lab.runs())) == ({QUEUED: 60}, 120)


def test_a_point_that_fails_anew_while_others_are_still_to_be_run_again_is_not_run_twice(lab: Lab) -> None:
    sweep = all_failed(lab, 60)
    with patch.object(again, "_WAIT_SECONDS", -1.0):
        assert rerun(lab, sweep) == 25
    for claim in begun(lab, lab.claim()):
        lab.end(claim, 1)
    care(lab)
    assert (counts(lab, sweep), len(lab.runs())) == ({FAILED: 25, QUEUED: 35}, 120)


def test_a_point_that_somebody_has_run_again_meanwhile_is_left_alone_though_it_failed(lab: Lab) -> None:
    sweep = all_failed(lab, 60)
    last = lab.runs()[-1]
    with patch.object(again, "_WAIT_SECONDS", -1.0):
        rerun(lab, sweep)
    mine, _ = rerunning.rerun(lab.database, last.id, "bob", lab.clock())
    (claim,) = [claim for claim in lab.claim() if claim.run.id == mine.id]
    begun(lab, [claim])
    lab.end(claim, 1)
    care(lab)
    assert [run.id for run in lab.runs() if run.point == last.point] == [last.id, mine.id]


def test_a_sweep_cancelled_while_it_is_run_again_begins_no_more(lab: Lab) -> None:
    sweep = all_failed(lab, 60)
    with patch.object(again, "_WAIT_SECONDS", -1.0):
        rerun(lab, sweep)
    cancel(lab, sweep)
    care(lab)
    assert (counts(lab, sweep), len(lab.runs())) == ({CANCELLED: 25, FAILED: 35}, 85)


def test_more_points_than_may_wait_are_not_run_again_and_none_is(lab: Lab) -> None:
    sweep = all_failed(lab, 3)
    with patch.object(again, "WAITING_RUNS", 2), pytest.raises(TooMany, match="3 more"):
        rerun(lab, sweep)
    assert (counts(lab, sweep), len(lab.runs())) == ({FAILED: 3}, 3)
    assert rerun(lab, sweep) == 3


def test_a_rerun_is_run_again_and_one_of_a_cancelled_sweep_starts(lab: Lab) -> None:
    sweep = make(lab, 2)
    cancel(lab, sweep)
    with pytest.raises(Conflict, match="being cancelled"):
        changing_rerun(lab, sweep, lab.runs()[0].id)
    care(lab)
    assert rerun(lab, sweep) == 2
    for claim in begun(lab, lab.claim()):
        lab.end(claim, 1)
    assert rerun(lab, sweep, FAILED) == 2
    for claim in begun(lab, lab.claim()):
        lab.end(claim, 0)
    assert (counts(lab, sweep), len(lab.runs())) == ({SUCCEEDED: 2}, 6)


def changing_rerun(lab: Lab, sweep: Sweep, run_id: int) -> None:
    cancelling.cancel(lab.database, run_id, "anna", lab.clock())
    rerun(lab, sweep, CANCELLED)


def test_the_table_is_sorted_by_any_column_as_numbers_or_as_text(lab: Lab) -> None:
    sweep = making.make(lab.database, wanted(points(10, 9, "1e-3", 100)), "anna", lab.clock)

    def order(sort: str, descending: bool = False) -> list[str]:
        rows = reading.table(lab.database, sweep.id, sort, descending, 0, 10)
        return [row.parameters["n"] for row in rows]

    assert order("parameters.n") == ["1e-3", "9", "10", "100"]
    assert order("parameters.n", True) == ["100", "10", "9", "1e-3"]
    for number, claim in enumerate(begun(lab, lab.claim())):
        if number < 3:
            lab.end(claim, 3 - number)
    assert order("exit_code") == ["1e-3", "9", "10", "100"]
    assert order("state")[-1] == "100"
    with pytest.raises(Invalid, match="no column"):
        order("by")


def test_the_estimate_is_of_what_has_run_and_how_many_run(lab: Lab) -> None:
    sweep = make(lab, 4)
    (claim,) = begun(lab, lab.claim(slots=1))
    assert reading.one(lab.database, sweep.id, lab.clock()).ends_at is None
    lab.clock.forward(100)
    lab.end(claim)
    begun(lab, lab.claim(slots=1))
    state = reading.one(lab.database, sweep.id, lab.clock())
    seconds = (state.ends_at - lab.clock()).total_seconds() if state.ends_at else 0
    assert state.counts.timed == 1 and seconds == pytest.approx(state.counts.seconds * 2.5, abs=1e-3)


def test_counts_are_the_same_before_and_after_they_are_added_up(lab: Lab) -> None:
    sweep = make(lab, 5)
    for claim in begun(lab, lab.claim(slots=3)):
        lab.end(claim, claim.run.point or 0)
    before = whole(lab, sweep)
    care(lab)
    assert whole(lab, sweep) == before
    with lab.database.read() as connection:
        assert not sweep_points.are_to_be_added_up(connection)


def test_the_runs_of_a_sweep_are_searched_by_it_and_found_by_words(lab: Lab) -> None:
    lab.schedule()
    sweep = make(lab, 2, name="grid of doom")
    found = listing.page(lab.database, Search(sweep=sweep.id), None, 10)
    assert [run.point for run in found.runs] == [2, 1]
    found = listing.page(lab.database, Search(words="doom"), None, 10)
    assert len(found.runs) == 2
    running = listing.page(lab.database, Search(sweep=sweep.id, states=frozenset({RUNNING})), None, 10)
    assert running.runs == []


def test_a_run_of_a_sweep_has_no_token_before_it_is_launched(lab: Lab) -> None:
    make(lab, 2)
    with lab.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM token").scalar_one() == 0
    (claim,) = lab.claim(slots=1)
    with lab.database.read() as connection:
        assert connection.exec_driver_sql("SELECT run_id FROM token").scalars().all() == [claim.run.id]


def test_a_sweep_whose_cancelling_begins_while_its_run_is_being_claimed_starts_none(lab: Lab) -> None:
    sweep = make(lab, 1)
    write = claiming._Claiming.write

    def late(self: Any, *args: Any) -> list[Claim]:
        cancel(lab, sweep)
        return write(self, *args)

    with patch.object(claiming._Claiming, "write", late):
        assert lab.claim() == []


def test_what_waits_for_a_point_waits_for_its_retries_and_a_lost_host_leaves_the_sweep_open(lab: Lab) -> None:
    sweep = make(lab, 2, instead={"retries": 1})
    first, second = begun(lab, lab.claim())
    behind = after(lab, first.run.id)
    lab.end(first, 1)
    lab.clock.forward(3600)
    silence.note_silent_schedulers(lab.database, lab.clock(), "h2")
    assert counts(lab, sweep) == {RunState.SCHEDULED: 1, LOST: 1} and whole(lab, sweep).decided == 0
    queueing.queue_due(lab.database, lab.clock.forward(60))
    (retry,) = begun(lab, [claim for claim in lab.claim() if claim.run.sweep_id])
    lab.end(retry, 0)
    assert lab.state(behind.id) is QUEUED
    # Its host is back: the run had succeeded meanwhile.
    lab.end(second, 0)
    assert (counts(lab, sweep), whole(lab, sweep).outcome) == ({SUCCEEDED: 2}, SUCCEEDED)


def test_a_sweep_that_is_cancelled_while_a_retry_waits_has_no_run_left(lab: Lab) -> None:
    sweep = make(lab, 2, instead={"retries": 3})
    claims = begun(lab, lab.claim())
    lab.end(claims[0], 1)
    cancel(lab, sweep)
    lab.end(claims[1], 1)
    care(lab)
    queueing.queue_due(lab.database, lab.clock.forward(3600))
    assert lab.claim() == []
    assert counts(lab, sweep) == {CANCELLED: 2}


DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["end", "fail", "lose", "revive", "rerun", "cancel", "claim", "care"]), st.integers(0, 9)
    ),
    max_size=25,
)


@settings(max_examples=25)
@given(DEEDS)
def test_counts_are_what_one_would_count_whatever_happens(lab: Lab, deeds: list[tuple[str, int]]) -> None:
    sweep = make(lab, 4, instead={"retries": 1, "retry_wait": 0.0})
    claims: list[Claim] = []
    for deed, number in deeds:
        with suppress(AlreadyFinal, Conflict):
            do(lab, sweep, deed, number, claims)
        assert counts(lab, sweep) == counted(lab, sweep)


def do(lab: Lab, sweep: Sweep, deed: str, number: int, claims: list[Claim]) -> None:
    mine = [run for run in lab.runs() if run.sweep_id == sweep.id]
    run, claim = mine[number % len(mine)], claims[number % len(claims)] if claims else None
    if deed == "claim":
        queueing.queue_due(lab.database, lab.clock.forward(1))
        claims += begun(lab, [one for one in lab.claim(slots=2) if one.run.sweep_id == sweep.id])
    elif deed == "care":
        care(lab)
    elif deed == "rerun":
        rerunning.rerun(lab.database, run.id, "anna", lab.clock())
    elif deed == "cancel":
        cancelling.cancel(lab.database, run.id, "anna", lab.clock())
    elif claim is not None and deed == "lose":
        launching.gone(lab.database, claim.ticket, None, lab.clock())
    elif claim is not None and deed == "revive":
        lab.start(claim.run.id)
    elif claim is not None:
        lab.end(claim, 0 if deed == "end" else 1)


def counted(lab: Lab, sweep: Sweep) -> dict[RunState, int]:
    """Of each point the last run that was not taken back before it began."""
    last: dict[int, RunState] = {}
    for run in lab.runs():
        if run.sweep_id == sweep.id and not (was_withdrawn(run) and run.point in last):
            last[run.point or 0] = run.state
    return dict(Counter(last.values()))


def test_a_sweep_that_is_held_takes_no_place_in_the_queue_of_another(lab: Lab) -> None:
    sweep, other = make(lab, 5, priority=9), lab.schedule()
    changing.change(lab.database, sweep.id, {"held": True})
    assert [claim.run.id for claim in lab.claim(slots=1)] == [other.id]


def test_what_is_queued_while_its_sweep_is_being_cancelled_is_cancelled_too(lab: Lab) -> None:
    at = lab.clock() + timedelta(seconds=60)
    sweep = make(lab, 3, at=at)
    cancel(lab, sweep)
    stopping, cancelled = changing.Stopping(), changing.change(lab.database, sweep.id, {})
    # The queued ones have been looked at, and now the others get queued.
    assert stopping.go_on(lab.database, cancelled, lab.clock()) and stopping.go_on(lab.database, cancelled, lab.clock())
    queueing.queue_due(lab.database, lab.clock.forward(61))
    assert counts(lab, sweep) == {QUEUED: 3}
    while stopping.go_on(lab.database, cancelled, lab.clock()):
        pass
    assert counts(lab, sweep) == {CANCELLED: 3} and lab.claim() == []
