"""Several hosts on one PostgreSQL database: one schedules, another stands by, and each looks after what it launched."""

import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from lackey.domain.refusals import Unavailable
from lackey.domain.resources import Capacity
from lackey.domain.run import RunState
from lackey.services.admin import health
from lackey.services.dispatch import claiming
from lackey.services.dispatch.claiming import Site
from lackey.services.runs import cancelling, reporting, rerunning, scheduling
from lackey.services.runs.scheduling import Wanted
from tests.faults.crowd import Crowd
from tests.faults.hosts import clock_ahead, start, until_it_is_frozen, until_it_leads, until_it_stands_by
from tests.nursery import Nursery
from tests.stage import Stage, now, until

NEVER = 3600
UNTIL_GO = "echo >> ran; while [ ! -e go ]; do sleep 0.05; done"


@pytest.fixture
def stage(nursery: Nursery, tmp_path: Path, postgresql_url: str) -> Iterator[Stage]:
    stage = Stage(nursery, tmp_path, database_url=postgresql_url, slots=20)
    yield stage
    stage.close()


def elsewhere(stage: Stage, application: str, at: datetime | None = None) -> int:
    """A run that is made on a host with web alone, from where no datagram comes; its id."""
    return scheduling.schedule(stage.database, Wanted(application, at=at), "anna", now())[0].id


def host_of(stage: Stage, run_id: int) -> str | None:
    return stage.get(run_id).host


def test_a_scheduler_that_looks_once_an_hour_starts_at_once_what_another_host_makes(stage: Stage) -> None:
    until_it_leads(stage, start(stage, "alpha", POLL=NEVER))
    application = stage.add("heat", UNTIL_GO)
    # Each of them comes while the scheduler has nothing to do but to wait.
    for _ in range(3):
        stage.until_running(elsewhere(stage, application))


def test_a_scheduler_that_looks_once_an_hour_hears_of_changes_reruns_and_cancellations(stage: Stage) -> None:
    until_it_leads(stage, start(stage, "alpha", POLL=NEVER))
    application = stage.add("heat", UNTIL_GO)
    running = elsewhere(stage, application)
    stage.until_running(running)
    cancelling.cancel(stage.database, running, "anna", now())
    assert stage.until_ended(running).state is RunState.CANCELLED
    again = rerunning.rerun(stage.database, running, "anna", now())[0].id
    stage.until_running(again)
    late = elsewhere(stage, application, now() + timedelta(hours=1))
    scheduling.change(stage.database, late, {"at": now()}, "anna", now())
    stage.until_running(late)


def test_a_scheduler_that_stands_by_ends_its_own_run_when_another_host_says_so(stage: Stage) -> None:
    alpha = start(stage, "alpha")
    application = stage.add("heat", UNTIL_GO)
    runs = [elsewhere(stage, application) for _ in range(3)]
    for run_id in runs:
        stage.until_running(run_id)
    alpha.stop()
    until_it_leads(stage, start(stage, "beta"))
    until_it_stands_by(stage, start(stage, "alpha", POLL=NEVER))
    for run_id in runs:
        cancelling.cancel(stage.database, run_id, "anna", now())
        assert stage.until_ended(run_id).state is RunState.CANCELLED
        assert host_of(stage, run_id) == "alpha"


def test_word_is_heard_again_after_the_connections_were_lost(stage: Stage) -> None:
    until_it_leads(stage, start(stage, "alpha", POLL=NEVER))
    application = stage.add("heat", UNTIL_GO)
    stage.until_running(elsewhere(stage, application))
    cut(stage, "query LIKE 'LISTEN%'")
    until(lambda: stage.log_says("no word from other hosts is heard"), "the loss")
    stage.until_running(elsewhere(stage, application))


def test_when_the_leader_is_killed_another_host_takes_over_and_each_looks_after_its_own(stage: Stage) -> None:
    alpha = start(stage, "alpha")
    until_it_leads(stage, alpha)
    crowd = Crowd.scheduled(stage)
    crowd.until_running()
    beta = start(stage, "beta")
    until_it_stands_by(stage, beta)
    alpha.kill()
    until_it_leads(stage, beta)
    after = stage.until_ended(stage.schedule(stage.add("next")))
    assert (after.state, after.host) == (RunState.SUCCEEDED, "beta")
    assert {stage.get(run_id).state for run_id in crowd.runs} == {RunState.RUNNING}
    crowd.release("0")
    crowd.release("3")
    start(stage, "alpha")
    crowd.check()
    assert {host_of(stage, run_id) for run_id in crowd.runs} == {"alpha"}


