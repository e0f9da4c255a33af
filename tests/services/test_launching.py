"""What the scheduler does to runs: claim, note their start and end, give back, adopt."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from lackey.domain.policy import ShareState
from lackey.domain.resources import Capacity
from lackey.domain.run import RunState
from lackey.services.catalogue import changing
from lackey.services.dispatch import attempts, claiming, launching, queueing, share_states
from lackey.services.dispatch.claiming import Site
from lackey.services.dispatch.launching import Begun
from lackey.services.runs import cancelling, reporting, scheduling
from lackey.services.runs.scheduling import Wanted
from lackey.store.database import Database
from tests.clock import Clock
from tests.processes import in_processes
from tests.services.lab import PROJECT, SHARES, Lab

RETRY_AFTER_SECONDS = 10


def claimed(lab: Lab, *arguments: Any, **options: Any) -> list[int]:
    return [claim.run.id for claim in lab.claim(*arguments, **options)]


def test_a_claimed_run_has_a_ticket_a_host_and_a_token_of_its_own(lab: Lab) -> None:
    run, token = scheduling.schedule(lab.database, Wanted("heat/explicit"), "anna", lab.clock())
    (claim,) = lab.claim(host="h7")
    now = lab.run(run.id)
    assert (now.state, now.ticket, now.ticket_open, now.host) == (RunState.QUEUED, claim.ticket, True, "h7")
    assert (now.claimed_at, now.reason) == (lab.clock(), "starting on h7")
    for each in (token, claim.token):
        reporting.authenticate(lab.database, run.id, each)
    assert token != claim.token
    assert claim.token not in repr(lab.history(run.id)) + repr(now)
    assert claimed(lab) == []


def test_runs_are_claimed_by_priority_then_age_as_long_as_there_are_slots(lab: Lab) -> None:
    first, second, urgent = lab.schedule(), lab.schedule(), lab.schedule(priority=1)
    assert claimed(lab, slots=2) == [urgent.id, first.id]
    lab.beat(slots=2)
    assert lab.reason(second.id) == "waits for a free slot"
    assert claimed(lab, slots=2) == []
    assert claimed(lab, slots=2, host="h2") == [second.id], "slots are those of a host"


def test_a_slot_is_free_again_when_the_process_has_ended_and_not_before(lab: Lab) -> None:
    claim = lab.launched()
    second = lab.schedule()
    lab.stop(claim.run.id, 0)
    assert claimed(lab, slots=1) == []
    lab.end(claim)
    assert claimed(lab, slots=1) == [second.id]


def test_the_limit_of_an_application_counts_on_all_hosts_together(lab: Lab) -> None:
    lab.add_application(name="few", max_running=2)
    mine = [lab.schedule("heat/few").id for _ in range(3)]
    other = lab.schedule().id
    assert claimed(lab, slots=1, host="h1") == mine[:1]
    assert claimed(lab, slots=9, host="h2") == [mine[1], other]
    lab.beat()
    assert lab.reason(mine[2]) == "waits for another run of its application: at most 2 at a time"


def test_a_share_that_is_away_holds_its_own_runs_alone_however_many(lab: Lab) -> None:
    changing.add_project(lab.database, {**PROJECT, "name": "flow", "share": "store"}, SHARES, lab.clock())
    lab.add_application(project="flow")
    held = [lab.schedule().id for _ in range(201)]
    free = lab.schedule("flow/explicit").id
    assert claimed(lab, away={"lab": "its share lab is away"}) == [free]
    states = {"lab": ShareState("its share lab is away", True), "store": ShareState()}
    share_states.publish(lab.database, "h1", states, lab.clock())
    lab.beat()
    assert {lab.reason(run_id) for run_id in held} == {"its share lab is away"}
    assert len(claimed(lab, slots=300)) == 201


def test_a_run_that_is_passed_over_for_now_is_not_claimed(lab: Lab) -> None:
    first, second = lab.schedule(), lab.schedule()
    claims = claiming.claim(lab.database, Site("h1", "", Capacity(9)), {}, [first.id], lab.clock())
    assert [claim.run.id for claim in claims] == [second.id]


def claim_in_process(place: tuple[str, str, datetime]) -> list[tuple[int, str]]:
    url, host, now = place
    database, site = Database(url), Site(host, "", Capacity(10))
    claims = [claim for _ in range(5) for claim in claiming.claim(database, site, {}, (), now)]
    database.close()
    return [(claim.run.id, claim.ticket) for claim in claims]


@pytest.mark.parametrize("attempt", range(5))
def test_no_run_is_claimed_twice_and_no_limit_passed_by_schedulers_at_once(
    database_url: str, clock: Clock, attempt: int
) -> None:
    database = Database(database_url)
    lab = Lab(database, clock)
    lab.add_application(name="few", max_running=3)
    runs = [lab.schedule("heat/explicit" if number % 2 else "heat/few").id for number in range(20)]
    database.close()
    each = in_processes(claim_in_process, [(database_url, f"h{number}", clock()) for number in range(4)])
    claims = [claim for host in each for claim in host]
    assert sorted(run_id for run_id, _ in claims) == sorted([*runs[1::2], *runs[:6:2]])
    assert max(len(host) for host in each) <= 10
    tickets = {run_id: lab.run(run_id).ticket for run_id in runs}
    assert dict(claims) == {run_id: ticket for run_id, ticket in tickets.items() if ticket}
    database.close()


@pytest.mark.parametrize("attempt", range(3))
def test_a_run_that_is_cancelled_while_it_is_claimed_is_one_or_the_other(lab: Lab, attempt: int) -> None:
    runs = [lab.schedule().id for _ in range(20)]

    def cancel_all() -> None:
        for run_id in runs:
            cancelling.cancel(lab.database, run_id, "bob", lab.clock())

    def claim_all() -> list[int]:
        return [run_id for _ in range(10) for run_id in claimed(lab, slots=100)]

    with ThreadPoolExecutor(2) as pool:
        cancelled, claimed_now = pool.submit(cancel_all), pool.submit(claim_all)
        cancelled.result()
        got = claimed_now.result()
    for run in map(lab.run, runs):
        assert run.cancel_requested_at is not None
        expected = (RunState.QUEUED, True) if run.id in got else (RunState.CANCELLED, False)
        assert (run.state, run.ticket_open) == expected


def test_a_run_whose_command_runs_is_running_and_says_where(lab: Lab) -> None:
    run = lab.launched().run
    assert (run.state, run.started_at, run.handle) == (RunState.RUNNING, lab.clock(), "4711")
    assert (run.run_directory, run.reason) == (f"heat/explicit/lackey-runs/{run.id}", None)


def test_what_the_receipt_says_is_the_outcome(lab: Lab) -> None:
    claim = lab.launched()
    run = lab.end(claim, 3, max_rss_bytes=1 << 33, cpu_seconds=1.5, run_directory="elsewhere", left_behind=2)
    assert (run.state, run.exit_code, run.outcome_source) == (RunState.FAILED, 3, "observed")
    assert (run.max_rss_bytes, run.cpu_seconds, run.run_directory) == (1 << 33, 1.5, "elsewhere")
    assert (run.ticket_open, run.log_kept) == (False, False)
    assert lab.kinds(run.id)[-2:] == ["ended", "left-behind"]
    assert (run.left_behind, run.marks) == (2, ["left-behind"])
    assert lab.history(run.id)[-1].text == "2 processes that its command left behind were ended; use `wait`"


def test_a_mark_stays_though_better_evidence_comes(lab: Lab) -> None:
    claim = lab.launched()
    lab.end(claim, 0, left_behind=1)
    assert lab.stop(claim.run.id, 3, ts=4e9).state is RunState.FAILED
    run = lab.run(claim.run.id)
    assert (run.left_behind, run.marks) == (1, ["clock", "left-behind"])


def test_what_could_not_be_started_has_failed_with_the_reason(lab: Lab) -> None:
    lab.schedule()
    (claim,) = lab.claim()
    run = lab.end(claim, None, reason="no such directory: heat/explicit")
    assert (run.state, run.reason, run.exit_code) == (RunState.FAILED, "no such directory: heat/explicit", None)
    assert run.log_kept, "there is no log to take in"


def test_what_lackey_ended_is_called_so_whatever_it_reported_before(lab: Lab) -> None:
    claim = lab.launched()
    lab.stop(claim.run.id, 0)
    run = lab.end(claim, None, 9, killed="timed_out")
    assert (run.state, run.signal, run.reason) == (RunState.TIMED_OUT, 9, "ended at its time limit")
    assert lab.kinds(run.id)[-1] == "corrected"


def test_a_receipt_counts_once_and_only_for_its_own_run_and_ticket(lab: Lab) -> None:
    claim = lab.launched()
    strangers: list[dict[str, Any]] = [{"run_uid": "another run's"}, {"ticket": "0" * 32}]
    for stranger in strangers:
        assert lab.end(claim, 3, **stranger).state is RunState.RUNNING
    lab.end(claim, 0)
    revision = lab.run(claim.run.id).revision
    assert lab.end(claim, 3).exit_code == 0
    assert lab.run(claim.run.id).revision == revision


def test_a_process_that_is_gone_without_a_receipt_is_lost_and_never_a_success(lab: Lab) -> None:
    claim = lab.launched()
    launching.gone(lab.database, claim.ticket, None, lab.clock.forward(1))
    run = lab.run(claim.run.id)
    assert (run.state, run.reason) == (RunState.LOST, "its process is gone and left no outcome")
    assert (run.outcome_source, run.exit_code, run.ticket_open) == ("inferred", None, False)
    assert lab.stop(run.id, 0).state is RunState.SUCCEEDED


def test_a_process_that_is_gone_after_it_reported_keeps_what_it_said(lab: Lab) -> None:
    claim = lab.launched()
    lab.stop(claim.run.id, 0)
    launching.gone(lab.database, claim.ticket, None, lab.clock())
    assert (lab.state(claim.run.id), lab.run(claim.run.id).ticket_open) == (RunState.SUCCEEDED, False)


@pytest.mark.parametrize("cause", ["cancelled", "timed_out"])
def test_a_process_that_lackey_ended_and_that_left_no_receipt_is_called_so(lab: Lab, cause: str) -> None:
    claim = lab.launched()
    launching.gone(lab.database, claim.ticket, cause, lab.clock())
    assert lab.state(claim.run.id) == cause


def test_a_run_given_back_waits_again_with_the_reason_and_gets_another_ticket(lab: Lab) -> None:
    run = lab.schedule()
    (claim,) = lab.claim()
    launching.give_back(lab.database, claim.ticket, "its share is away", lab.clock())
    now = lab.run(run.id)
    assert (now.state, now.ticket, now.ticket_open, now.host) == (RunState.QUEUED, None, False, None)
    assert (now.reason, now.claimed_at) == ("its share is away", None)
    assert lab.end(claim, 0).state is RunState.QUEUED, "a receipt of a void ticket is nobody's"
    (again,) = lab.claim()
    assert again.run.id == run.id and again.ticket != claim.ticket


def test_a_launch_that_its_share_holds_up_says_so_until_the_share_is_back(lab: Lab) -> None:
    run_id = lab.schedule().id
    (claim,) = lab.claim()
    for away, reason in (({"lab": "waits for share lab"}, "waits for share lab"), ({}, "starting on h1")):
        claiming.note_held_up(lab.database, attempts.followed(lab.database, "local", "h1")[0], away)
        assert lab.run(run_id).reason == reason
    seen_before, _ = attempts.followed(lab.database, "local", "h1")
    lab.begin(claim)
    claiming.note_held_up(lab.database, seen_before, {"lab": "waits for share lab"})
    assert (lab.run(run_id).state, lab.run(run_id).reason) == (RunState.RUNNING, None)


def test_a_run_given_back_that_was_to_be_cancelled_is(lab: Lab) -> None:
    run = lab.schedule()
    (claim,) = lab.claim()
    asked = cancelling.cancel(lab.database, run.id, "bob", lab.clock())
    assert (asked.state, asked.cancel_requested_at) == (RunState.QUEUED, lab.clock())
    launching.give_back(lab.database, claim.ticket, "cancelled before it started", lab.clock())
    assert (lab.state(run.id), lab.run(run.id).reason) == (RunState.CANCELLED, None)


def test_a_run_given_back_after_it_reported_its_end_keeps_its_outcome_and_reason(lab: Lab) -> None:
    run = lab.schedule()
    (claim,) = lab.claim()
    lab.stop(run.id, 3)
    launching.give_back(lab.database, claim.ticket, "nothing runs under it", lab.clock())
    now = lab.run(run.id)
    assert (now.state, now.reason, now.ticket) == (RunState.FAILED, "ended with exit code 3", None)
    assert claimed(lab) == []


def test_a_run_that_an_older_database_launches_anew_is_taken_up_under_its_earlier_ticket(lab: Lab) -> None:
    run = lab.schedule()
    (claim,) = lab.claim()
    launching.adopt(lab.database, claim.ticket, "e" * 32, lab.clock())
    assert (lab.run(run.id).ticket, lab.run(run.id).ticket_open) == ("e" * 32, True)
    assert lab.end(claim, 1).state is RunState.QUEUED
    begun = Begun("e" * 32, "1", "there", lab.clock.ts)
    launching.started(lab.database, [begun], lab.clock())
    assert lab.state(run.id) is RunState.RUNNING
    assert lab.kinds(run.id)[-2:] == ["adopted", "running"]


def test_what_a_void_or_unknown_ticket_brings_changes_nothing(lab: Lab) -> None:
    claim = lab.launched()
    lab.end(claim, 0)
    before = lab.run(claim.run.id)
    deeds: list[Callable[[str], object]] = [
        lambda ticket: launching.started(lab.database, [Begun(ticket, "1", "x", 1.0)], lab.clock()),
        lambda ticket: launching.gone(lab.database, ticket, None, lab.clock()),
        lambda ticket: launching.give_back(lab.database, ticket, "why", lab.clock()),
        lambda ticket: launching.adopt(lab.database, ticket, "e" * 32, lab.clock()),
    ]
    for deed in deeds:
        for ticket in (claim.ticket, "0" * 32):
            deed(ticket)
    assert lab.run(claim.run.id) == before


@pytest.mark.parametrize("code", [3, None])
def test_a_run_that_failed_is_retried_as_a_new_run_as_often_as_it_may(lab: Lab, code: int | None) -> None:
    lab.add_application(name="shaky", retries=2)
    lab.schedule("heat/shaky", parameters={"n": "5"})
    for left, after in ((2, 0), (1, RETRY_AFTER_SECONDS), (0, 2 * RETRY_AFTER_SECONDS)):
        queueing.queue_due(lab.database, lab.clock.forward(after - 1))
        assert left == 2 or lab.claim() == []
        queueing.queue_due(lab.database, lab.clock.forward(1))
        (claim,) = lab.claim()
        assert (claim.run.retries, claim.run.parameters) == (left, {"n": "5"})
        lab.end(claim, code, None if code else 11)
    first, second, third = lab.runs()
    assert [(run.parent_id, run.cause) for run in (first, second, third)] == [
        (None, None),
        (first.id, "retry"),
        (second.id, "retry"),
    ]
    assert {run.by for run in (first, second, third)} == {"anna"}


def test_success_and_cancelling_are_not_retried_and_nothing_is_retried_twice(lab: Lab) -> None:
    lab.add_application(name="shaky", retries=5)
    lab.end(lab.launched(application="heat/shaky"), 0)
    cancelling.cancel(lab.database, lab.schedule("heat/shaky").id, "bob", lab.clock())
    lost = lab.launched(application="heat/shaky")
    launching.gone(lab.database, lost.ticket, None, lab.clock())
    assert len(lab.runs()) == 4, "the lost one is"
    lab.clock.forward(1)
    lab.start(lost.run.id)
    lab.stop(lost.run.id, 3)
    assert len([run for run in lab.runs() if run.parent_id == lost.run.id and run.waits]) == 1


@pytest.mark.parametrize("code", [0, 3])
def test_the_retry_of_a_run_that_comes_back_is_withdrawn_unless_the_run_fails_after_all(lab: Lab, code: int) -> None:
    claim = lab.launched(instead={"retries": 2})
    launching.gone(lab.database, claim.ticket, None, lab.clock())
    assert lab.state(claim.run.id) is RunState.LOST
    first = lab.runs()[-1]
    assert (first.parent_id, first.cause, first.state) == (claim.run.id, "retry", RunState.SCHEDULED)
    lab.start(claim.run.id)
    withdrawn = lab.run(first.id)
    assert withdrawn.state is RunState.CANCELLED
    assert withdrawn.reason == f"run {claim.run.id}, which it was to repeat, is running after all"
    lab.stop(claim.run.id, code)
    waiting = [run for run in lab.runs() if run.cause == "retry" and run.state is RunState.SCHEDULED]
    assert [(run.parent_id, run.retries) for run in waiting] == ([(claim.run.id, 1)] if code else [])


def test_a_retry_that_has_begun_is_left_alone_when_the_first_run_comes_back(lab: Lab) -> None:
    claim = lab.launched(instead={"retries": 1})
    launching.gone(lab.database, claim.ticket, None, lab.clock())
    retry = lab.runs()[-1]
    lab.start(retry.id)
    lab.stop(claim.run.id, 0)
    assert (lab.state(claim.run.id), lab.state(retry.id)) == (RunState.SUCCEEDED, RunState.RUNNING)


def test_a_retry_that_somebody_cancelled_is_not_made_again(lab: Lab) -> None:
    claim = lab.launched(instead={"retries": 1})
    launching.gone(lab.database, claim.ticket, None, lab.clock())
    cancelling.cancel(lab.database, lab.runs()[-1].id, "anna", lab.clock())
    lab.start(claim.run.id)
    lab.stop(claim.run.id, 3)
    assert len(lab.runs()) == 2
