"""Making runs on request, and changing those that wait."""

from datetime import timedelta
from typing import Any

import pytest

from lackey.domain.refusals import AlreadyFinal, Conflict, Invalid, NotFound
from lackey.domain.run import Run, RunState
from lackey.services.catalogue import changing
from lackey.services.dispatch import queueing
from lackey.services.runs import reporting, rerunning, scheduling
from lackey.services.runs.scheduling import Wanted
from tests.services.lab import SHARES, Lab


def change(lab: Lab, run: Run, **values: Any) -> Run:
    return scheduling.change(lab.database, run.id, values, "bob", lab.clock())


def test_a_run_that_is_due_is_queued_in_the_same_breath(lab: Lab) -> None:
    run = lab.schedule(parameters={"n": "8"}, priority=3)
    assert (run.state, run.queued_at, run.reason) == (RunState.QUEUED, lab.clock(), None)
    assert (run.name, run.project, run.application) == ("heat/explicit", "heat", "heat/explicit")
    assert (run.command, run.directory, run.share) == ('./heat "${LACKEY_PARAM_N}"', "heat/explicit", "lab")
    assert (run.parameters, run.environment, run.priority, run.by) == ({"n": "8"}, {"OMP": "2"}, 3, "anna")
    assert lab.kinds(run.id) == ["queued"]


def test_a_run_for_later_waits_for_its_time(lab: Lab) -> None:
    at = lab.clock() + timedelta(hours=1)
    run = lab.schedule(at=at)
    assert (run.state, run.scheduled_at, run.queued_at, run.reason) == (RunState.SCHEDULED, at, None, None)
    assert queueing.queue_due(lab.database, lab.clock()) == at
    lab.clock.forward(3600)
    assert queueing.queue_due(lab.database, lab.clock()) is None
    assert (lab.run(run.id).state, lab.run(run.id).queued_at) == (RunState.QUEUED, at)


def test_runs_that_were_to_start_at_once_do_so_although_the_clock_was_set_back_since(lab: Lab) -> None:
    first = lab.schedule()
    lab.clock.forward(3600)
    waiting = lab.schedule(after=(first.id,))
    named = lab.schedule(at=lab.clock() + timedelta(minutes=1))
    lab.clock.forward(-3600)
    lab.stop(first.id, 0)
    queueing.put_right(lab.database, lab.clock())
    assert queueing.queue_due(lab.database, lab.clock()) == named.scheduled_at
    assert (lab.run(waiting.id).state, lab.run(named.id).state) == (RunState.QUEUED, RunState.SCHEDULED)
    assert lab.kinds(waiting.id).count("changed") == 1


def test_a_reported_run_waits_for_its_own_start(lab: Lab) -> None:
    run = lab.schedule(None, name="script", launch=False, parameters={"n": "1"})
    assert (run.state, run.reason) == (RunState.SCHEDULED, "waits for its own start report")
    assert (run.launched, run.application, run.parameters) == (False, None, {"n": "1"})
    queueing.queue_due(lab.database, lab.clock())
    assert lab.state(run.id) is RunState.SCHEDULED


def test_what_replaces_the_defaults_of_the_application_counts(lab: Lab) -> None:
    lab.add_application(name="slow", time_limit=60.0, retries=2)
    assert (lab.schedule("heat/slow").time_limit, lab.schedule("heat/slow").retries) == (60.0, 2)
    run = lab.schedule("heat/slow", instead={"time_limit": 5.0, "retries": 0})
    assert (run.time_limit, run.retries) == (5.0, 0)


def test_a_run_keeps_what_it_was_made_with_when_its_application_changes(lab: Lab) -> None:
    run = lab.schedule()
    assert run.application_id is not None
    changing.change_application(lab.database, run.application_id, {"command": "./other", "parameters": []}, SHARES)
    assert lab.run(run.id) == run


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"application": None}, "application"),
        ({"application": None, "launch": False}, "name"),
        ({"parameters": {"m": "1"}}, "parameters.m"),
        ({"after": (1, 98, 99)}, "after"),
    ],
)
def test_what_cannot_be_run_is_refused_field_by_field(lab: Lab, wanted: dict[str, Any], field: str) -> None:
    lab.schedule()
    with pytest.raises(Invalid) as refused:
        lab.schedule(**{"application": "heat/explicit", **wanted})
    assert [error.field for error in refused.value.errors] == [field]
    assert len(lab.runs()) == 1


