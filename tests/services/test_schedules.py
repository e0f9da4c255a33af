"""Recurring schedules: what comes of each time at which one is due."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import text

from lackey.domain.recurrence import Reckoning, reckon
from lackey.domain.refusals import Conflict, Invalid, NotFound
from lackey.domain.run import Run, RunState
from lackey.domain.schedule import Schedule, Tick
from lackey.services.catalogue import changing as catalogue
from lackey.services.catalogue import removing
from lackey.services.dispatch import silence
from lackey.services.runs import cancelling, overview, rerunning, viewing
from lackey.services.schedules import changing, firing, reading
from lackey.store.database import Database
from tests.clock import Clock
from tests.services.lab import SHARES, Lab

HOUR = timedelta(hours=1)
USUAL: dict[str, Any] = {"application": "heat/explicit", "parameters": {}, "cron": "0 * * * *", "timezone": "UTC"}
USUAL |= {"overlap": "allow", "catch_up": "latest", "paused": False}


def add(lab: Lab, **values: Any) -> Schedule:
    """A schedule of each full hour, which differs from the usual in `values`."""
    return changing.add(lab.database, {**USUAL, **values}, "anna", lab.clock())


def now(lab: Lab, schedule: Schedule) -> Schedule:
    return reading.schedule(lab.database, schedule.id)


def change(lab: Lab, schedule: Schedule, **values: Any) -> Schedule:
    return changing.change(lab.database, schedule.id, values, lab.clock())


def fire(lab: Lab, **later: float) -> datetime | None:
    """The scheduler looks, after a while."""
    lab.clock.forward(timedelta(**later).total_seconds())
    return firing.fire(lab.database, lab.clock())


def history(lab: Lab, schedule: Schedule) -> list[Tick]:
    """What has come of its times, the first first."""
    return [tick for _, tick in reading.ticks(lab.database, schedule.id, None, 1000)][::-1]


def told(lab: Lab, schedule: Schedule) -> list[str]:
    return [tick.came_to for tick in history(lab, schedule)]


def at(hour: int, minute: int = 0) -> datetime:
    """A time of the day on which the clock begins, at noon."""
    return datetime(2026, 3, 5, tzinfo=UTC) + timedelta(hours=hour, minutes=minute)


def test_a_run_is_made_when_its_time_has_come_as_the_user_who_made_the_schedule(lab: Lab) -> None:
    schedule = add(lab, parameters={"n": "7"})
    assert (schedule.next_at, fire(lab, minutes=59)) == (at(13), at(13))
    assert lab.runs() == []
    assert fire(lab, minutes=1) == at(14)
    (run,) = lab.runs()
    assert (run.schedule_id, run.cause, run.parent_id, run.by) == (schedule.id, "schedule", None, "anna")
    assert (run.parameters, run.state, run.scheduled_at) == ({"n": "7"}, RunState.QUEUED, at(13))
    assert history(lab, schedule) == [Tick(at(13), at(13), "made", run.id)]
    assert fire(lab) == at(14), "it is not made again"
    assert len(lab.runs()) == 1


def test_two_schedulers_at_once_make_one_run(lab: Lab) -> None:
    schedule, looks = add(lab), list[None]()

    def interrupted(*given: Any) -> Reckoning:
        looks.append(None)
        if len(looks) == 1:
            fire(lab)
        return reckon(*given)

    with patch.object(firing, "reckon", interrupted):
        fire(lab, hours=1)
    assert (len(looks), len(lab.runs()), told(lab, schedule)) == (2, 1, ["made"])


def test_after_a_downtime_the_latest_is_caught_up_and_the_others_are_one_line(lab: Lab) -> None:
    schedule = add(lab)
    assert fire(lab, days=30, minutes=30) == at(13) + timedelta(days=30)
    (run,) = lab.runs()
    missed, caught_up = history(lab, schedule)
    assert (missed.came_to, missed.count, missed.due_at) == ("missed", 719, at(13))
    assert missed.last_due_at == at(11) + timedelta(days=30)
    assert (caught_up.came_to, caught_up.due_at, caught_up.run_id) == ("caught_up", at(12) + 24 * 30 * HOUR, run.id)


def test_a_hundred_thousand_that_were_missed_are_one_line_too(lab: Lab) -> None:
    schedule = add(lab, cron="* * * * *")
    fire(lab, days=70)
    assert told(lab, schedule) == ["missed", "made"]
    assert history(lab, schedule)[0].count == 10_001


def test_none_is_caught_up_where_none_shall_be(lab: Lab) -> None:
    schedule = add(lab, catch_up="none")
    assert fire(lab, hours=3, minutes=30) == at(16)
    (missed,) = history(lab, schedule)
    assert (missed.came_to, missed.count, missed.due_at, missed.last_due_at) == ("missed", 3, at(13), at(15))
    assert lab.runs() == []


@pytest.mark.parametrize(("minutes", "came_to"), [(5, "made"), (6, "missed")])
def test_a_short_restart_is_no_downtime(lab: Lab, minutes: int, came_to: str) -> None:
    schedule = add(lab, catch_up="none")
    fire(lab, hours=1, minutes=minutes)
    assert told(lab, schedule) == [came_to]


def test_a_clock_that_is_put_forward_is_a_downtime(lab: Lab) -> None:
    schedule = add(lab)
    fire(lab, hours=1)
    fire(lab, days=1, minutes=10)
    assert told(lab, schedule) == ["made", "missed", "caught_up"]


def test_a_clock_that_is_put_back_fires_none_twice_and_stands_still_no_longer_than_that(lab: Lab) -> None:
    schedule = add(lab)
    fire(lab, hours=1)
    assert fire(lab, minutes=10) == at(14)
    lab.clock.forward(-3600)
    assert fire(lab) == at(14)
    change(lab, schedule, cron="*/30 * * * *")
    assert now(lab, schedule).next_at == at(13, 30), "what has passed does not come again"
    for _ in range(10):
        fire(lab, minutes=10)
    assert [tick.due_at for tick in history(lab, schedule)] == [at(13), at(13, 30)]


def test_what_was_missed_while_it_was_paused_is_not_caught_up(lab: Lab) -> None:
    schedule = add(lab)
    assert change(lab, schedule, paused=True).next_at is None
    assert fire(lab, hours=5, minutes=10) is None
    assert change(lab, schedule, paused=False).next_at == at(18)
    fire(lab, minutes=50)
    assert [(tick.came_to, tick.due_at) for tick in history(lab, schedule)] == [("made", at(18))]


def test_one_that_is_made_paused_waits_until_it_goes_on(lab: Lab) -> None:
    schedule = add(lab, paused=True)
    assert fire(lab, hours=2) is None
    assert change(lab, schedule, paused=False).next_at == at(15)


def test_another_rule_counts_from_now_on(lab: Lab) -> None:
    schedule = add(lab)
    lab.clock.forward(600)
    assert change(lab, schedule, cron="30 2 * * *", timezone="Europe/Zurich").next_at == at(25, 30)
    assert change(lab, schedule, overlap="queue").next_at == at(25, 30)


def test_with_skip_none_is_made_until_the_run_before_has_ended_with_its_retries(lab: Lab) -> None:
    catalogue.change_application(lab.database, 1, {"retries": 1, "retry_wait": 60.0}, SHARES)
    schedule = add(lab, overlap="skip")
    fire(lab, hours=1)
    (run,) = lab.runs()
    fire(lab, hours=1)
    (claim,) = lab.claim()
    lab.begin(claim)
    lab.end(claim, 1)
    assert lab.runs()[-1].cause == "retry"
    fire(lab, hours=1)
    made, *skipped = history(lab, schedule)
    assert [(tick.came_to, tick.run_id) for tick in skipped] == [("skipped", None)] * 2
    assert {tick.reason for tick in skipped} == {f"run {run.id}, the one before, has not ended"}
    cancelling.cancel(lab.database, lab.runs()[-1].id, "anna", lab.clock())
    fire(lab, hours=1)
    assert told(lab, schedule) == ["made", "skipped", "skipped", "made"]
    assert {one.schedule_id for one in lab.runs()} == {schedule.id}, "the retry is the schedule's, too"


def test_a_silent_run_may_be_at_work_so_the_next_one_is_skipped_until_it_is_given_up(lab: Lab) -> None:
    schedule = add(lab, overlap="skip")
    fire(lab, hours=1)
    (claim,) = lab.claim()
    lab.begin(claim)
    fire(lab, hours=1)
    silence.note_silent_schedulers(lab.database, lab.clock(), "h2")
    assert lab.state(claim.run.id) is RunState.LOST
    fire(lab, hours=1)
    cancelling.give_up(lab.database, claim.run.id, "anna", lab.clock())
    fire(lab, hours=1)
    assert told(lab, schedule) == ["made", "skipped", "skipped", "made"]


def test_with_queue_one_waits_for_the_run_before_and_no_more_than_one(lab: Lab) -> None:
    schedule = add(lab, overlap="queue")
    fire(lab, hours=1)
    fire(lab, hours=1)
    fire(lab, hours=1)
    first, second = lab.runs()
    assert (second.state, second.after, second.after_on) == (RunState.SCHEDULED, [first.id], {str(first.id): "ended"})
    assert told(lab, schedule) == ["made", "made", "skipped"]
    assert history(lab, schedule)[-1].reason == f"run {second.id} waits already for the one before"
    (claim,) = lab.claim()
    lab.begin(claim)
    lab.end(claim, 1)
    assert lab.state(second.id) is RunState.QUEUED
    fire(lab, hours=1)
    assert lab.runs()[-1].after == [second.id]


def test_with_allow_they_run_beside_each_other(lab: Lab) -> None:
    add(lab, overlap="allow")
    fire(lab, hours=1)
    fire(lab, hours=1)
    assert [run.state for run in lab.runs()] == [RunState.QUEUED] * 2


def test_one_that_was_allowed_to_overlap_counts_when_that_is_over(lab: Lab) -> None:
    schedule = add(lab, overlap="allow")
    fire(lab, hours=1)
    fire(lab, hours=1)
    first, second = lab.runs()
    cancelling.cancel(lab.database, second.id, "anna", lab.clock())
    change(lab, schedule, overlap="skip")
    fire(lab, hours=1)
    assert history(lab, schedule)[-1].reason == f"run {first.id}, the one before, has not ended"


def archive(lab: Lab) -> None:
    lab.stop(lab.reported().id, 0)
    lab.database.write(lambda connection: connection.execute(text("UPDATE application SET archived_at = 1")))


def ask_for_more(lab: Lab) -> None:
    catalogue.change_application(lab.database, 1, {"parameters": [{"name": "n"}]}, SHARES)


def want_too_much(lab: Lab) -> None:
    lab.beat()
    catalogue.change_application(lab.database, 1, {"cpus": 2000}, SHARES)


@pytest.mark.parametrize(
    ("meddle", "reason"),
    [
        (archive, "application heat/explicit is archived; nothing new is run of it"),
        (ask_for_more, "parameters.n: "),
        (want_too_much, "cpus: "),
    ],
    ids=["archived", "parameters", "resources"],
)
def test_where_no_run_can_be_made_the_history_says_why_and_others_go_on(
    lab: Lab, meddle: Callable[[Lab], None], reason: str
) -> None:
    lab.add_application(name="other")
    refused = add(lab)
    meddle(lab)
    lab.database.write(
        lambda connection: connection.execute(text("UPDATE application SET archived_at = NULL WHERE id = 2"))
    )
    other = add(lab, application="heat/other")
    fire(lab, hours=1)
    (tick,) = history(lab, refused)
    assert (tick.came_to, tick.run_id) == ("refused", None)
    assert (tick.reason or "").startswith(reason), tick.reason
    assert told(lab, other) == ["made"]
    assert now(lab, refused).next_at == at(14), "the next one may be possible"


@pytest.mark.parametrize("spoil", ["timezone = 'Moon/Apollo'", "cron = '61 * * * *'"], ids=["zone", "cron"])
def test_one_that_can_tell_no_next_time_is_paused_and_says_so_and_others_go_on(lab: Lab, spoil: str) -> None:
    faulty, other = add(lab), add(lab)
    lab.database.write(
        lambda connection: connection.execute(text(f"UPDATE schedule SET {spoil} WHERE id = {faulty.id}"))
    )
    fire(lab, hours=1)
    assert fire(lab) == at(14)
    (tick,) = history(lab, faulty)
    assert tick.came_to == "refused"
    assert (tick.reason or "").startswith("paused by lackey: "), tick.reason
    assert now(lab, faulty).paused
    assert told(lab, other) == ["made"]


def test_one_that_can_not_be_read_stops_no_other(sqlite: Database, clock: Clock) -> None:
    lab = Lab(sqlite, clock)
    faulty, other = add(lab), add(lab)
    spoilt = text("UPDATE schedule SET parameters = '[[[' WHERE id = :id")
    sqlite.write(lambda connection: connection.execute(spoilt, {"id": faulty.id}))
    fire(lab, hours=1)
    assert fire(lab) == at(14)
    assert (told(lab, faulty), told(lab, other)) == (["refused"], ["made"])


def test_a_mistake_of_ours_costs_that_run_and_says_so_and_neither_the_next_one_nor_others(lab: Lab) -> None:
    faulty, other, make = add(lab), add(lab), firing.make

    def fail(connection: Any, schedule: Schedule, *given: Any) -> int:
        made = make(connection, schedule, *given)
        if schedule.id == faulty.id:
            raise ZeroDivisionError("by zero")
        return made

    with patch.object(firing, "make", fail):
        assert fire(lab, hours=1) == at(14)
    (tick,) = history(lab, faulty)
    assert (tick.came_to, tick.reason) == ("refused", "no run can be made: ZeroDivisionError: by zero")
    assert [run.schedule_id for run in lab.runs()] == [other.id], "nothing of it is left"
    fire(lab, hours=1)
    assert told(lab, faulty) == ["refused", "made"]


def test_a_share_that_is_gone_holds_the_run_as_any_other(lab: Lab) -> None:
    add(lab)
    fire(lab, hours=1)
    assert lab.claim(away={"lab": "gone"}) == []
    assert lab.state(lab.runs()[0].id) is RunState.QUEUED


def test_what_no_run_could_be_made_of_is_refused_at_once(lab: Lab) -> None:
    with pytest.raises(NotFound):
        add(lab, application="heat/none")
    for wrong in ({"parameters": {"m": "1"}}, {"cron": "0 0 30 2 *"}, {"timezone": "Moon/Apollo"}):
        with pytest.raises(Invalid):
            add(lab, **wrong)
    schedule = add(lab)
    for wrong in ({"parameters": {"m": "1"}}, {"cron": "0 0 30 2 *"}, {"timezone": "Moon/Apollo"}):
        with pytest.raises(Invalid):
            change(lab, schedule, **wrong)
    removing_run(lab)
    with pytest.raises(Conflict):
        add(lab)


def removing_run(lab: Lab) -> Run:
    """The application is archived, for a run of it is kept."""
    run = lab.schedule()
    cancelling.cancel(lab.database, run.id, "anna", lab.clock())
    assert removing.remove_application(lab.database, 1, lab.clock())
    return run


@pytest.mark.parametrize("remove", [removing.remove_application, removing.remove_project])
def test_a_schedule_goes_with_its_application_that_never_ran(lab: Lab, remove: Callable[..., bool]) -> None:
    schedule = add(lab)
    ask_for_more(lab)
    fire(lab, hours=1)
    assert told(lab, schedule) == ["refused"]
    assert remove(lab.database, 1, lab.clock()) is False
    with pytest.raises(NotFound):
        now(lab, schedule)


def test_the_runs_of_a_schedule_that_is_removed_stay_and_its_number_does_not_come_again(lab: Lab) -> None:
    schedule = add(lab)
    fire(lab, hours=1)
    changing.remove(lab.database, schedule.id)
    assert [run.schedule_id for run in lab.runs()] == [schedule.id]
    assert add(lab).id > schedule.id
    with pytest.raises(NotFound):
        changing.remove(lab.database, schedule.id)


def test_a_rerun_by_hand_is_nothing_of_the_schedule(lab: Lab) -> None:
    add(lab)
    fire(lab, hours=1)
    again, _ = rerunning.rerun(lab.database, lab.runs()[0].id, "bob", lab.clock())
    assert (again.schedule_id, again.cause) == (None, "rerun")


def test_what_goes_on_lists_those_that_fire_next_and_tells_a_change_of_them(lab: Lab) -> None:
    later, first = add(lab, cron="0 20 * * *"), add(lab)
    add(lab, paused=True)
    seen = overview.overview(lab.database, lab.clock())
    assert [one.id for one in seen.schedules] == [first.id, later.id]
    assert overview.fingerprint(lab.database, lab.clock()) == seen.fingerprint
    change(lab, later, cron="0 21 * * *")
    assert overview.fingerprint(lab.database, lab.clock()) != seen.fingerprint


def test_the_last_of_its_history_is_told_of_each_that_has_one(lab: Lab) -> None:
    first, second, never = add(lab), add(lab, overlap="skip"), add(lab, cron="0 0 1 1 *")
    fire(lab, hours=1)
    fire(lab, hours=1)
    last = reading.last_ticks(lab.database, [first, second, never])
    assert {number: (tick.came_to, tick.due_at) for number, tick in last.items()} == {
        first.id: ("made", at(14)),
        second.id: ("skipped", at(14)),
    }


def test_a_run_is_shown_with_its_schedule_as_long_as_there_is_one(lab: Lab) -> None:
    schedule = add(lab)
    fire(lab, hours=1)
    (run,) = lab.runs()
    shown = viewing.neighbours(lab.database, run).schedule
    assert shown is not None and shown.id == schedule.id
    changing.remove(lab.database, schedule.id)
    assert viewing.neighbours(lab.database, run).schedule is None


def test_who_removes_a_project_or_application_is_told_its_schedules(lab: Lab) -> None:
    other = lab.add_application(name="other")
    mine, its = add(lab), add(lab, application=other.id)
    assert removing.removal_of_application(lab.database, other.id).schedules == [its]
    assert removing.removal_of_project(lab.database, other.project_id).schedules == [its, mine]
