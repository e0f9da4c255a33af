"""Silence counts only while lackey could hear; what is silent may be at work, and what is gone has ended."""

from collections.abc import Callable
from datetime import datetime

import pytest

from lackey.domain.evidence import Stop
from lackey.domain.run import RunState
from lackey.services.admin import health
from lackey.services.dispatch import hearing, launching, queueing, silence
from lackey.services.runs import cancelling, reporting
from lackey.services.runs.reporting import ReportedProgress
from lackey.store import gaps
from tests.services.lab import Lab


class Leader:
    """What the scheduler that leads does of this in each poll."""

    def __init__(self, lab: Lab, name: str = "h0") -> None:
        self.lab, self.name = lab, name
        self.looked_at: datetime | None = None
        self.beaten: datetime | None = None

    def look(self) -> None:
        database, now = self.lab.database, self.lab.clock()
        hearing.note_look(database, self.looked_at, now)
        if self.beaten is None or abs((now - self.beaten).total_seconds()) >= 10:
            health.beat(database, self.name, now, True, now)
            self.beaten = now
        self.looked_at = now
        silence.note_silence(database, now)
        silence.note_silent_schedulers(database, now, self.name)
        queueing.queue_due(database, now)

    def look_for(self, seconds: int, beside: Callable[[], object] = lambda: None) -> None:
        """Look every other second, for so long by the clock."""
        for _ in range(0, seconds, 2):
            self.lab.clock.forward(2)
            beside()
            self.look()


@pytest.fixture
def leader(lab: Lab) -> Leader:
    leader = Leader(lab)
    leader.look()
    return leader


def silent_since_now(lab: Lab, seconds: float = 60.0) -> int:
    run_id = lab.reported(silence=seconds).id
    lab.start(run_id)
    return run_id


@pytest.mark.parametrize("away", [40, 70, 3600], ids=["stopped", "database away", "down or asleep, or a step"])
@pytest.mark.parametrize("restarted", [False, True], ids=["goes on", "started anew"])
def test_silence_does_not_count_while_lackey_could_not_hear(
    lab: Lab, leader: Leader, away: int, restarted: bool
) -> None:
    run_id, waiting = silent_since_now(lab), lab.reported(start_grace=60.0).id
    limited = lab.reported(time_limit=60.0).id
    lab.start(limited)
    later = lab.schedule(after=(run_id,)).id
    leader.look_for(30)
    lab.clock.forward(away)
    if restarted:
        leader = Leader(lab)
    leader.look_for(16)
    assert [lab.state(one) for one in (run_id, waiting, limited)] == [
        RunState.RUNNING,
        RunState.SCHEDULED,
        RunState.RUNNING,
    ]
    assert lab.state(later) is RunState.SCHEDULED
    leader.look_for(30)
    assert [lab.state(one) for one in (run_id, waiting, limited)] == [
        RunState.LOST,
        RunState.LOST,
        RunState.TIMED_OUT,
    ], "true silence counts on from where it was"


def test_true_silence_comes_to_be_lost_though_the_scheduler_is_started_anew_again_and_again(lab: Lab) -> None:
    Leader(lab).look()
    run_id = silent_since_now(lab, 300.0)
    for _ in range(12):
        Leader(lab).look_for(60)
    assert lab.state(run_id) is RunState.LOST


def test_a_clock_that_steps_forward_and_back_loses_nothing_and_true_silence_is_seen_in_time(
    lab: Lab, leader: Leader
) -> None:
    run_id, talks = silent_since_now(lab), silent_since_now(lab)
    leader.look_for(20)
    lab.clock.forward(3600)
    leader.look_for(10, lambda: lab.start(talks))
    assert lab.state(run_id) is RunState.RUNNING
    lab.clock.forward(-3600)
    leader.look_for(2)
    heard = lab.run(talks).heard_at
    assert heard is not None and heard <= lab.clock()
    leader.look_for(10)
    assert [lab.state(one) for one in (run_id, talks)] == [RunState.RUNNING] * 2
    leader.look_for(60)
    assert [lab.state(one) for one in (run_id, talks)] == [RunState.LOST] * 2


def test_the_next_sign_of_life_ends_lost_at_once_though_the_clock_was_an_hour_ahead(lab: Lab, leader: Leader) -> None:
    run_id = silent_since_now(lab)
    claim = lab.launched()
    health.beat(lab.database, "h1", lab.clock(), False, lab.clock())
    lab.clock.forward(3600)
    leader.look()
    leader.look_for(130)
    assert [lab.state(one) for one in (run_id, claim.run.id)] == [RunState.LOST] * 2
    lab.clock.forward(-3600)
    told = reporting.progress(lab.database, run_id, ReportedProgress(1.0, fraction=0.5), lab.clock())
    assert (told.state, told.heard_at) == (RunState.RUNNING, lab.clock())
    lab.begin(claim)
    assert lab.state(claim.run.id) is RunState.RUNNING
    leader.look_for(10)
    assert lab.state(run_id) is RunState.RUNNING


def test_what_was_heard_by_a_clock_that_was_ahead_keeps_no_run_going_whose_process_is_gone(lab: Lab) -> None:
    claim = lab.launched(instead={"retries": 1})
    lab.clock.forward(3600)
    reporting.progress(lab.database, claim.run.id, ReportedProgress(1.0, fraction=0.5), lab.clock())
    lab.clock.forward(-3590)
    launching.gone(lab.database, claim.ticket, None, lab.clock())
    run = lab.run(claim.run.id)
    assert (run.state, run.is_silent) == (RunState.LOST, False)
    assert [each.cause for each in lab.runs() if each.parent_id == run.id] == ["retry"]