def test_the_token_given_out_speaks_for_the_run_and_for_no_other(lab: Lab) -> None:
    run, token = scheduling.schedule(lab.database, Wanted("heat/explicit"), "anna", lab.clock())
    other = lab.schedule()
    reporting.authenticate(lab.database, run.id, token)
    for wrong in ((other.id, token), (run.id, token.upper() + "x"), (run.id, ""), (run.id, None), (99, token)):
        with pytest.raises(Exception, match="wrong or missing token"):
            reporting.authenticate(lab.database, *wrong)


def test_many_runs_that_wait_for_others_keep_no_later_one_from_its_time(lab: Lab) -> None:
    first = lab.schedule(at=lab.clock() + timedelta(days=9))
    for _ in range(201):
        lab.schedule(after=(first.id,))
    lab.clock.forward(1)
    due = lab.schedule(at=lab.clock() + timedelta(seconds=1))
    lab.clock.forward(2)
    queueing.queue_due(lab.database, lab.clock())
    assert lab.state(due.id) is RunState.QUEUED


def test_a_run_that_waits_can_be_changed_and_the_change_is_in_its_history(lab: Lab) -> None:
    run = lab.schedule()
    changed = change(lab, run, priority=7, hold=True)
    assert (changed.priority, changed.held, lab.reason(run.id)) == (7, True, "held on request, until it is released")
    assert lab.claim() == []
    (event,) = [event for event in lab.history(run.id) if event.kind == "changed"]
    assert (event.by, event.details) == ("bob", {"priority": 7, "hold": True})
    released = change(lab, run, hold=False)
    lab.beat()
    assert (released.held, lab.reason(run.id)) == (False, "is about to be started")
    assert [claim.run.id for claim in lab.claim()] == [run.id]


def test_a_queued_run_put_off_waits_for_its_new_time(lab: Lab) -> None:
    run = lab.schedule()
    later = lab.clock() + timedelta(hours=1)
    put_off = change(lab, run, at=later)
    assert (put_off.state, put_off.scheduled_at, put_off.queued_at) == (RunState.SCHEDULED, later, None)
    assert (put_off.reason, lab.claim()) == (None, [])
    change(lab, run, at=lab.clock())
    queueing.queue_due(lab.database, lab.clock())
    assert lab.state(run.id) is RunState.QUEUED


def test_a_run_that_is_held_is_told_so_when_its_time_comes(lab: Lab) -> None:
    run = lab.schedule(at=lab.clock() + timedelta(hours=1))
    change(lab, run, hold=True)
    queueing.queue_due(lab.database, lab.clock.forward(3600))
    assert lab.reason(run.id) == "held on request, until it is released"
    assert lab.claim() == []


def test_a_run_that_waits_no_more_cannot_be_changed(lab: Lab) -> None:
    claimed = lab.launched()
    with pytest.raises(Conflict, match="running"):
        change(lab, claimed.run, priority=1)
    lab.end(claimed)
    with pytest.raises(AlreadyFinal, match="succeeded"):
        change(lab, claimed.run, priority=1)
    waiting = lab.schedule()
    lab.claim()
    with pytest.raises(Conflict):
        change(lab, waiting, at=lab.clock() + timedelta(hours=1))
    with pytest.raises(NotFound):
        scheduling.change(lab.database, 99, {"priority": 1}, "bob", lab.clock())


def test_run_again_means_a_new_run_with_the_inputs_of_the_old_one(lab: Lab) -> None:
    old = lab.end(lab.launched(parameters={"n": "3"}, priority=2, instead={"time_limit": 9.0}), 1)
    again, token = rerunning.rerun(lab.database, old.id, "bob", lab.clock.forward(60))
    assert (again.parent_id, again.cause, again.by, again.state) == (old.id, "rerun", "bob", RunState.QUEUED)
    same = ("parameters", "priority", "time_limit", "command", "directory", "name", "environment", "application_id")
    assert [getattr(again, name) for name in same] == [getattr(old, name) for name in same]
    assert (again.exit_code, again.evidence, again.ticket, again.started_at) == (None, {}, None, None)
    assert again.uid != old.uid
    reporting.authenticate(lab.database, again.id, token)
    with pytest.raises(NotFound):
        rerunning.rerun(lab.database, 99, "bob", lab.clock())
