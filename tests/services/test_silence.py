"""Silence, cancelling, and what is kept of logs: the ends that nobody reported."""

import pytest

from lackey.domain.refusals import AlreadyFinal, NotFound
from lackey.domain.run import RunState
from lackey.services.admin import health
from lackey.services.dispatch import kept_logs, launching, silence
from lackey.services.dispatch.kept_logs import Taken
from lackey.services.runs import cancelling, log_text
from lackey.store import runs
from lackey.store.database import Database
from tests.services.lab import Lab
from tests.waiting import wait_until


def silent_for(lab: Lab, seconds: float) -> None:
    silence.note_silence(lab.database, lab.clock.forward(seconds))


def test_a_run_that_is_silent_for_too_long_is_lost_and_no_sooner(lab: Lab) -> None:
    run_id = lab.reported(silence=60.0).id
    lab.start(run_id, ts=0.0)
    silent_for(lab, 59)
    assert lab.state(run_id) is RunState.RUNNING
    silent_for(lab, 1)
    run = lab.run(run_id)
    assert (run.state, run.reason, run.outcome_source) == (RunState.LOST, "silent: not heard from for 60 s", "inferred")
    assert (run.ended_at, run.exit_code) == (lab.clock(), None)


def test_every_word_of_a_run_gives_it_its_whole_grace_again(lab: Lab) -> None:
    run_id = lab.reported(silence=60.0).id
    for _ in range(5):
        lab.start(run_id)
        silent_for(lab, 59)
    assert lab.state(run_id) is RunState.RUNNING


def test_a_start_that_does_not_come_within_its_grace_means_lost(lab: Lab) -> None:
    run_id = lab.reported(start_grace=30.0).id
    silent_for(lab, 29)
    assert lab.state(run_id) is RunState.SCHEDULED
    silent_for(lab, 1)
    assert lab.run(run_id).reason == "silent: no start was reported within 30 s of its time"
    lab.clock.forward(1)
    assert lab.start(run_id).state is RunState.RUNNING


def test_a_reported_run_that_is_silent_past_its_time_limit_timed_out(lab: Lab) -> None:
    run_id = lab.reported(time_limit=100.0).id
    lab.start(run_id)
    silent_for(lab, 99)
    assert lab.state(run_id) is RunState.RUNNING
    silent_for(lab, 1)
    assert (lab.state(run_id), lab.run(run_id).outcome_source) == (RunState.TIMED_OUT, "inferred")
    assert lab.stop(run_id, 0).state is RunState.SUCCEEDED, "its own word is better evidence"


def test_a_run_with_neither_grace_nor_limit_is_never_given_up(lab: Lab) -> None:
    run_id = lab.reported().id
    lab.start(run_id)
    silent_for(lab, 1e8)
    assert lab.state(run_id) is RunState.RUNNING


def test_a_run_whose_process_lackey_follows_may_be_silent(lab: Lab) -> None:
    claim = lab.launched(instead={"silence": 60.0, "time_limit": 60.0})
    silent_for(lab, 3600)
    assert lab.state(claim.run.id) is RunState.RUNNING


def test_a_run_that_waits_is_cancelled_at_once(lab: Lab) -> None:
    for run in (lab.schedule(), lab.reported(), lab.schedule(after=(lab.schedule().id,))):
        cancelled = cancelling.cancel(lab.database, run.id, "bob", lab.clock())
        assert (cancelled.state, cancelled.started_at, cancelled.ended_at) == (RunState.CANCELLED, None, lab.clock())
        assert lab.history(run.id)[-1].by == "bob"
        assert cancelling.cancel(lab.database, run.id, "bob", lab.clock()) == cancelled, "asking again is harmless"


def test_a_run_with_a_process_is_asked_to_end_once(lab: Lab) -> None:
    claim = lab.launched()
    for _ in range(2):
        asked = cancelling.cancel(lab.database, claim.run.id, "bob", lab.clock())
        assert (asked.state, asked.cancel_requested_at) == (RunState.RUNNING, lab.clock())
    assert lab.kinds(claim.run.id).count("cancel") == 1
    assert lab.end(claim, None, 15, killed="cancelled").state is RunState.CANCELLED


def test_a_cancel_that_came_too_late_leaves_the_outcome_as_it_was(lab: Lab) -> None:
    claim = lab.launched()
    cancelling.cancel(lab.database, claim.run.id, "bob", lab.clock())
    assert lab.end(claim, 0).state is RunState.SUCCEEDED