def test_a_leader_that_is_stopped_loses_the_lead_and_finds_its_runs_when_it_goes_on(stage: Stage) -> None:
    alpha = start(stage, "alpha", SILENT=2, POLL=0.2)
    until_it_leads(stage, alpha)
    crowd = Crowd.scheduled(stage)
    crowd.until_running()
    beta = start(stage, "beta", POLL=0.2)
    until_it_stands_by(stage, beta)
    alpha.send(signal.SIGSTOP)
    until_it_leads(stage, beta)
    crowd.release("3")
    application = stage.add("next", "echo $LACKEY_RUN_ID >> ran")
    others = [stage.schedule(application) for _ in range(10)]
    assert stage.until_ended(others[0]).host == "beta"
    alpha.send(signal.SIGCONT)
    until_it_stands_by(stage, alpha)
    others += [stage.schedule(application) for _ in range(10)]
    crowd.release("0")
    crowd.check()
    assert {stage.until_ended(run_id).state for run_id in others} == {RunState.SUCCEEDED}
    assert sorted(map(int, stage.told(application, "ran").split())) == others


def test_a_leader_that_freezes_within_its_claim_is_succeeded_and_starts_nothing_when_it_goes_on(stage: Stage) -> None:
    # Only alpha loses its lead so soon: beta would when the machine is just busy.
    alpha = start(stage, "alpha", SILENT=2, POLL=0.2, STANDSTILL=3, FREEZES=1)
    until_it_leads(stage, alpha)
    application = stage.add("heat", "echo $LACKEY_RUN_ID >> ran")
    runs = [elsewhere(stage, application)]
    until_it_is_frozen(alpha)
    runs += [elsewhere(stage, application) for _ in range(4)]
    beta = start(stage, "beta", POLL=0.2)
    assert {stage.until_ended(run_id).host for run_id in runs} == {"beta"}
    alpha.send(signal.SIGCONT)
    until_it_stands_by(stage, alpha)
    runs.append(elsewhere(stage, application))
    assert stage.until_ended(runs[-1]).host == "beta"
    beta.stop()
    runs.append(elsewhere(stage, application))
    assert stage.until_ended(runs[-1]).host == "alpha"
    assert {stage.get(run_id).state for run_id in runs} == {RunState.SUCCEEDED}
    assert sorted(map(int, stage.told(application, "ran").split())) == runs


def test_schedulers_whose_connections_are_cut_again_and_again_start_nothing_twice(stage: Stage) -> None:
    schedulers = [start(stage, "alpha"), start(stage, "beta")]
    crowd = Crowd.scheduled(stage)
    crowd.release("0")
    crowd.release("3")
    for begun in (1, 5, 9, 13):
        until(lambda begun=begun: len(crowd.begun()) >= begun, "some of them")  # type: ignore[misc]
        cut(stage, "true")
    crowd.check()
    assert not any(scheduler.ended() for scheduler in schedulers)


def test_a_leader_whose_lock_was_cut_claims_nothing_even_before_it_knows(stage: Stage) -> None:
    """The connection of the lock alone: those on which it writes live."""
    lead, other = health.Leadership(stage.database), health.Leadership(stage.database)
    assert lead.take() and lead.take() and not other.take()
    run_id = elsewhere(stage, stage.add("heat"))
    cut(stage, "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')")
    until(other.take, "the end of the connection")
    assert claiming.claim(stage.database, Site("alpha", "", Capacity(9)), {}, (), now(), leads=lead.is_ours) == []
    (claim,) = claiming.claim(stage.database, Site("beta", "", Capacity(9)), {}, (), now(), leads=other.is_ours)
    assert (claim.run.id, host_of(stage, run_id)) == (run_id, "beta")
    with pytest.raises(Unavailable):
        lead.take()
    assert not lead.take()
    other.release()
    until(lead.take, "the lead")
    lead.release()


def test_hosts_whose_clocks_are_minutes_apart_take_nothing_for_lost(stage: Stage) -> None:
    behind = start(stage, "alpha", CLOCK_AHEAD=-600)
    application = stage.add("heat", UNTIL_GO)
    launched = elsewhere(stage, application)
    stage.until_running(launched)
    behind.stop()
    ahead = start(stage, "beta", CLOCK_AHEAD=600)
    until_it_leads(stage, ahead)
    until_it_stands_by(stage, start(stage, "alpha", CLOCK_AHEAD=-600))
    with clock_ahead(-600):
        run, _ = scheduling.schedule(
            stage.database,
            Wanted(launch=False, name="by hand", instead={"silence": 60.0}),
            "anna",
            stage.database.clock(),
        )
        reporting.start(stage.database, run.id, None, None, stage.database.clock())
        assert health.troubles(stage.database, stage.database.clock()) == []
    # What passes through shows that the leader has looked at all of them.
    assert stage.until_ended(elsewhere(stage, stage.add("next"))).state is RunState.SUCCEEDED
    assert [stage.get(each).state for each in (launched, run.id)] == [RunState.RUNNING] * 2


def cut(stage: Stage, which: str) -> None:
    """End the connections to the stage's database for which this is true, as an administrator might."""
    engine = create_engine(stage.database_url, isolation_level="AUTOCOMMIT")
    others = f"datname = current_database() AND pid <> pg_backend_pid() AND {which}"
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    engine.dispose()
