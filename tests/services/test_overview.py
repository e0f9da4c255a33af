"""What goes on now, and the fingerprint that tells whether it still is so."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lackey.domain.policy import ShareState
from lackey.domain.progress import ExpectedEnd
from lackey.domain.resources import Capacity
from lackey.domain.run import Run, RunState
from lackey.services.admin import health
from lackey.services.dispatch import attempts, claiming, launching, share_states
from lackey.services.runs import cancelling, overview, reporting, scheduling
from lackey.services.runs.overview import Now
from lackey.services.runs.reporting import ReportedProgress
from lackey.store.database import Database
from tests.clock import Clock
from tests.services.lab import Lab
from tests.waiting import wait_until


def seen(lab: Lab) -> Now:
    return overview.overview(lab.database, lab.clock())


def settled(lab: Lab) -> Now:
    """What is seen as long as nothing changes: PostgreSQL's own upkeep may make the fingerprint another one, too."""
    found = [seen(lab)]

    def is_the_same() -> bool:
        found.append(seen(lab))
        return found[-1] == found[-2] and overview.fingerprint(lab.database, lab.clock()) == found[-1].fingerprint

    wait_until(is_the_same)
    return found[-1]


def ids(runs: list[Run]) -> list[int]:
    return [run.id for run in runs]


def test_the_queue_stands_by_priority_and_what_is_being_started_before_all(lab: Lab) -> None:
    plain, urgent = lab.schedule(), lab.schedule(priority=5)
    (started,) = lab.claim(slots=1)
    assert started.run.id == urgent.id
    waits = lab.schedule(priority=2)
    shown = [(run.id, run.reason) for run in seen(lab).queued]
    assert shown == [(urgent.id, "starting on h1"), (waits.id, None), (plain.id, None)]


def test_what_comes_next_is_told_from_what_is_overdue(lab: Lab) -> None:
    later = lab.schedule(at=lab.clock() + timedelta(hours=2))
    sooner = lab.schedule(at=lab.clock() + timedelta(hours=1))
    waiting = lab.schedule(after=(sooner.id,))
    now = seen(lab)
    assert (ids(now.coming), ids(now.overdue)) == ([sooner.id, later.id], [waiting.id])


def test_what_ended_lately_stands_with_the_failures_first_and_yesterdays_is_gone(lab: Lab) -> None:
    lab.end(lab.launched())
    lab.clock.forward(24 * 3600)
    failed = lab.end(lab.launched(), code=3)
    lab.clock.forward(60)
    good = lab.end(lab.launched())
    now = seen(lab)
    assert ids(now.ended) == [failed.id, good.id]
    assert now.ended_counts == {RunState.FAILED: 1, RunState.SUCCEEDED: 1}


def test_what_ended_weeks_ago_by_a_report_of_now_is_shown_and_not_counted_among_what_ended_lately(lab: Lab) -> None:
    run = lab.reported()
    lab.start(run.id, ts=1369312595)
    lab.stop(run.id, ts=1369322595)
    now = seen(lab)
    assert (ids(now.ended), now.ended_counts) == ([], {})
    assert (ids(now.ended_earlier), now.ended_earlier_count) == ([run.id], 1)


def test_a_run_whose_end_turns_out_to_be_another_is_shown_as_news(lab: Lab) -> None:
    run = lab.reported()
    lab.stop(run.id)
    lab.clock.forward(25 * 3600)
    assert (seen(lab).ended, seen(lab).ended_earlier) == ([], [])
    lab.stop(run.id, code=1)
    assert [(one.id, one.state) for one in seen(lab).ended] == [(run.id, RunState.FAILED)]


def test_past_twenty_failures_what_succeeded_is_still_shown(lab: Lab) -> None:
    good = [lab.reported() for _ in range(6)]
    for run in good:
        lab.stop(run.id)
    for run in [lab.reported() for _ in range(25)]:
        lab.stop(run.id, code=1)
    shown = seen(lab).ended
    assert [run.state for run in shown] == [RunState.FAILED] * 15 + [RunState.SUCCEEDED] * 5
    assert {run.id for run in shown[15:]} <= {run.id for run in good}