def test_what_has_ended_by_itself_cannot_be_cancelled(lab: Lab) -> None:
    run = lab.end(lab.launched(), 0)
    with pytest.raises(AlreadyFinal, match="succeeded"):
        cancelling.cancel(lab.database, run.id, "bob", lab.clock())
    with pytest.raises(NotFound):
        cancelling.cancel(lab.database, 99, "bob", lab.clock())


def kept(database: Database, run_id: int) -> bytes:
    with database.read() as connection:
        size = runs.get(connection, run_id).file_size or 0
    held = log_text.stored(database, run_id, "file", size, 1 << 20)
    text = log_text.LogText(held)
    return b"".join(text.read(0, text.size))


def test_head_and_tail_of_a_log_are_kept_once_and_found_by_their_words(lab: Lab) -> None:
    run = lab.end(lab.launched(), run_directory="there")
    assert [one.run_id for one in kept_logs.logs_to_keep(lab.database, "h1", "", "lab")] == [run.id]
    size = 5 << 20
    head, tail = b"first " * 10, b" last" * 10
    kept_logs.keep_file_logs(lab.database, [Taken(run.id, size, [(0, head), (size - len(tail), tail)])])
    kept_logs.keep_file_logs(lab.database, [Taken(run.id, 1, [(0, b"another")])])
    assert kept_logs.logs_to_keep(lab.database, "h1", "", "lab") == []
    assert kept(lab.database, run.id).startswith(head) and kept(lab.database, run.id).endswith(tail)
    assert [one.id for one in lab.found("FIRST last explicit")] == [run.id]


def test_a_service_without_schema_or_scheduler_is_not_ready_and_says_so(lab: Lab) -> None:
    assert health.troubles(lab.database, lab.clock()) == ["no scheduler has been heard from lately: lackey scheduler"]
    health.beat(lab.database, "h1", lab.clock(), True, lab.clock())
    assert health.troubles(lab.database, lab.clock()) == []
    assert health.troubles(lab.database, lab.clock.forward(31)) != []


def test_a_scheduler_that_stands_by_is_not_enough(lab: Lab) -> None:
    health.beat(lab.database, "h1", lab.clock(), False, lab.clock())
    assert health.troubles(lab.database, lab.clock()) != []


def test_the_right_to_lead_passes_on_when_it_is_released(postgresql_url: str) -> None:
    first, second = Database(postgresql_url), Database(postgresql_url)
    one, other = health.Leadership(first), health.Leadership(second)
    assert one.take() and one.take(), "it stays with who has it"
    assert not other.take()
    one.release()
    wait_until(other.take)
    assert not one.take()
    for each in (one, other):
        each.release()
    for database in (first, second):
        database.close()


def test_runs_of_a_scheduler_that_has_gone_silent_are_lost_and_never_queued_anew(lab: Lab) -> None:
    claim = lab.launched()
    health.beat(lab.database, "h1", lab.clock(), True, lab.clock())
    silence.note_silent_schedulers(lab.database, lab.clock.forward(120))
    assert lab.state(claim.run.id) is RunState.RUNNING
    silence.note_silent_schedulers(lab.database, lab.clock.forward(1))
    assert lab.state(claim.run.id) is RunState.LOST
    assert "the scheduler on h1 has not been heard from" in (lab.run(claim.run.id).reason or "")
    assert lab.claim(host="h2") == []
    assert lab.end(claim, 0).state is RunState.SUCCEEDED, "when it is back, it finds them"


def test_a_claimed_run_of_a_silent_scheduler_that_never_started_is_retried_once_that_is_known(lab: Lab) -> None:
    run = lab.schedule(instead={"retries": 1})
    (claim,) = lab.claim()
    silence.note_silent_schedulers(lab.database, lab.clock.forward(121))
    assert [each.id for each in lab.runs()] == [run.id], "it may be at work"
    launching.give_back(lab.database, claim.ticket, "nothing runs under it", lab.clock())
    assert (lab.state(run.id), lab.run(run.id).is_silent) == (RunState.LOST, False)
    assert lab.run(run.id).reason == "it was never started: nothing runs under it"
    assert lab.claim() == []
    assert [each.parent_id for each in lab.runs()] == [None, run.id]
