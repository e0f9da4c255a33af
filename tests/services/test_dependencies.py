"""What waits for other runs: released, cancelled, put right, and told in time however many there are."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lackey.domain.dependencies import Dependency, Wants
from lackey.domain.refusals import AlreadyFinal, Conflict, Invalid
from lackey.domain.resources import Capacity
from lackey.domain.run import Run, RunState
from lackey.services.admin import health
from lackey.services.dispatch import launching, queueing, silence
from lackey.services.dispatch.claiming import Claim
from lackey.services.runs import cancelling, dependents, rerunning, scheduling
from lackey.store import dependencies, runs
from tests.services.lab import Lab

CANCELLED, LOST, QUEUED, SCHEDULED = RunState.CANCELLED, RunState.LOST, RunState.QUEUED, RunState.SCHEDULED


def after(lab: Lab, *run_ids: int, on: Wants = "succeeded", **wanted: Any) -> Run:
    return lab.schedule(after=tuple(Dependency(run_id, on) for run_id in run_ids), **wanted)


def states(lab: Lab, *made: Run) -> list[RunState]:
    return [lab.state(run.id) for run in made]


def silent(lab: Lab, **wanted: Any) -> Claim:
    """A run that is lost because its scheduler is not heard from any more."""
    claim = lab.launched(**wanted)
    lab.clock.forward(3600)
    silence.note_silent_schedulers(lab.database, lab.clock(), "h2")
    assert lab.run(claim.run.id).is_silent
    return claim


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


def test_what_waits_for_a_run_waits_for_its_retries(lab: Lab) -> None:
    first = lab.launched(instead={"retries": 2})
    run = after(lab, first.run.id)
    lab.end(first, 3)
    for code in (3, 0):
        assert lab.state(run.id) is SCHEDULED
        queueing.queue_due(lab.database, lab.clock.forward(60))
        (claim,) = lab.claim()
        lab.begin(claim)
        lab.end(claim, code)
    assert lab.state(run.id) is QUEUED


def test_one_that_names_a_retry_waits_for_those_that_come_after_it_too(lab: Lab) -> None:
    lab.end(lab.launched(instead={"retries": 2}), 3)
    run = after(lab, lab.runs()[-1].id)
    for code in (3, 0):
        queueing.queue_due(lab.database, lab.clock.forward(60))
        (claim,) = lab.claim()
        assert lab.state(run.id) is SCHEDULED
        lab.begin(claim)
        lab.end(claim, code)
    assert lab.state(run.id) is QUEUED


def test_nothing_is_retried_before_its_process_has_ended_and_what_waits_for_it_waits_for_that(lab: Lab) -> None:
    first = lab.launched(instead={"retries": 1})
    run, unretried = after(lab, first.run.id), lab.launched()
    behind = after(lab, unretried.run.id)
    lab.stop(first.run.id, 3)
    lab.stop(unretried.run.id, 3)
    assert (len(lab.runs()), states(lab, run, behind)) == (4, [SCHEDULED, CANCELLED])
    lab.end(first, 3)
    assert [one.cause for one in lab.runs()].count("retry") == 1
    assert lab.state(run.id) is SCHEDULED


def test_one_that_has_failed_while_its_scheduler_is_not_heard_from_can_be_given_up(lab: Lab) -> None:
    health.beat(lab.database, "h1", lab.clock(), True, lab.clock(), Capacity(1))
    first = lab.launched(instead={"retries": 1})
    lab.stop(first.run.id, 3)
    with pytest.raises(AlreadyFinal):
        cancelling.give_up(lab.database, first.run.id, "anna", lab.clock())
    lab.clock.forward(3600)
    cancelling.give_up(lab.database, first.run.id, "anna", lab.clock())
    assert lab.runs()[-1].cause == "retry"


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


def tick(lab: Lab) -> int:
    """Let the scheduler do what there is to do; how many times it came round for that."""
    for number in range(1, 100):
        if queueing.queue_due(lab.database, lab.clock()) != lab.clock():
            return number
    raise AssertionError("it never comes to an end")


def test_many_that_wait_for_one_are_all_told_in_pieces(lab: Lab) -> None:
    first = lab.launched()
    waiting = [after(lab, first.run.id) for _ in range(130)]
    on_failure = [after(lab, first.run.id, on="failed") for _ in range(130)]
    lab.end(first, 3)
    assert any(state is SCHEDULED for state in states(lab, *waiting, *on_failure))
    tick(lab)
    assert set(states(lab, *waiting)) == {CANCELLED} and set(states(lab, *on_failure)) == {QUEUED}
    lab.stop(first.run.id, 0)
    tick(lab)
    assert set(states(lab, *waiting)) == {QUEUED} and set(states(lab, *on_failure)) == {CANCELLED}


def test_a_correction_while_they_are_being_told_counts_for_all_of_them(lab: Lab) -> None:
    first = lab.launched()
    waiting = [after(lab, first.run.id) for _ in range(130)]
    lab.end(first, 3)
    dependents.tell_more(lab.database, lab.clock())
    lab.stop(first.run.id, 0)
    tick(lab)
    assert set(states(lab, *waiting)) == {QUEUED}


def test_a_long_chain_is_cancelled_to_its_end_and_comes_back_to_its_end(lab: Lab) -> None:
    first = lab.launched()
    chain = [first.run]
    for _ in range(130):
        chain.append(after(lab, chain[-1].id))
    lab.end(first, 3)
    tick(lab)
    assert set(states(lab, *chain[1:])) == {CANCELLED}
    lab.stop(first.run.id, 0)
    tick(lab)
    assert states(lab, *chain[1:3]) == [QUEUED, SCHEDULED]
    assert set(states(lab, *chain[2:])) == {SCHEDULED}


def test_one_that_waits_for_many_is_released_by_the_last_of_them(lab: Lab) -> None:
    waited_for = [lab.reported() for _ in range(130)]
    run = after(lab, *(one.id for one in waited_for))
    assert lab.says(run.id) == "waits for run 1, 2, 3 to succeed, and for 127 more"
    for one in waited_for:
        assert lab.state(run.id) is SCHEDULED
        lab.stop(one.id, 0)
    assert lab.state(run.id) is QUEUED


def unknown_to_edges(lab: Lab, run: Run) -> None:
    """As the version before writes it, which knows of no edges."""

    def work(connection: Any) -> None:
        connection.exec_driver_sql(f"DELETE FROM dependency WHERE run_id = {run.id}")
        runs.change(connection, runs.get(connection, run.id), {"unmet": 0, "after_on": None})

    lab.database.write(work)


def test_what_the_version_before_has_made_waits_for_what_it_names(lab: Lab) -> None:
    first, failed = lab.launched(), lab.launched()
    lab.end(failed, 3)
    run, in_vain = after(lab, first.run.id), after(lab, first.run.id)
    behind = after(lab, in_vain.id)
    unknown_to_edges(lab, run)
    lab.database.write(
        lambda connection: runs.change(connection, runs.get(connection, in_vain.id), {"after": [failed.run.id]})
    )
    unknown_to_edges(lab, in_vain)
    queueing.queue_due(lab.database, lab.clock())
    assert states(lab, run, in_vain, behind) == [SCHEDULED, CANCELLED, CANCELLED]
    lab.end(first)
    assert lab.state(run.id) is QUEUED


@pytest.mark.parametrize("is_known", [False, True], ids=["before-it-begins", "while-it-runs"])
def test_the_scheduler_finds_what_the_version_before_has_decided_without_telling(lab: Lab, is_known: bool) -> None:
    first = lab.launched()
    run = after(lab, first.run.id)
    search = dependents.UntoldSearch()
    if is_known:
        search.look(lab.database, lab.clock())
    lab.end(first)

    def untold(connection: Any) -> None:
        connection.exec_driver_sql("UPDATE dependency SET outcome = NULL")
        values = {"unmet": 1, "state": SCHEDULED, "queued_at": None}
        runs.change(connection, runs.get(connection, run.id), values)

    lab.database.write(untold)
    queueing.queue_due(lab.database, lab.clock())
    assert lab.state(run.id) is SCHEDULED
    search.look(lab.database, lab.clock())
    queueing.queue_due(lab.database, lab.clock())
    assert lab.state(run.id) is QUEUED


def test_one_that_can_not_be_read_keeps_no_outcome_from_being_written(lab: Lab) -> None:
    first = lab.launched()
    broken, fine = after(lab, first.run.id), after(lab, first.run.id)
    lab.database.write(
        lambda connection: connection.exec_driver_sql(f"UPDATE run SET state = 'unheard-of' WHERE id = {broken.id}")
    )
    assert lab.end(first).state is RunState.SUCCEEDED
    assert lab.state(fine.id) is QUEUED


def test_while_a_retry_can_not_be_read_nothing_is_decided_on_its_account(lab: Lab) -> None:
    first = lab.launched(instead={"retries": 1})
    run = after(lab, first.run.id)
    lab.end(first, 3)
    retry = lab.runs()[-1]
    lab.database.write(
        lambda connection: connection.exec_driver_sql(f"UPDATE run SET state = 'unheard-of' WHERE id = {retry.id}")
    )
    with pytest.raises(AlreadyFinal):
        cancelling.cancel(lab.database, first.run.id, "anna", lab.clock())
    assert lab.state(run.id) is SCHEDULED
    later = after(lab, first.run.id, on="ended")
    assert lab.state(later.id) is SCHEDULED


def test_one_that_can_not_be_told_keeps_no_other_from_being_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = lab.launched(), lab.launched()
    waiting = [[after(lab, one.run.id) for _ in range(30)] for one in (first, second)]
    lab.end(first)
    lab.end(second)
    real = dependencies.members

    def members(connection: Any, family: int) -> Any:
        if family == first.run.id:
            raise ValueError("a fault")
        return real(connection, family)

    monkeypatch.setattr(dependencies, "members", members)
    tick(lab)
    assert SCHEDULED in states(lab, *waiting[0])
    assert set(states(lab, *waiting[1])) == {QUEUED}


def test_what_waits_for_a_run_and_what_it_waits_for_is_known_with_the_conditions(lab: Lab) -> None:
    first = lab.launched()
    run = after(lab, first.run.id, on="ended")
    with lab.database.read() as connection:
        (link,) = dependencies.awaited_by(connection, run.id, 10)
        (back,) = dependencies.waiting_for(connection, first.run.id, 10)
    assert (link.run_id, link.state, link.wants, link.outcome) == (first.run.id, RunState.RUNNING, "ended", None)
    assert (back.run_id, back.state, back.wants) == (run.id, SCHEDULED, "ended")


def at_once(*deeds: Callable[[], object]) -> None:
    """Do these in threads that begin together."""
    together = threading.Barrier(len(deeds))
    failed: list[BaseException] = []

    def do(deed: Callable[[], object]) -> None:
        together.wait()
        try:
            deed()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=do, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@pytest.mark.parametrize("number", range(5))
def test_a_run_that_is_made_as_what_it_waits_for_ends_is_released(lab: Lab, number: int) -> None:
    first = lab.reported()
    at_once(lambda: lab.stop(first.id, 0), lambda: after(lab, first.id))
    assert lab.runs()[-1].state is QUEUED


@pytest.mark.parametrize("number", range(5))
def test_a_run_whose_last_predecessors_end_at_once_is_released(lab: Lab, number: int) -> None:
    first, second = lab.reported(), lab.reported()
    run = after(lab, first.id, second.id)
    at_once(lambda: lab.stop(first.id, 0), lambda: lab.stop(second.id, 0))
    assert (lab.state(run.id), lab.run(run.id).unmet) == (QUEUED, 0)


def test_the_retries_that_the_version_before_has_made_are_waited_for(lab: Lab) -> None:
    first = lab.launched(instead={"retries": 1})
    run = after(lab, first.run.id)
    lab.end(first, 3)
    retry = next(one for one in lab.runs() if one.cause == "retry")
    lab.database.write(lambda connection: runs.change(connection, runs.get(connection, retry.id), {"stands_for": None}))
    dependents.UntoldSearch().look(lab.database, lab.clock())
    tick(lab)
    assert lab.state(run.id) is SCHEDULED
    queueing.queue_due(lab.database, lab.clock.forward(10))
    (claim,) = lab.claim()
    lab.begin(claim)
    lab.end(claim)
    assert lab.state(run.id) is QUEUED


def fail(lab: Lab, claim: Claim, how: str) -> None:
    if how == "lost":
        launching.gone(lab.database, claim.ticket, None, lab.clock())
    else:
        killed: dict[str, Any] = {"killed": how} if how == "timed_out" else {}
        lab.end(claim, 3, **killed)
    assert lab.state(claim.run.id) == how


@pytest.mark.parametrize("retry_on", [None, ["failed"], ["timed_out"], ["lost"], ["failed", "lost"]])
@pytest.mark.parametrize("how", ["failed", "timed_out", "lost"])
def test_only_the_ends_that_are_named_are_retried_and_without_a_name_all(
    lab: Lab, how: str, retry_on: list[str] | None
) -> None:
    first = lab.launched(instead={"retries": 1, "retry_on": retry_on, "time_limit": 60.0})
    run = after(lab, first.run.id)
    fail(lab, first, how)
    is_retried = retry_on is None or how in retry_on
    assert [one.cause for one in lab.runs()].count("retry") == is_retried
    assert lab.state(run.id) is (SCHEDULED if is_retried else CANCELLED)


def test_each_retry_waits_twice_as_long_as_the_one_before_and_an_hour_at_most(lab: Lab) -> None:
    lab.schedule(instead={"retries": 3, "retry_wait": 1000.0})
    waited = []
    for _ in range(3):
        (claim,) = lab.claim()
        lab.begin(claim)
        lab.end(claim, 3)
        waited.append((lab.runs()[-1].scheduled_at - lab.clock()).total_seconds())
        queueing.queue_due(lab.database, lab.clock.forward(3600))
    assert waited == [1000, 2000, 3600]


@pytest.mark.parametrize("how", ["failed", "lost"])
def test_what_somebody_asked_to_cancel_is_not_retried_however_it_ends(lab: Lab, how: str) -> None:
    first = lab.launched(instead={"retries": 1})
    run = after(lab, first.run.id)
    cancelling.cancel(lab.database, first.run.id, "anna", lab.clock())
    fail(lab, first, how)
    assert (len(lab.runs()), lab.state(run.id)) == (2, CANCELLED)


def test_a_run_that_is_given_back_is_put_right_if_what_it_waited_for_was_corrected_meanwhile(lab: Lab) -> None:
    first = lab.launched()
    lab.end(first, 3)
    run = after(lab, first.run.id, on="failed")
    (claim,) = lab.claim()
    lab.stop(first.run.id, 0)
    assert (claim.run.id, lab.state(run.id)) == (run.id, QUEUED)
    launching.give_back(lab.database, claim.ticket, "its share is away", lab.clock())
    assert (lab.state(run.id), lab.says(run.id)) == (
        CANCELLED,
        f"run {first.run.id}, which it waited for to fail, is succeeded",
    )


def test_a_retry_that_is_given_back_is_withdrawn_if_the_first_run_has_come_back_meanwhile(lab: Lab) -> None:
    first = lab.launched(instead={"retries": 1})
    launching.gone(lab.database, first.ticket, None, lab.clock())
    queueing.queue_due(lab.database, lab.clock.forward(10))
    (claim,) = lab.claim()
    lab.start(first.run.id)
    assert lab.state(claim.run.id) is QUEUED
    launching.give_back(lab.database, claim.ticket, "its share is away", lab.clock())
    assert lab.state(claim.run.id) is CANCELLED
