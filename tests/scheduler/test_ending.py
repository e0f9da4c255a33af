"""How runs end, by themselves and otherwise, and what is kept of them."""

from datetime import timedelta
from typing import Any

import pytest

from lackey.domain.evidence import Stop
from lackey.domain.refusals import AlreadyFinal
from lackey.domain.run import RunState
from lackey.services.dispatch.kept_logs import FILE_LOG_LIMIT
from lackey.services.runs import listing, log_text, reporting
from lackey.services.runs.queries import Search
from tests.stage import Stage, alive, now, until

# Neither it nor the grandchild, which has detached itself, ends on TERM; the grandchild writes down that it came.
STUBBORN = """
setsid sh -c 'trap "echo term >> told" TERM; echo $$ > grandchild; while :; do sleep 0.05; done' &
trap '' TERM; while [ ! -s grandchild ]; do sleep 0.05; done; echo $$ > child; while :; do sleep 0.05; done
"""

LEADS_OUT = "the directory 'out' leads out of the share (links are followed if they are relative and stay on it)"
KILLED = "killed (signal 9, KILL): by somebody, or by the system, which does so when memory runs out"


def test_an_exit_code_is_kept(stage: Stage) -> None:
    run = stage.until_ended(stage.schedule(stage.add("heat", "exit 3")))
    assert (run.state, run.exit_code, run.signal) == (RunState.FAILED, 3, None)
    assert (run.reason, run.outcome_source) == ("ended with exit code 3", "observed")


def test_a_signal_is_kept(stage: Stage) -> None:
    run = stage.until_ended(stage.schedule(stage.add("heat", "kill -KILL $$")))
    assert (run.state, run.exit_code, run.signal, run.reason) == (RunState.FAILED, None, 9, KILLED)


def test_memory_and_cpu_are_kept(stage: Stage) -> None:
    hungry = "import time; x = bytearray(80_000_000)\nwhile time.process_time() < .3: pass"
    application = stage.add("heat", '/usr/bin/env python3 -c "$CODE"', environment={"CODE": hungry})
    run = stage.until_ended(stage.schedule(application))
    assert run.state is RunState.SUCCEEDED, stage.log(run)
    assert run.max_rss_bytes is not None and 80_000_000 < run.max_rss_bytes < 500_000_000
    assert run.cpu_seconds is not None and run.cpu_seconds >= 0.3


def test_a_command_that_does_not_exist_is_a_failure_with_the_reason(stage: Stage) -> None:
    run = stage.until_ended(stage.schedule(stage.add("heat", "./no-such-solver")))
    assert (run.state, run.exit_code) == (RunState.FAILED, 127)
    assert run.reason and "not found" in run.reason


def test_a_command_that_is_not_executable_is_a_failure_with_the_reason(stage: Stage) -> None:
    application = stage.add("heat", "./solver")
    (stage.place / "lab/heat/solver").write_text("true\n")
    run = stage.until_ended(stage.schedule(application))
    assert (run.state, run.exit_code) == (RunState.FAILED, 126)
    assert run.reason and "could not be executed" in run.reason


def test_the_reason_says_what_the_log_says_once_that_is_known(stage: Stage) -> None:
    run_id = stage.schedule(stage.add("heat", "module load openfoam; ./solver --help; openfoam"))
    stage.until_ended(run_id)
    until(lambda: stage.get(run_id).log_kept, "its log")
    reason = stage.get(run_id).reason
    assert reason == "a command was not found (exit code 127); the log ends: /bin/sh: 1: openfoam: not found"
    assert stage.get(run_id).state is RunState.FAILED


def test_what_the_log_says_stays_when_more_is_reported_of_the_run(stage: Stage) -> None:
    run_id = stage.schedule(stage.add("heat", "source venv/bin/activate"))
    until(lambda: "source is bash's" in (stage.get(run_id).reason or ""), "what the log says")
    reporting.start(stage.database, run_id, None, None, now())
    assert "source is bash's" in (stage.get(run_id).reason or "")


def test_an_application_whose_directory_is_not_there_fails_with_the_reason(stage: Stage) -> None:
    run = stage.until_ended(stage.schedule(stage.add("heat", directory="no/such")))
    assert (run.state, run.exit_code, run.started_at) == (RunState.FAILED, None, None)
    assert run.reason == "the directory 'no/such' does not exist"


def test_an_application_behind_a_link_out_of_the_share_fails_with_the_reason(stage: Stage) -> None:
    application = stage.add("heat", "echo > ran", directory="out")
    (stage.place / "lab/out").symlink_to(stage.place / "attic")
    run = stage.until_ended(stage.schedule(application))
    assert (run.state, run.reason) == (RunState.FAILED, LEADS_OUT)
    assert not list((stage.place / "attic").iterdir())


def test_a_run_past_its_time_limit_is_ended_with_all_that_it_started(stage: Stage) -> None:
    application = stage.add("heat", STUBBORN, time_limit=0.5)
    run = stage.until_ended(stage.schedule(application))
    assert (run.state, run.reason, run.signal) == (RunState.TIMED_OUT, "ended at its time limit", 9)
    assert run.duration_seconds is not None and run.duration_seconds >= 0.5 + 0.5  # the limit, and the grace
    assert not alive(int(stage.told(application, "child")))
    until(lambda: not alive(int(stage.told(application, "grandchild"))))


