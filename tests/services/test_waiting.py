"""What a run that waits for its turn is said to wait for."""

from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from sqlalchemy import select

from lackey.domain.policy import ShareState
from lackey.domain.resources import Capacity
from lackey.services.admin.health import beat
from lackey.services.dispatch import launching, share_states
from lackey.services.dispatch.claiming import Memory, Site, claim
from lackey.services.runs import scheduling
from lackey.services.runs.waiting import NO_SCHEDULER, STARTS_SOON, Wait, WaitReasons
from lackey.store.database import Database
from lackey.store.models import ShareStateRow
from tests.services.lab import Lab


def wait(lab: Lab, run_id: int) -> Wait | None:
    return WaitReasons(lab.database, lab.clock()).wait_of(lab.run(run_id))


def test_a_run_waits_for_a_free_slot_only_where_a_scheduler_is_at_work_and_has_none(lab: Lab) -> None:
    first = lab.schedule()
    assert lab.reason(first.id) == NO_SCHEDULER
    lab.beat(slots=1)
    assert lab.reason(first.id) == STARTS_SOON
    (claim,) = lab.claim(slots=1)
    second = lab.schedule()
    assert claim.run.id == first.id and wait(lab, second.id) == Wait("slot", "waits for a free slot")
    lab.clock.forward(60)
    assert wait(lab, second.id) == Wait("scheduler", NO_SCHEDULER)


def test_a_scheduler_that_stands_by_starts_nothing(lab: Lab) -> None:
    lab.beat(slots=1, leads=False)
    assert lab.reason(lab.schedule().id) == NO_SCHEDULER


def test_what_there_is_too_little_of_is_told(lab: Lab) -> None:
    has: Any = {"slots": None, "cpus": 4, "memory_bytes": 4 << 30, "gpus": ("a", "b")}
    lab.beat(**has)
    lab.schedule(instead={"cpus": 3, "memory_bytes": 3 << 30, "gpus": 1})
    lab.claim(**has)
    large = lab.schedule(instead={"cpus": 2})
    heavy = lab.schedule(instead={"memory_bytes": 2 << 30})
    graphic = lab.schedule(instead={"gpus": 2})
    assert wait(lab, large.id) == Wait("resources", "waits for 2 cpus: 1 of 4 free")
    assert wait(lab, heavy.id) == Wait("resources", "waits for 2.0 GiB of memory: 1.0 GiB of 4.0 GiB free")
    assert wait(lab, graphic.id) == Wait("resources", "waits for 2 gpus: 1 of 2 free")


def test_a_run_that_never_fits_any_more_says_so(lab: Lab) -> None:
    run = lab.schedule(instead={"cpus": 8})
    lab.beat(slots=None, cpus=4)
    assert wait(lab, run.id) == Wait("resources", "can't start: cpus: 8 are asked for, and the executor local has 4")
    assert lab.claim(slots=9, cpus=4) == []


def test_an_application_at_its_limit_is_what_its_runs_wait_for(lab: Lab) -> None:
    lab.add_application(name="few", max_running=1)
    lab.launched(application="heat/few")
    lab.beat()
    run = lab.schedule("heat/few")
    assert wait(lab, run.id) == Wait("limit", "waits for another run of its application: at most 1 at a time")


def test_what_launches_nothing_at_all_is_told_of_every_run(lab: Lab) -> None:
    run = lab.schedule()
    beat(lab.database, "h1", lab.clock(), True, lab.clock(), Capacity(1), "waits for descriptors: all are in use")
    assert wait(lab, run.id) == Wait("executor", "waits for descriptors: all are in use")


def test_runs_of_a_share_say_how_it_is_without_one_of_them_being_written(lab: Lab) -> None:
    run = lab.schedule()
    lab.beat()
    assert lab.reason(run.id) == STARTS_SOON, "nobody has told"
    for state, expected in (
        ({"lab": ShareState("waits for share lab: gone", True)}, "waits for share lab: gone"),
        ({"lab": ShareState("waits for share lab: full")}, "waits for share lab: full"),
        ({"store": ShareState()}, "waits for share lab: it is not in the configuration"),
        ({"lab": ShareState()}, STARTS_SOON),
    ):
        share_states.publish(lab.database, "h1", state, lab.clock())
        assert lab.reason(run.id) == expected
    assert lab.run(run.id) == run


def test_of_two_schedulers_the_one_that_claims_says_how_shares_are(lab: Lab) -> None:
    run = lab.schedule()
    lab.beat()
    lab.beat(host="h2", leads=False)
    share_states.publish(lab.database, "h1", {"lab": ShareState()}, lab.clock())
    share_states.publish(lab.database, "h2", {"lab": ShareState("waits for share lab: gone", True)}, lab.clock())
    assert lab.reason(run.id) == STARTS_SOON


def test_a_run_that_was_given_back_says_why_until_it_waits_for_something_else(lab: Lab) -> None:
    run = lab.schedule()
    (claimed,) = lab.claim()
    lab.beat(slots=1)
    launching.give_back(lab.database, claimed.ticket, "could not be launched: no fork", lab.clock())
    assert lab.reason(run.id) == "could not be launched: no fork"
    scheduling.change(lab.database, run.id, {"hold": True}, "bob", lab.clock())
    assert lab.reason(run.id) == "held on request, until it is released"


def test_those_that_a_large_one_keeps_waiting_say_so(lab: Lab) -> None:
    lab.launched(instead={"cpus": 3})
    large = lab.schedule(instead={"cpus": 2})
    lab.clock.forward(timedelta(minutes=11).total_seconds())
    small = lab.schedule()
    memory, capacity = Memory(), Capacity(4)
    assert claim(lab.database, Site("h1", "", capacity), {}, (), lab.clock(), memory=memory) == []
    beat(lab.database, "h1", lab.clock(), True, lab.clock(), capacity, None, memory.kept_for)
    text = f"what is free is kept for run {large.id}, which takes more and has waited for long"
    assert wait(lab, small.id) == Wait("resources", text)
    assert wait(lab, large.id) == Wait("resources", "waits for 2 cpus: 1 of 4 free")


def test_how_shares_are_is_written_when_it_changes_and_keeps_the_time_since_when_it_is_so(lab: Lab) -> None:
    def since() -> dict[str, datetime]:
        with lab.database.read() as connection:
            rows = connection.execute(select(ShareStateRow.share, ShareStateRow.since))
            return {row.share: row.since for row in rows}

    begun = lab.clock()
    states = {"lab": ShareState("waits for share lab: gone", True), "store": ShareState()}
    share_states.publish(lab.database, "h1", states, begun)
    with patch.object(Database, "write") as written:
        share_states.publish(lab.database, "h1", states, lab.clock.forward(1))
    assert not written.called and since() == {"lab": begun, "store": begun}
    share_states.publish(lab.database, "h1", {**states, "lab": ShareState()}, lab.clock.forward(1))
    assert since() == {"lab": lab.clock(), "store": begun}
    share_states.publish(lab.database, "h1", {"store": ShareState()}, lab.clock())
    assert since() == {"store": begun}