def test_what_comes_is_counted_apart_from_what_is_overdue_however_much_that_is(lab: Lab) -> None:
    for _ in range(25):
        lab.schedule(None, name="script", launch=False)
    for _ in range(3):
        lab.schedule(at=lab.clock() + timedelta(hours=1))
    now = seen(lab)
    assert (len(now.overdue), now.overdue_count) == (20, 25)
    assert (len(now.coming), now.coming_count) == (3, 3)
    assert now.unended == {RunState.SCHEDULED: 28}


def test_all_that_has_not_ended_is_counted(lab: Lab) -> None:
    lab.launched()
    lab.schedule()
    lab.schedule()
    lab.schedule(at=lab.clock() + timedelta(hours=1))
    assert seen(lab).unended == {RunState.RUNNING: 1, RunState.QUEUED: 2, RunState.SCHEDULED: 1}


def test_the_end_of_a_run_is_estimated_from_what_its_application_took_before(lab: Lab) -> None:
    for seconds in (100, 300, 200):
        claim = lab.launched()
        lab.clock.forward(seconds)
        lab.end(claim)
    lab.clock.forward(1)
    begun = lab.clock()
    lab.launched()
    (running,) = seen(lab).running
    assert running.expected == ExpectedEnd(begun + timedelta(seconds=200), estimated=True)


def test_what_the_run_says_itself_of_its_end_counts_more_than_an_estimate(lab: Lab) -> None:
    lab.end(lab.launched())
    claim = lab.launched()
    begun = lab.clock()
    lab.clock.forward(30)
    tell(lab, claim.run.id, 0.25)
    (running,) = seen(lab).running
    assert running.expected == ExpectedEnd(begun + timedelta(seconds=120), estimated=False)


def test_without_a_past_and_without_a_word_no_end_is_made_up(lab: Lab) -> None:
    lab.end(lab.launched(), code=1)
    lab.launched()
    (running,) = seen(lab).running
    assert running.expected is None


def test_the_schedulers_are_shown_with_who_leads_and_who_is_late(lab: Lab) -> None:
    health.beat(lab.database, "h1", lab.clock(), True, lab.clock())
    lab.clock.forward(40)
    health.beat(lab.database, "h2", lab.clock(), False, lab.clock())
    shown = [(one.name, one.leads, one.late) for one in seen(lab).schedulers]
    assert shown == [("h2", False, False), ("h1", True, True)]


def test_an_application_at_a_glance_shows_its_last_runs_how_long_they_take_and_how_they_end(lab: Lab) -> None:
    for seconds, code in ((10, 0), (30, 0), (500, 1)):
        claim = lab.launched()
        lab.clock.forward(seconds)
        lab.end(claim, code=code)
    last = lab.schedule()
    shown = overview.glance(lab.database, last.application_id or 0)
    assert [run.state.value for run in shown.latest] == ["queued", "failed", "succeeded", "succeeded"]
    assert (shown.typical_seconds, shown.capped) == (20, False)
    assert shown.counts == {RunState.QUEUED: 1, RunState.FAILED: 1, RunState.SUCCEEDED: 2}


def tell(lab: Lab, run_id: int, fraction: float) -> Run:
    told = ReportedProgress(fraction=fraction, done=None, total=None, message=None, ts=lab.clock.ts)
    return reporting.progress(lab.database, run_id, told, lab.clock())


def _progress(lab: Lab) -> Callable[[], Any]:
    claim = lab.launched()
    tell(lab, claim.run.id, 0.1)
    lab.clock.forward(1)
    return lambda: tell(lab, claim.run.id, 0.2)


def _held(lab: Lab) -> Callable[[], Any]:
    run = lab.schedule()
    return lambda: scheduling.change(lab.database, run.id, {"hold": True}, "anna", lab.clock())


def _moved_on(lab: Lab) -> Callable[[], Any]:
    run = lab.schedule(at=lab.clock() + timedelta(hours=1))
    at = lab.clock() + timedelta(hours=2)
    return lambda: scheduling.change(lab.database, run.id, {"at": at}, "anna", lab.clock())


def _cancelled(lab: Lab) -> Callable[[], Any]:
    run = lab.schedule()
    return lambda: cancelling.cancel(lab.database, run.id, "anna", lab.clock())


def _asked_to_end(lab: Lab) -> Callable[[], Any]:
    claim = lab.launched()
    return lambda: cancelling.cancel(lab.database, claim.run.id, "anna", lab.clock())