def test_a_late_word_of_a_run_whose_process_is_gone_keeps_it_going_for_two_minutes_and_retries_it_once(
    lab: Lab, leader: Leader
) -> None:
    claim = lab.launched(instead={"retries": 1})
    launching.gone(lab.database, claim.ticket, None, lab.clock())
    leader.look_for(10)
    reporting.progress(lab.database, claim.run.id, ReportedProgress(1.0, fraction=0.5), lab.clock())
    leader.look_for(118)
    assert lab.state(claim.run.id) is RunState.RUNNING
    leader.look_for(4)
    run = lab.run(claim.run.id)
    assert (run.state, run.is_silent, run.reason) == (RunState.LOST, False, "its process is gone and left no outcome")
    retries = [each for each in lab.runs() if each.parent_id == run.id]
    assert [each.state for each in retries] == [RunState.CANCELLED, RunState.SCHEDULED], "it went on for a while"
    assert lab.stop(run.id, 0).state is RunState.SUCCEEDED


def test_another_scheduler_may_beat_before_it_is_judged_and_nobody_judges_itself(lab: Lab, leader: Leader) -> None:
    claim = lab.launched()
    health.beat(lab.database, "h1", lab.clock(), False, lab.clock())
    leader.look_for(40)
    lab.clock.forward(3600)
    leader.look_for(76)
    assert lab.state(claim.run.id) is RunState.RUNNING
    leader.look_for(10)
    assert lab.state(claim.run.id) is RunState.LOST
    lab.begin(claim)
    itself = Leader(lab, "h1")
    lab.clock.forward(4)
    silence.note_silent_schedulers(lab.database, lab.clock.forward(3600), itself.name)
    assert lab.state(claim.run.id) is RunState.RUNNING


def test_a_host_that_is_cut_off_for_75_s_loses_nothing(lab: Lab, leader: Leader) -> None:
    claim = lab.launched()
    health.beat(lab.database, "h1", lab.clock(), False, lab.clock())
    leader.look_for(76)
    assert lab.state(claim.run.id) is RunState.RUNNING


def test_silence_does_not_count_while_no_web_service_listens(lab: Lab, leader: Leader) -> None:
    def listen() -> None:
        hearing.note_listening(lab.database, lab.clock())

    listen()
    run_id = silent_since_now(lab)
    leader.look_for(40, listen)
    leader.look_for(600)
    assert lab.state(run_id) is RunState.RUNNING
    leader = Leader(lab)
    leader.look_for(10, listen)
    assert lab.state(run_id) is RunState.RUNNING, "the time when nobody listened does not count afterwards either"
    leader.look_for(20, listen)
    assert lab.state(run_id) is RunState.LOST


def test_a_silent_run_is_not_retried_and_what_waits_for_it_goes_on_waiting_until_it_is_known_to_be_gone(
    lab: Lab, leader: Leader
) -> None:
    claim = lab.launched(instead={"retries": 1})
    later = lab.schedule(after=(claim.run.id,)).id
    leader.look_for(140)
    assert (lab.state(claim.run.id), lab.run(claim.run.id).is_silent) == (RunState.LOST, True)
    assert lab.state(later) is RunState.SCHEDULED
    assert len(lab.runs()) == 2
    launching.gone(lab.database, claim.ticket, None, lab.clock())
    run = lab.run(claim.run.id)
    assert (run.state, run.is_silent, run.reason) == (RunState.LOST, False, "its process is gone and left no outcome")
    leader.look()
    (retry,) = lab.runs()[2:]
    assert (retry.parent_id, retry.state) == (claim.run.id, RunState.SCHEDULED)
    assert lab.state(later) is RunState.SCHEDULED, "it waits for the retry"
    cancelling.cancel(lab.database, retry.id, "bob", lab.clock())
    leader.look()
    assert lab.state(later) is RunState.CANCELLED


def test_what_waits_for_a_silent_run_starts_when_it_turns_out_to_have_succeeded(lab: Lab, leader: Leader) -> None:
    run_id = silent_since_now(lab)
    later = lab.schedule(after=(run_id,)).id
    leader.look_for(70)
    assert (lab.state(run_id), lab.state(later)) == (RunState.LOST, RunState.SCHEDULED)
    reporting.stop(lab.database, run_id, Stop(0, None, lab.clock.ts), None, None, 1024, lab.clock())
    leader.look()
    assert lab.state(later) is RunState.QUEUED


def test_a_silent_run_that_turns_out_to_have_failed_is_retried_then(lab: Lab, leader: Leader) -> None:
    claim = lab.launched(instead={"retries": 1})
    leader.look_for(140)
    assert lab.end(claim, 3).state is RunState.FAILED
    assert [each.parent_id for each in lab.runs()] == [None, claim.run.id]


def test_gaps_that_overlap_are_taken_off_once(lab: Lab) -> None:
    begin = lab.clock()
    for since, until in ((10, 20), (15, 40), (15, 30), (50, 60)):
        lab.database.write(
            lambda on, since=since, until=until: gaps.add(  # type: ignore[misc]
                on,
                begin.fromtimestamp(lab.clock.ts + since, begin.tzinfo),
                begin.fromtimestamp(lab.clock.ts + until, begin.tzinfo),
            )
        )
    with lab.database.read() as connection:
        known = hearing.known(connection, begin)
    assert known.heard(lab.clock.ts, lab.clock.ts + 100) == 60
    assert known.heard(lab.clock.ts + 18, lab.clock.ts + 55) == 10
