"""What waits for other runs: released, cancelled, put right, and told in time however many there are."""

from datetime import timedelta

import pytest

from lackey.domain.dependencies import Dependency, Wants
from lackey.domain.refusals import AlreadyFinal, Conflict, Invalid
from lackey.domain.run import RunState
from lackey.services.dispatch import launching, queueing, silence
from lackey.services.runs import cancelling, rerunning, scheduling
from lackey.store import dependencies
from tests.services.edges import CANCELLED, LOST, QUEUED, SCHEDULED, after, silent, states
from tests.services.lab import Lab


def test_a_run_that_waits_for_others_is_queued_as_the_last_of_them_succeeds(lab: Lab) -> None:
    first, second = lab.launched(), lab.launched()
    run = after(lab, first.run.id, second.run.id)
    assert (run.state, lab.says(run.id)) == (SCHEDULED, f"waits for run {first.run.id}, {second.run.id} to succeed")
    lab.end(first)
    assert (lab.state(run.id), lab.says(run.id)) == (SCHEDULED, f"waits for run {second.run.id} to succeed")
    lab.end(second)
    assert (lab.state(run.id), lab.run(run.id).queued_at) == (QUEUED, lab.clock())


@pytest.mark.parametrize(
    ("code", "released"), [(0, {"succeeded", "ended"}), (3, {"failed", "ended"})], ids=["success", "failure"]
)
def test_each_condition_is_met_by_the_ends_that_it_names_and_the_others_wait_in_vain(
    lab: Lab, code: int, released: set[str]
) -> None:
    first = lab.launched()
    wants: tuple[Wants, ...] = ("succeeded", "ended", "failed")
    before = {on: after(lab, first.run.id, on=on) for on in wants}
    lab.end(first, code)
    later = {on: after(lab, first.run.id, on=on) for on in wants}
    for made in (before, later):
        assert {on for on, run in made.items() if lab.state(run.id) is QUEUED} == released
        assert {on for on, run in made.items() if lab.state(run.id) is CANCELLED} == set(wants) - released


def test_what_was_cancelled_has_ended_and_has_not_failed(lab: Lab) -> None:
    first = lab.schedule()
    ended, failed = after(lab, first.id, on="ended"), after(lab, first.id, on="failed")
    cancelling.cancel(lab.database, first.id, "anna", lab.clock())
    assert states(lab, ended, failed) == [QUEUED, CANCELLED]
    assert lab.says(failed.id) == f"run {first.id}, which it waited for to fail, is cancelled"


def test_a_run_is_cancelled_when_one_that_it_waited_for_failed_and_those_behind_it_too(lab: Lab) -> None:
    first = lab.launched()
    second = after(lab, first.run.id)
    third = after(lab, second.id)
    lab.end(first, 3)
    assert lab.run(second.id).reason == f"run {first.run.id}, which it waited for, is failed"
    assert states(lab, second, third) == [CANCELLED, CANCELLED]


def test_a_run_whose_time_has_not_come_waits_for_that_too_and_one_that_is_held_for_its_release(lab: Lab) -> None:
    first = lab.launched()
    later = after(lab, first.run.id, at=lab.clock() + timedelta(hours=1))
    held = after(lab, first.run.id)
    scheduling.change(lab.database, held.id, {"hold": True}, "anna", lab.clock())
    lab.end(first)
    assert states(lab, later, held) == [SCHEDULED, QUEUED]
    assert [claim.run.id for claim in lab.claim()] == []
    assert queueing.queue_due(lab.database, lab.clock()) == later.scheduled_at
    queueing.queue_due(lab.database, lab.clock.forward(3600))
    assert lab.state(later.id) is QUEUED


def test_a_reported_run_that_waits_for_another_is_overdue_only_from_then_on(lab: Lab) -> None:
    first = lab.launched()
    run = after(lab, first.run.id, application=None, name="script", launch=False, instead={"start_grace": 60.0})
    silence.note_silence(lab.database, lab.clock.forward(3600))
    assert (lab.state(run.id), lab.says(run.id)) == (SCHEDULED, f"waits for run {first.run.id} to succeed")
    lab.end(first)
    assert (lab.state(run.id), lab.says(run.id)) == (SCHEDULED, "waits for its own start report")
    silence.note_silence(lab.database, lab.clock.forward(59))
    assert lab.state(run.id) is SCHEDULED
    silence.note_silence(lab.database, lab.clock.forward(61))
    assert lab.state(run.id) is LOST