def test_a_cancelled_run_gets_term_and_after_the_grace_kill_with_all_that_it_started(stage: Stage) -> None:
    application = stage.add("heat", STUBBORN)
    run_id = stage.schedule(application)
    stage.told(application, "child")
    stage.cancel(run_id)
    run = stage.until_ended(run_id)
    assert (run.state, run.signal, run.outcome_source) == (RunState.CANCELLED, 9, "observed")
    assert stage.history(run_id)[-2:] == ["asked to cancel it", "running → cancelled"]
    assert stage.told(application, "told") == "term\n"
    assert not alive(int(stage.told(application, "child")))
    until(lambda: not alive(int(stage.told(application, "grandchild"))))


def test_a_cancelled_run_may_end_in_its_own_way(stage: Stage) -> None:
    application = stage.add("heat", "trap 'echo saved; exit 5' TERM; echo > ready; while :; do sleep 0.05; done")
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    stage.cancel(run_id)
    run = stage.until_ended(run_id)
    assert (run.state, run.exit_code, run.signal) == (RunState.CANCELLED, 5, None)
    assert stage.log(run).endswith("saved\n")


@pytest.mark.parametrize("wait", [{"at": now() + timedelta(days=1)}, {}], ids=["scheduled", "queued"])
@pytest.mark.parametrize("local", [{"slots": 1}])
def test_a_run_that_has_not_started_is_cancelled_at_once_and_never_starts(stage: Stage, wait: dict[str, Any]) -> None:
    application = stage.add("first", "echo > ready; sleep 60")
    first = stage.schedule(application)
    stage.told(application, "ready")
    waiting = stage.schedule(stage.add("heat", "echo > ran"), **wait)
    stage.cancel(waiting)
    assert stage.get(waiting).state is RunState.CANCELLED
    stage.cancel(waiting)  # harmless
    stage.cancel(first)
    stage.until_ended(first)
    assert stage.until_ended(stage.schedule(stage.add("next"))).state is RunState.SUCCEEDED
    assert (stage.get(waiting).state, stage.get(waiting).started_at) == (RunState.CANCELLED, None)
    assert not (stage.place / "lab/heat/ran").exists()


def test_a_run_that_has_ended_is_not_cancelled(stage: Stage) -> None:
    run = stage.until_ended(stage.schedule(stage.add("heat")))
    with pytest.raises(AlreadyFinal):
        stage.cancel(run.id)
    assert stage.get(run.id).state is RunState.SUCCEEDED


def test_many_runs_cancelled_right_after_they_were_made_all_end_cancelled_or_as_they_did(stage: Stage) -> None:
    application = stage.add("heat", "echo $LACKEY_RUN_ID >> ran; sleep 60")
    made = [stage.schedule(application) for _ in range(12)]
    for run_id in made:
        stage.cancel(run_id)
    for run_id in made:
        assert stage.until_ended(run_id).state is RunState.CANCELLED
    ran = stage.place / "lab/heat/ran"
    started = ran.read_text().split() if ran.exists() else []
    assert len(started) == len(set(started))


def test_what_a_run_reports_comes_before_what_was_seen_of_it(stage: Stage) -> None:
    application = stage.add("heat", "echo > ready; while [ ! -e go ]; do sleep 0.02; done; exit 1")
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    reporting.stop(stage.database, run_id, Stop(0, None, now().timestamp()), None, None, 1024, now())
    assert stage.get(run_id).state is RunState.SUCCEEDED
    assert stage.get(run_id).ticket_open, "its process still holds a slot"
    (stage.place / "lab/heat/go").touch()
    run = stage.until_ended(run_id)
    assert (run.state, run.exit_code, run.outcome_source) == (RunState.SUCCEEDED, 0, "reported")


def test_head_and_tail_of_a_long_log_are_kept_and_found_by_their_words(stage: Stage) -> None:
    lines = FILE_LOG_LIMIT // 1000
    middle = f"i=0; while [ $i -lt {lines} ]; do printf '%01000d\\n' $i; i=$((i+1)); done"
    run_id = stage.schedule(stage.add("heat", f"echo commencement; {middle}; echo finale"))
    stage.until_ended(run_id)
    until(lambda: stage.get(run_id).log_kept)
    (stage.place / "lab").rename(stage.place / "gone")
    run = stage.get(run_id)
    size = len("commencement\n") + lines * 1001 + len("finale\n")
    assert run.file_size == size > FILE_LOG_LIMIT
    log = log_text.LogText(log_text.stored(stage.database, run_id, "file", size, 1024))
    text = b"".join(log.read(0, log.size)).decode()
    assert text.startswith("commencement\n") and text.endswith("finale\n")
    assert f"{size - FILE_LOG_LIMIT} bytes left out" in text
    for word in ("commencement", "finale", "commencement finale"):
        assert [found.id for found in listing.page(stage.database, Search(words=word), None, 10).runs] == [run_id]
    assert not listing.page(stage.database, Search(words="intermezzo"), None, 10).runs
