"""Reports commute: any order, any repetition, any interleaving gives the same run, log and figures."""

import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lackey.domain.run import Run, RunState
from lackey.services.runs import log_text, reporting
from lackey.services.runs.reporting import ReportedLog, ReportedProgress
from lackey.store import metrics, runs
from lackey.store.metrics import Metric
from tests.services.lab import Lab

Report = Callable[[Lab, int], Any]

LIMIT = 32
TEXT = bytes(range(65, 91)) * 3
# The exit codes that the stops of one run name, without contradicting each other.
EXITS: list[list[int | None]] = [[], [None], [0], [3], [None, 3], [None, 0]]
stamps = st.none() | st.sampled_from([1369312595.0, 1369322595.0, 1369312595000.0, -1e300, 0.0])
fractions = st.none() | st.sampled_from([0.0, 0.5, 1.0])


def _start(ts: float | None, host: str | None) -> Report:
    return lambda lab, run_id: lab.start(run_id, ts, host)


def _stop(code: int | None, ts: float | None, log: bytes | None, host: str | None) -> Report:
    return lambda lab, run_id: lab.stop(run_id, code, ts, log, host)


def _progress(told: ReportedProgress, marks: list[str]) -> Report:
    return lambda lab, run_id: reporting.progress(lab.database, run_id, told, lab.clock(), marks)


def _metrics(told: list[Metric]) -> Report:
    return lambda lab, run_id: reporting.keep_metrics(lab.database, run_id, told, lab.clock())


def _log(start: int, length: int) -> Report:
    piece = TEXT[start : start + length]
    kept = ReportedLog(piece, b"", len(piece))
    return lambda lab, run_id: reporting.keep_log(lab.database, run_id, kept, start, LIMIT, lab.clock())


progresses = st.builds(
    ReportedProgress,
    st.sampled_from([1.0, 2.0, 3.0]),
    fractions,
    fractions,
    fractions,
    st.none() | st.sampled_from("mn"),
).filter(lambda one: any(part is not None for part in vars(one).values() if part != one.ts))
values = st.sampled_from([1.0, 2.0, 0.0, -0.0, math.inf, -math.inf, math.nan])
figures = st.builds(Metric, st.just("t"), values, st.sampled_from([1.0, 2.0]), st.none() | st.just(7.0))
hosts = st.none() | st.sampled_from(["n1", "n2", "n3"])
last_words = st.none() | st.sampled_from([b"", b"last words", b"words last", b"some more last words", TEXT])
marked = st.lists(st.sampled_from(["clock", "decoded"]), max_size=2)


@st.composite
def reports(draw: st.DrawFn) -> list[Report]:
    """What one run may say, without contradicting itself."""
    told = [_start(ts, draw(hosts)) for ts in draw(st.lists(stamps, max_size=3))]
    for code in draw(st.sampled_from(EXITS)):
        ts = draw(stamps)
        told += [_stop(code, ts, draw(last_words), draw(hosts)), _stop(code, None, draw(last_words), draw(hosts))]
    told += [_progress(one, draw(marked)) for one in draw(st.lists(progresses, max_size=4))]
    told += [_metrics(some) for some in draw(st.lists(st.lists(figures, max_size=2), max_size=2))]
    spans = st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 40))
    return told + [_log(*span) for span in draw(st.lists(spans, max_size=4))]


@settings(max_examples=80)
@given(reports(), st.data(), st.booleans())
@example([_progress(ReportedProgress(1.0, None, 0.0), []), _progress(ReportedProgress(1.0, 0.0), [])], None, False)
@example([_stop(3, None, b"b", "n1"), _stop(3, None, b"a", "n2")], None, False)
@example([_stop(None, None, b"longer", "n1"), _stop(3, None, b"a", "n2"), _start(None, "n3")], None, False)
def test_any_order_and_repetition_gives_the_same_run(lab: Lab, told: list[Report], data: Any, launched: bool) -> None:
    again = [*told, *told[:3]]
    order = data.draw(st.permutations(again)) if data else again[::-1]
    first, second = (lab.schedule().id if launched else lab.reported().id for _ in range(2))
    for run_id, series in ((first, told), (second, order)):
        for report in series:
            report(lab, run_id)
    assert everything(lab, first) == everything(lab, second)


def everything(lab: Lab, run_id: int) -> tuple[Any, ...]:
    """All that users see of a run, but for what tells it from another one, and for the history of what came when."""
    run = lab.run(run_id)
    shown = {name: value for name, value in vars(run).items() if name not in ("id", "uid", "revision")}
    with lab.database.read() as connection:
        figures = metrics.of_run(connection, run_id, None, 0, 100)
    return shown, [repr(figure) for figure in figures], _text(lab, run)


def _text(lab: Lab, run: Run) -> bytes:
    held = log_text.stored(lab.database, run.id, "reported", run.log_size, LIMIT)
    held += log_text.stored(lab.database, run.id, "stop", run.stop_log_size, LIMIT)
    text = log_text.LogText(held)
    return b"".join(text.read(0, text.size))


def test_of_two_stops_that_differ_in_their_log_the_one_that_names_an_exit_code_brings_it(lab: Lab) -> None:
    deeds: list[Report] = [_stop(None, None, b"much longer words", "n1"), _stop(3, None, b"last", "n2")]
    for order in (deeds, deeds[::-1]):
        run_id = lab.reported().id
        for deed in order:
            deed(lab, run_id)
        run = lab.run(run_id)
        assert (_text(lab, run), run.host, run.stop_log_size) == (b"last", "n2", 4)


def test_of_two_stops_that_say_the_same_the_longer_log_is_kept_and_found_by_its_words(lab: Lab) -> None:
    for logs in ([b"short", b"a longer needle"], [b"a longer needle", b"short"]):
        run_id = lab.reported().id
        for log in logs:
            lab.stop(run_id, 0, None, log)
        assert _text(lab, lab.run(run_id)) == b"a longer needle"
        assert run_id in [run.id for run in lab.found("needle")]


def test_what_a_version_before_has_noted_stands_until_more_is_told(lab: Lab) -> None:
    run_id = lab.reported().id
    lab.start(run_id, 5.0)
    before = {"ts": 2.0, "fraction": 0.5, "done": None, "total": None, "message": "half"}
    lab.database.write(lambda c: runs.change(c, runs.get(c, run_id), {"progress": before, "host": "n9"}))
    lab.start(run_id, 1.0, "n1")
    reporting.progress(lab.database, run_id, ReportedProgress(1.0, 0.25, message="late"), lab.clock())
    assert (lab.run(run_id).host, lab.run(run_id).progress) == ("n9", before)
    reporting.progress(lab.database, run_id, ReportedProgress(3.0, 0.75), lab.clock())
    assert lab.run(run_id).progress == {**before, "ts": 3.0, "fraction": 0.75}


@pytest.mark.parametrize("order", list(permutations(["start", "stop", "kill"])), ids=" ".join)
def test_a_receipt_counts_whenever_it_comes_between_the_reports(lab: Lab, order: tuple[str, ...]) -> None:
    claim = lab.launched()
    deeds: dict[str, Any] = {
        "start": lambda: lab.start(claim.run.id, 1369312595.0),
        "stop": lambda: lab.stop(claim.run.id, 3, 1369322595.0),
        "kill": lambda: lab.end(claim, None, 15, killed="timed_out"),
    }
    for deed in order:
        deeds[deed]()
    run = lab.run(claim.run.id)
    assert (run.state, run.signal, run.reason) == (RunState.TIMED_OUT, 15, "ended at its time limit")
    assert run.duration_seconds == 10000.0
