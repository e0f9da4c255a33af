"""What simulations say about themselves."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lackey.domain.evidence import Stop
from lackey.domain.refusals import NotFound, OtherOutcome
from lackey.domain.run import RunState
from lackey.services.dispatch import silence
from lackey.services.runs import cancelling, log_text, reporting
from lackey.services.runs.log_text import Part
from lackey.services.runs.reporting import ReportedLog, ReportedProgress
from lackey.store import metrics
from lackey.store.metrics import Metric
from tests.services.lab import LOG_LIMIT, Lab


def log(lab: Lab, run_id: int, part: Part = "reported", limit: int = LOG_LIMIT) -> bytes:
    """One part of the log as it is served."""
    run = lab.run(run_id)
    end = run.stop_log_size if part == "stop" else run.log_size
    text = log_text.LogText(log_text.stored(lab.database, run_id, part, end, limit))
    return b"".join(text.read(0, text.size))


def send_log(lab: Lab, run_id: int, content: bytes, offset: int | None = None, limit: int = LOG_LIMIT) -> None:
    kept = ReportedLog(content, b"", len(content))
    reporting.keep_log(lab.database, run_id, kept, offset, limit, lab.clock())


def test_the_example_of_2013(lab: Lab) -> None:
    run_id = lab.reported().id
    started = lab.start(run_id, 1369312595)
    assert (started.state, started.started_at) == (RunState.RUNNING, datetime(2013, 5, 23, 12, 36, 35, tzinfo=UTC))
    stopped = lab.stop(run_id, None, 1369322595, b"asdf 123")
    assert (stopped.state, stopped.exit_code, stopped.outcome_source) == (RunState.SUCCEEDED, 0, "reported")
    assert (stopped.duration_seconds, stopped.marks, stopped.stop_log_size) == (10000.0, [], 8)
    assert log(lab, run_id, "stop") == b"asdf 123"
    assert lab.kinds(run_id) == ["scheduled", "start", "stop"]


def test_a_stop_that_arrives_before_its_start_still_ends_the_run(lab: Lab) -> None:
    run_id = lab.reported().id
    lab.stop(run_id, 3, 1369322595)
    run = lab.start(run_id, 1369312595)
    assert (run.state, run.exit_code, run.duration_seconds) == (RunState.FAILED, 3, 10000.0)


def test_the_same_stop_again_changes_nothing(lab: Lab) -> None:
    run_id = lab.reported().id
    first = lab.stop(run_id, 3, 1369322595, b"why")
    lab.clock.forward(60)
    again = lab.stop(run_id, 3, 1369322595, b"why")
    same = ("state", "exit_code", "ended_at", "stop_log_size", "started_at", "marks")
    assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]
    assert lab.kinds(run_id) == ["scheduled", "stop"]
    assert log(lab, run_id, "stop") == b"why"


def test_another_stop_is_refused_and_both_are_in_the_history_once(lab: Lab) -> None:
    run_id = lab.reported().id
    lab.stop(run_id, 0)
    for _ in range(3):
        with pytest.raises(OtherOutcome) as refused:
            lab.stop(run_id, 1)
        assert refused.value.run_id == run_id
    with pytest.raises(OtherOutcome):
        lab.stop(run_id, 2)
    assert (lab.state(run_id), lab.run(run_id).exit_code) == (RunState.SUCCEEDED, 0)
    assert lab.kinds(run_id) == ["scheduled", "stop", "contradiction", "contradiction"]
    assert [event.details["exit"] for event in lab.history(run_id)[1:]] == [0, 1, 2]


def test_contradictions_without_end_do_not_fill_the_history(lab: Lab) -> None:
    run_id = lab.reported().id
    lab.stop(run_id, 0)
    for code in range(1, 40):
        with pytest.raises(OtherOutcome):
            lab.stop(run_id, code)
    assert len(lab.history(run_id)) == 22


def test_a_stop_with_an_exit_code_corrects_one_without(lab: Lab) -> None:
    run_id = lab.reported().id
    lab.stop(run_id)
    run = lab.stop(run_id, 5)
    assert (run.state, run.exit_code) == (RunState.FAILED, 5)
    assert lab.kinds(run_id)[-1] == "corrected"
    assert lab.stop(run_id).state is RunState.FAILED


def test_any_report_makes_an_unstarted_run_running(lab: Lab) -> None:
    reports: list[Any] = [
        lambda run_id: lab.start(run_id),
        lambda run_id: reporting.progress(lab.database, run_id, ReportedProgress(lab.clock.ts, 0.5), lab.clock()),
        lambda run_id: reporting.keep_metrics(lab.database, run_id, [Metric("t", 1.0, 1.0)], lab.clock()),
        lambda run_id: send_log(lab, run_id, b"x"),
    ]
    for report in reports:
        run_id = lab.reported().id
        report(run_id)
        assert lab.state(run_id) is RunState.RUNNING
        assert lab.run(run_id).heard_at == lab.clock()


def test_a_start_takes_a_queued_run_out_of_the_queue(lab: Lab) -> None:
    run = lab.schedule()
    lab.start(run.id)
    assert (lab.state(run.id), lab.claim()) == (RunState.RUNNING, [])


def test_a_report_after_the_end_changes_no_outcome(lab: Lab) -> None:
    run_id = lab.reported().id
    lab.stop(run_id, 0)
    reporting.progress(lab.database, run_id, ReportedProgress(lab.clock.ts, 0.9), lab.clock())
    send_log(lab, run_id, b"late words")
    run = lab.run(run_id)
    assert (run.state, run.progress and run.progress["fraction"]) == (RunState.SUCCEEDED, 0.9)
    assert log(lab, run_id) == b"late words"


def test_the_latest_progress_stands(lab: Lab) -> None:
    run_id = lab.reported().id
    for ts, fraction in ((5.0, 0.5), (9.0, 0.9), (7.0, 0.7)):
        reporting.progress(lab.database, run_id, ReportedProgress(ts, fraction), lab.clock())
    assert lab.run(run_id).progress == vars(ReportedProgress(9.0, 0.9))


def test_the_host_a_reported_run_names_is_shown_and_a_launched_one_keeps_its_own(lab: Lab) -> None:
    mine, launched = lab.reported(), lab.launched()
    for run_id in (mine.id, launched.run.id):
        reporting.start(lab.database, run_id, None, "desk7", lab.clock())
    assert (lab.run(mine.id).host, lab.run(launched.run.id).host) == ("desk7", "h1")


def test_metrics_are_kept_and_found(lab: Lab) -> None:
    run_id = lab.reported().id
    told = [Metric("residual", 0.5, 1.0, step) for step in (1.0, 2.0)]
    reporting.keep_metrics(lab.database, run_id, told, lab.clock())
    with lab.database.read() as connection:
        assert metrics.of_run(connection, run_id, None, 0, 10) == told


def test_pieces_of_log_without_an_offset_go_to_the_end(lab: Lab) -> None:
    run_id = lab.reported().id
    for piece in (b"one ", b"two ", b"three"):
        send_log(lab, run_id, piece)
    assert (log(lab, run_id), lab.run(run_id).log_size) == (b"one two three", 13)


def test_what_lies_between_head_and_tail_of_a_long_log_is_told_in_a_line(lab: Lab) -> None:
    run_id = lab.reported().id
    for offset in range(0, 100, 10):
        send_log(lab, run_id, b"%09d\n" % offset, offset, limit=40)
    assert log(lab, run_id, limit=40) == (b"000000000\n000000010\n[lackey: 60 bytes left out]\n000000080\n000000090\n")


def test_a_gap_in_a_log_is_told_in_a_line(lab: Lab) -> None:
    run_id = lab.reported().id
    send_log(lab, run_id, b"one", 0)
    send_log(lab, run_id, b"two", 10)
    assert log(lab, run_id) == b"one\n[lackey: 7 bytes not received]\ntwo"


def test_a_log_of_which_head_and_tail_alone_were_kept_while_it_was_read(lab: Lab) -> None:
    run_id = lab.reported().id
    stop = Stop(0, None, lab.clock.ts)
    kept = ReportedLog(b"begin", b"finis", 1 << 30)
    run = reporting.stop(lab.database, run_id, stop, None, kept, 10, lab.clock())
    assert run.stop_log_size == 1 << 30
    assert log(lab, run_id, "stop", 10) == b"begin\n[lackey: %d bytes left out]\nfinis" % ((1 << 30) - 10)


def test_a_stop_whose_log_came_first_without_it_takes_it_later(lab: Lab) -> None:
    run_id = lab.reported().id
    lab.stop(run_id, 0)
    lab.stop(run_id, 0, None, b"words")
    assert log(lab, run_id, "stop") == b"words"


def test_a_report_wakes_a_lost_run(lab: Lab) -> None:
    run_id = lab.reported(silence=60.0).id
    lab.start(run_id)
    silence.note_silence(lab.database, lab.clock.forward(61))
    assert lab.state(run_id) is RunState.LOST
    lab.clock.forward(1)
    send_log(lab, run_id, b"still here")
    assert (lab.state(run_id), lab.run(run_id).ended_at) == (RunState.RUNNING, None)
    assert lab.kinds(run_id)[-1] == "corrected"


def test_a_cancelled_reported_run_accepts_its_later_stop_and_stays_cancelled(lab: Lab) -> None:
    run_id = lab.reported().id
    lab.start(run_id)
    assert cancelling.cancel(lab.database, run_id, "bob", lab.clock()).state is RunState.CANCELLED
    run = lab.stop(run_id, 0, None, b"done all the same")
    assert (run.state, run.exit_code) == (RunState.CANCELLED, 0)
    assert lab.kinds(run_id) == ["scheduled", "start", "cancelled", "stop"]
    assert log(lab, run_id, "stop") == b"done all the same"


def test_there_is_no_such_run(lab: Lab) -> None:
    with pytest.raises(NotFound):
        lab.start(99)
