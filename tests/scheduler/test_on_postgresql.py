"""The scheduler's whole round on PostgreSQL: what the other tests here show on SQLite in detail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lackey.domain.run import RunState
from lackey.services.dispatch.kept_logs import FILE_LOG_LIMIT
from lackey.services.runs import listing, log_text, reporting
from lackey.services.runs.queries import Search
from lackey.services.runs.reporting import ReportedProgress
from tests.nursery import Nursery
from tests.stage import Stage, now, until

WAIT = "echo turbu''lent; while [ ! -e go ]; do sleep 0.02; done; exit 3"


@pytest.fixture
def stage(nursery: Nursery, tmp_path: Path, postgresql_url: str) -> Iterator[Stage]:
    stage = Stage(nursery, tmp_path, database_url=postgresql_url)
    stage.start_scheduler()
    yield stage
    stage.close()


def test_a_run_is_launched_followed_and_recorded_and_its_retry_is_made(stage: Stage) -> None:
    run_id = stage.schedule(stage.add("heat", WAIT, retries=1))
    stage.until_running(run_id)
    reporting.progress(stage.database, run_id, ReportedProgress(now().timestamp(), fraction=0.5), now())
    assert (stage.get(run_id).progress or {})["fraction"] == 0.5
    (stage.place / "lab/heat/go").touch()
    run = stage.until_ended(run_id)
    assert (run.state, run.exit_code, run.outcome_source) == (RunState.FAILED, 3, "observed")
    assert run.queued_at and run.started_at and run.ended_at
    until(lambda: stage.get(run_id).log_kept, "the log")
    (kept,) = log_text.stored(stage.database, run_id, "file", stage.get(run_id).file_size or 0, FILE_LOG_LIMIT)
    assert isinstance(kept, log_text.Held) and kept.size == len(b"turbulent\n")
    assert [each.id for each in listing.page(stage.database, Search(words="turbulent"), None, 10).runs] == [run_id]
    (retry,) = listing.page(stage.database, Search(states=frozenset({RunState.SCHEDULED})), None, 10).runs
    assert (retry.parent_id, retry.cause) == (run_id, "retry")


def test_runs_end_at_their_time_limit_and_on_request(stage: Stage) -> None:
    limited = stage.schedule(stage.add("limited", "sleep 60", time_limit=0.3))
    cancelled = stage.schedule(stage.add("cancelled", "sleep 60"))
    stage.until_running(cancelled)
    stage.cancel(cancelled)
    assert stage.until_ended(cancelled).state is RunState.CANCELLED
    assert stage.until_ended(limited).state is RunState.TIMED_OUT
    silent = stage.schedule(None, launch=False, name="by hand", instead={"silence": 0.3})
    reporting.start(stage.database, silent, None, None, now())
    assert stage.until_state(silent, RunState.LOST).reason == "silent: not heard from for 0.3 s"
