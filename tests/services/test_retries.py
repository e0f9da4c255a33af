"""Retries: which ends, when, and what waits for a run that is retried."""

from typing import Any

import pytest

from lackey.domain.refusals import AlreadyFinal
from lackey.domain.resources import Capacity
from lackey.services.admin import health
from lackey.services.dispatch import launching, queueing
from lackey.services.dispatch.claiming import Claim
from lackey.services.runs import cancelling
from tests.services.edges import CANCELLED, QUEUED, SCHEDULED, after, states
from tests.services.lab import Lab


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
