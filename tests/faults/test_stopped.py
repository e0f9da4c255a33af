"""The scheduler is stopped (SIGSTOP) for a while and goes on: what it could not hear meanwhile is not called silent."""

import signal
from datetime import timedelta

from lackey.domain.run import RunState
from lackey.services.runs import queries, reporting
from tests.faults.hosts import until_it_is_frozen
from tests.stage import Stage, now, until

SILENCE_SECONDS, STOPPED_FOR = 3.0, timedelta(seconds=7)


def test_a_reported_run_is_not_silent_while_the_scheduler_is_stopped_and_is_afterwards(stage: Stage) -> None:
    scheduler = stage.start_scheduler()
    assert stage.until_ended(stage.schedule(stage.add("before"))).state is RunState.SUCCEEDED
    run_id = stage.schedule(None, launch=False, name="by hand", instead={"silence": SILENCE_SECONDS})
    heard = reporting.start(stage.database, run_id, None, None, now()).heard_at
    assert heard is not None
    scheduler.send(signal.SIGSTOP)
    until_it_is_frozen(scheduler)
    stopped = now()
    until(lambda: now() >= stopped + STOPPED_FOR)
    scheduler.send(signal.SIGCONT)
    stage.until_state(run_id, RunState.LOST)
    (lost,) = [event.at for _, event in queries.events(stage.database, run_id, None, 100) if event.kind == "lost"]
    assert lost - heard >= STOPPED_FOR + timedelta(seconds=SILENCE_SECONDS)
