"""Dependencies of many, at once, beside an older version, and beside what can not be read."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from lackey.domain.refusals import AlreadyFinal
from lackey.domain.run import Run, RunState
from lackey.services.dispatch import queueing
from lackey.services.runs import cancelling, dependents
from lackey.store import dependencies, runs
from tests.services.edges import CANCELLED, QUEUED, SCHEDULED, after, states, tick
from tests.services.lab import Lab


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