def _claimed(lab: Lab) -> Callable[[], Any]:
    lab.schedule()
    return lab.claim


def _given_back(lab: Lab) -> Callable[[], Any]:
    lab.schedule()
    (claim,) = lab.claim()
    return lambda: launching.give_back(lab.database, claim.ticket, "no", lab.clock())


def _held_up(lab: Lab) -> Callable[[], Any]:
    lab.schedule()
    lab.claim()
    launched, _ = attempts.followed(lab.database, "local", "h1")
    return lambda: claiming.note_held_up(lab.database, launched, {"lab": "the share lab is away"})


def _begun(lab: Lab) -> Callable[[], Any]:
    lab.schedule()
    (claim,) = lab.claim()
    return lambda: lab.begin(claim)


def _ended(lab: Lab) -> Callable[[], Any]:
    claim = lab.launched()
    return lambda: lab.end(claim)


def _corrected(lab: Lab) -> Callable[[], Any]:
    run = lab.reported()
    lab.stop(run.id)
    return lambda: lab.stop(run.id, code=1)


def _new(lab: Lab) -> Callable[[], Any]:
    return lab.schedule


def _due(lab: Lab) -> Callable[[], Any]:
    lab.schedule(None, name="script", launch=False, at=lab.clock() + timedelta(minutes=1))
    return lambda: lab.clock.forward(61)


def _yesterday(lab: Lab) -> Callable[[], Any]:
    lab.end(lab.launched())
    lab.clock.forward(24 * 3600 - 1)
    return lambda: lab.clock.forward(1)


def _silent(lab: Lab) -> Callable[[], Any]:
    health.beat(lab.database, "h1", lab.clock(), True, lab.clock())
    return lambda: lab.clock.forward(31)


def _leads_no_more(lab: Lab) -> Callable[[], Any]:
    health.beat(lab.database, "h1", lab.clock(), True, lab.clock())
    return lambda: health.beat(lab.database, "h1", lab.clock(), False, lab.clock())


CHANGES = [_progress, _held, _moved_on, _cancelled, _asked_to_end, _claimed, _given_back, _held_up, _begun]
CHANGES += [_ended, _corrected, _new, _due, _yesterday, _silent, _leads_no_more]


@pytest.mark.parametrize("prepare", CHANGES)
def test_whatever_changes_the_fingerprint_is_another(lab: Lab, prepare: Callable[[Lab], Callable[[], Any]]) -> None:
    change = prepare(lab)
    before = settled(lab)
    change()
    after = settled(lab)
    assert replace(after, fingerprint="") != replace(before, fingerprint="")
    assert after.fingerprint != before.fingerprint


def test_what_queued_runs_wait_for_is_noticed_too(lab: Lab) -> None:
    lab.schedule()
    capacity, now = Capacity(2), lab.clock()
    told: list[Callable[[], Any]] = [
        lambda: lab.beat(cpus=2),
        lambda: lab.beat(cpus=3),
        lambda: health.beat(lab.database, "h1", now, True, now, capacity, "waits for descriptors"),
        lambda: health.beat(lab.database, "h1", now, True, now, capacity, None, 7),
        lambda: share_states.publish(lab.database, "h1", {"lab": ShareState()}, now),
        lambda: share_states.publish(lab.database, "h1", {"lab": ShareState("it is away", True)}, lab.clock.forward(1)),
    ]
    for tell in told:
        before = settled(lab).fingerprint
        tell()
        assert settled(lab).fingerprint != before


def test_what_is_committed_in_another_order_than_it_began_is_noticed(postgresql_url: str, clock: Clock) -> None:
    """What draws the lower ids may be committed later, and no highest id tells of it then."""
    database = Database(postgresql_url)
    lab = Lab(database, clock)
    slow = lab.schedule()
    with database.writer.connect() as connection, connection.begin() as transaction:
        connection.exec_driver_sql("SELECT nextval(pg_get_serial_sequence('event', 'id'))")
        connection.exec_driver_sql(f"UPDATE run SET reason = 'slowly' WHERE id = {slow.id}")
        lab.schedule()
        before = seen(lab)
        transaction.commit()
    after = seen(lab)
    database.close()
    assert (before.queued[0].reason, after.queued[0].reason) == (None, "slowly")
    assert after.fingerprint != before.fingerprint