def test_those_that_were_cancelled_because_of_a_run_wait_again_when_it_comes_back(lab: Lab) -> None:
    first = lab.launched()
    second, unwanted = after(lab, first.run.id), after(lab, first.run.id)
    third = after(lab, second.id)
    cancelling.cancel(lab.database, unwanted.id, "anna", lab.clock())
    made_anew = after(lab, first.run.id)
    launching.gone(lab.database, first.ticket, None, lab.clock())
    assert states(lab, second, third) == [CANCELLED, CANCELLED]
    rerunning.rerun(lab.database, made_anew.id, "anna", lab.clock())
    lab.start(first.run.id)
    for run, waited_for in ((second, first.run), (third, second)):
        assert (lab.state(run.id), lab.says(run.id)) == (SCHEDULED, f"waits for run {waited_for.id} to succeed")
        assert (lab.run(run.id).ended_at, lab.run(run.id).outcome_source) == (None, None)
        assert lab.history(run.id)[-1].text == "cancelled → scheduled"
    assert states(lab, unwanted, made_anew) == [CANCELLED, CANCELLED]
    lab.stop(first.run.id, 0)
    assert states(lab, second, third) == [QUEUED, SCHEDULED]


def test_what_was_decided_is_put_right_for_those_that_have_not_begun_when_an_outcome_is_corrected(lab: Lab) -> None:
    first = lab.launched()
    on_success, on_failure = after(lab, first.run.id), after(lab, first.run.id, on="failed")
    behind = after(lab, on_success.id)
    lab.end(first, 3)
    assert states(lab, on_success, behind, on_failure) == [CANCELLED, CANCELLED, QUEUED]
    lab.stop(first.run.id, 0)
    assert states(lab, on_success, behind, on_failure) == [QUEUED, SCHEDULED, CANCELLED]


def test_what_has_begun_goes_on_whatever_becomes_of_what_it_waited_for(lab: Lab) -> None:
    first = lab.launched()
    on_failure = after(lab, first.run.id, on="failed")
    lab.end(first, 3)
    (claim,) = lab.claim()
    lab.stop(first.run.id, 0)
    assert (claim.run.id, lab.state(on_failure.id)) == (on_failure.id, QUEUED)
    lab.begin(claim)
    assert lab.end(claim).state is RunState.SUCCEEDED


def test_what_waits_for_a_silent_run_goes_on_waiting_until_it_is_heard_from(lab: Lab) -> None:
    claim = silent(lab, instead={"retries": 1})
    run = after(lab, claim.run.id)
    assert (lab.state(run.id), len(lab.runs())) == (SCHEDULED, 2)
    lab.end(claim)
    assert lab.state(run.id) is QUEUED


def test_a_silent_run_that_is_given_up_counts_as_gone(lab: Lab) -> None:
    claim = silent(lab, instead={"retries": 1})
    run, on_failure = after(lab, claim.run.id), after(lab, claim.run.id, on="failed")
    given_up = cancelling.give_up(lab.database, claim.run.id, "anna", lab.clock())
    assert (given_up.state, given_up.given_up_at) == (LOST, lab.clock())
    assert cancelling.give_up(lab.database, claim.run.id, "anna", lab.clock.forward(1)) == given_up
    assert lab.kinds(claim.run.id).count("given-up") == 1
    retry = lab.runs()[-1]
    assert (retry.cause, retry.parent_id, states(lab, run, on_failure)) == ("retry", claim.run.id, [SCHEDULED] * 2)
    queueing.queue_due(lab.database, lab.clock.forward(10))
    (again,) = lab.claim()
    lab.begin(again)
    lab.end(again, 1)
    assert states(lab, run, on_failure) == [CANCELLED, QUEUED]
    assert lab.says(run.id) == f"run {retry.id}, in the place of run {claim.run.id}, which it waited for, is failed"


def test_one_that_was_given_up_and_is_heard_from_after_all_counts_as_if_it_had_not_been(lab: Lab) -> None:
    claim = silent(lab, instead={"retries": 1})
    run = after(lab, claim.run.id)
    cancelling.give_up(lab.database, claim.run.id, "anna", lab.clock())
    launching.started(lab.database, [launching.Begun(claim.ticket, "1", "there", lab.clock.ts)], lab.clock())
    assert (lab.run(claim.run.id).given_up_at, lab.runs()[-1].state) == (None, CANCELLED)
    lab.end(claim)
    assert lab.state(run.id) is QUEUED


def test_a_reported_run_that_is_silent_can_be_given_up(lab: Lab) -> None:
    first = lab.reported(silence=60.0)
    lab.start(first.id)
    run = after(lab, first.id)
    silence.note_silence(lab.database, lab.clock.forward(61))
    assert (lab.state(first.id), lab.state(run.id)) == (LOST, SCHEDULED)
    cancelling.give_up(lab.database, first.id, "anna", lab.clock())
    assert lab.state(run.id) is CANCELLED


def test_only_a_silent_run_can_be_given_up(lab: Lab) -> None:
    claim = lab.launched()
    with pytest.raises(Conflict, match="running"):
        cancelling.give_up(lab.database, claim.run.id, "anna", lab.clock())
    lab.end(claim, 1)
    with pytest.raises(AlreadyFinal, match="failed"):
        cancelling.give_up(lab.database, claim.run.id, "anna", lab.clock())


def test_a_rerun_with_dependents_takes_the_place_of_the_run(lab: Lab) -> None:
    first = lab.launched()
    second = after(lab, first.run.id)
    third = after(lab, second.id)
    lab.end(first, 3)
    again, _ = rerunning.rerun(lab.database, first.run.id, "anna", lab.clock(), dependents=True)
    assert (again.cause, again.parent_id) == ("rerun", first.run.id)
    assert states(lab, second, third) == [SCHEDULED, SCHEDULED]
    (claim,) = lab.claim()
    lab.begin(claim)
    lab.end(claim)
    assert states(lab, second, third) == [QUEUED, SCHEDULED]


def test_a_rerun_alone_leaves_what_waited_in_vain_as_it_is(lab: Lab) -> None:
    first = lab.launched()
    second = after(lab, first.run.id)
    lab.end(first, 3)
    rerunning.rerun(lab.database, first.run.id, "anna", lab.clock())
    (claim,) = lab.claim()
    lab.begin(claim)
    lab.end(claim)
    assert lab.state(second.id) is CANCELLED


def test_the_retries_of_a_rerun_with_dependents_are_waited_for_and_it_has_them_all(lab: Lab) -> None:
    first = lab.launched(instead={"retries": 1})
    second = after(lab, first.run.id)
    lab.end(first, 3)
    queueing.queue_due(lab.database, lab.clock.forward(10))
    (retry,) = lab.claim()
    lab.begin(retry)
    lab.end(retry, 3)
    assert lab.state(second.id) is CANCELLED
    again, _ = rerunning.rerun(lab.database, retry.run.id, "anna", lab.clock(), dependents=True)
    assert again.retries == 1
    for code in (3, 0):
        queueing.queue_due(lab.database, lab.clock.forward(10))
        (claim,) = lab.claim()
        assert lab.state(second.id) is SCHEDULED
        lab.begin(claim)
        lab.end(claim, code)
    assert lab.state(second.id) is QUEUED


def test_a_rerun_with_dependents_of_what_goes_on_or_has_succeeded_is_refused(lab: Lab) -> None:
    first = lab.launched()
    with pytest.raises(Conflict, match="has not ended"):
        rerunning.rerun(lab.database, first.run.id, "anna", lab.clock(), dependents=True)
    lab.end(first)
    with pytest.raises(Conflict, match="has succeeded"):
        rerunning.rerun(lab.database, first.run.id, "anna", lab.clock(), dependents=True)
    assert len(lab.runs()) == 1


def test_what_is_put_back_waits_for_the_same_and_for_the_same_ends(lab: Lab) -> None:
    first = lab.launched()
    run = after(lab, first.run.id, on="ended")
    cancelling.cancel(lab.database, run.id, "anna", lab.clock())
    back, _ = rerunning.put_back(lab.database, run.id, "anna", lab.clock())
    assert lab.says(back.id) == f"waits for run {first.run.id} to end"
    lab.end(first, 3)
    assert lab.state(back.id) is QUEUED


def test_the_same_twice_counts_once_and_two_ends_of_one_run_are_refused(lab: Lab) -> None:
    first = lab.launched()
    run = after(lab, first.run.id, first.run.id)
    assert (run.after, run.unmet) == ([first.run.id], 1)
    with pytest.raises(Invalid, match="more than once"):
        lab.schedule(after=(Dependency(first.run.id), Dependency(first.run.id, "failed")))


def test_a_run_can_wait_neither_for_itself_nor_for_one_that_is_still_to_come(lab: Lab) -> None:
    first = lab.schedule()
    for run_id in (first.id + 1, first.id + 2):
        with pytest.raises(Invalid, match="there is no run"):
            after(lab, run_id)


def test_what_waits_for_a_run_and_what_it_waits_for_is_known_with_the_conditions(lab: Lab) -> None:
    first = lab.launched()
    run = after(lab, first.run.id, on="ended")
    with lab.database.read() as connection:
        (link,) = dependencies.awaited_by(connection, run.id, 10)
        (back,) = dependencies.waiting_for(connection, first.run.id, 10)
    assert (link.run_id, link.state, link.wants, link.outcome) == (first.run.id, RunState.RUNNING, "ended", None)
    assert (back.run_id, back.state, back.wants) == (run.id, SCHEDULED, "ended")
