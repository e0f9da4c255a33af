"""From the evidence to the outcome: better evidence counts more, and what is unknown is never success."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lackey.domain.evidence import Evidence, Kill, Observed, Silence, Stop, instant, judge
from lackey.domain.run import NEXT, RunState

NOW = 1369312595.0
LATER = NOW + 3600


def at(ts: float) -> datetime:
    return datetime.fromtimestamp(ts, UTC)


RUNS = Evidence(start_ts=NOW, start_received=NOW, heard=NOW)
SILENT = replace(RUNS, silence=Silence("lost", NOW + 60, "not heard from"))
STOPPED = replace(SILENT, plain_stop=Stop(None, NOW + 50, NOW + 50))
SEEN = replace(STOPPED, observed=Observed(NOW, NOW + 40, 3, None))
TOLD = replace(SEEN, exit_stop=Stop(4, NOW + 30, NOW + 30))
KILLED = replace(TOLD, kill=Kill("timed_out", NOW + 20, "ended at its time limit"))


def test_nothing_known_is_no_state_at_all() -> None:
    assert judge(Evidence()).state is None


@pytest.mark.parametrize(
    ("evidence", "state", "exit_code", "source"),
    [
        (RUNS, RunState.RUNNING, None, None),
        (SILENT, RunState.LOST, None, "inferred"),
        (STOPPED, RunState.SUCCEEDED, 0, "reported"),
        (SEEN, RunState.FAILED, 3, "observed"),
        (TOLD, RunState.FAILED, 4, "reported"),
        (KILLED, RunState.TIMED_OUT, 3, "observed"),
    ],
)
def test_better_evidence_outweighs_all_that_is_worse(
    evidence: Evidence, state: RunState, exit_code: int | None, source: str | None
) -> None:
    verdict = judge(evidence)
    assert (verdict.state, verdict.exit_code, verdict.source) == (state, exit_code, source)


def test_a_stop_that_names_its_exit_outweighs_one_that_names_none() -> None:
    stops = Evidence().with_stop(Stop(None, None, NOW)).with_stop(Stop(7, None, LATER))
    assert (judge(stops).state, judge(stops).exit_code) == (RunState.FAILED, 7)


def test_a_killed_run_keeps_the_exit_code_and_signal_that_were_seen() -> None:
    killed = Evidence(observed=Observed(NOW, LATER, None, 15), kill=Kill("cancelled", LATER))
    assert (judge(killed).state, judge(killed).signal, judge(killed).exit_code) == (RunState.CANCELLED, 15, None)


def test_a_stop_that_comes_after_a_cancel_lends_its_exit_code_and_changes_nothing_else() -> None:
    cancelled = judge(replace(RUNS, kill=Kill("cancelled", NOW + 5)).with_stop(Stop(0, NOW + 9, NOW + 9)))
    assert (cancelled.state, cancelled.exit_code) == (RunState.CANCELLED, 0)


@pytest.mark.parametrize(
    ("code", "signal", "reason"),
    [
        (3, None, "ended with exit code 3"),
        (75, None, "ended with exit code 75"),
        (128, None, "ended with exit code 128"),
        (145, None, "ended with exit code 145"),
        (255, None, "ended with exit code 255"),
        (126, None, "a command is there, but could not be executed (exit code 126)"),
        (127, None, "a command was not found (exit code 127)"),
        (130, None, "interrupted (exit code 130: as a shell has it, signal 2, INT)"),
        (134, None, "aborted (exit code 134: as a shell has it, signal 6, ABRT)"),
        (136, None, "crashed: arithmetic error (exit code 136"),
        (137, None, "killed (exit code 137: as a shell has it, signal 9, KILL)"),
        (139, None, "crashed: segmentation fault (exit code 139"),
        (143, None, "asked to end (exit code 143"),
        (152, None, "ended at its limit of processor time (exit code 152"),
        (153, None, "ended at its limit of file size (exit code 153"),
        (None, 9, "killed (signal 9, KILL): by somebody, or by the system, which does so when memory runs out"),
        (None, 11, "crashed: segmentation fault (signal 11, SEGV)"),
        (None, 15, "asked to end (signal 15, TERM)"),
        (None, 34, "ended by signal 34"),
        (None, 99, "ended by signal 99"),
    ],
)
def test_a_failure_says_why(code: int | None, signal: int | None, reason: str) -> None:
    assert (judge(Evidence(observed=Observed(NOW, LATER, code, signal))).reason or "").startswith(reason)


def test_a_simulation_may_use_exit_code_127_for_itself() -> None:
    reported = Evidence().with_stop(Stop(127, None, NOW))
    assert judge(reported).reason == "ended with exit code 127: as a shell has it, a command was not found"


def test_a_process_that_could_not_be_started_failed_with_the_reason() -> None:
    verdict = judge(Evidence(observed=Observed(None, NOW, None, None, "no such directory")))
    assert (verdict.state, verdict.reason, verdict.exit_code) == (RunState.FAILED, "no such directory", None)


@pytest.mark.parametrize("code", [None, 1, -1, 255])
def test_a_receipt_without_exit_code_zero_is_no_success(code: int | None) -> None:
    assert judge(Evidence(observed=Observed(NOW, LATER, code, None))).state is RunState.FAILED


def test_exit_code_zero_with_a_signal_is_no_success() -> None:
    assert judge(Evidence(observed=Observed(NOW, LATER, 0, 9))).state is RunState.FAILED


def test_a_sign_of_life_after_the_silence_disproves_it_and_one_before_does_not() -> None:
    for before in (NOW + 59, NOW + 60):
        assert judge(SILENT.with_sign_of_life(before)).state is RunState.LOST
    assert judge(SILENT.with_sign_of_life(NOW + 61)).state is RunState.RUNNING


def test_the_earliest_of_several_starts_counts() -> None:
    evidence = Evidence().with_start(NOW + 5, LATER).with_start(NOW, LATER).with_start(NOW + 9, LATER)
    assert judge(evidence.with_sign_of_life(LATER)).started_at == at(NOW)


def test_the_run_of_2013_lasted_ten_thousand_seconds() -> None:
    received = datetime.now(UTC).timestamp()
    verdict = judge(Evidence().with_start(1369312595, received).with_stop(Stop(None, 1369322595, received)))
    assert verdict.started_at is not None and verdict.ended_at is not None
    assert (verdict.ended_at - verdict.started_at).total_seconds() == 10000.0
    assert (verdict.state, verdict.exit_code, verdict.marks) == (RunState.SUCCEEDED, 0, ())


@pytest.mark.parametrize(
    ("start", "stop"),
    [(NOW, NOW - 1), (NOW + 7200, None), (None, LATER + 61), (NOW * 1000, NOW * 1000 + 5), (-1e300, None), (0, 1e18)],
    ids=["stop before start", "start in the future", "stop in the future", "milliseconds", "no such year", "aeons"],
)
def test_an_odd_clock_is_marked_and_costs_no_outcome(start: float | None, stop: float | None) -> None:
    verdict = judge(Evidence().with_start(start, NOW).with_stop(Stop(3, stop, LATER)))
    assert (verdict.state, verdict.exit_code, verdict.marks) == (RunState.FAILED, 3, ("clock",))
    assert verdict.started_at is not None and verdict.ended_at is not None


def test_clocks_that_differ_by_seconds_are_not_odd() -> None:
    assert judge(Evidence().with_start(NOW + 59, NOW).with_stop(Stop(0, LATER + 59, LATER))).marks == ()


def test_where_no_calendar_has_the_time_that_of_receipt_is_shown() -> None:
    verdict = judge(Evidence().with_start(NOW * 1000, NOW).with_stop(Stop(0, LATER * 1000, LATER)))
    assert (verdict.started_at, verdict.ended_at) == (at(NOW), at(LATER))


@pytest.mark.parametrize("ts", [math.nan, math.inf, -math.inf, 1e300, -1e300, 253402300800.0, -62135596801.0])
def test_a_moment_outside_the_calendar_is_none(ts: float) -> None:
    assert instant(ts) is None


def test_the_same_stop_again_contradicts_nothing() -> None:
    once = Evidence().with_stop(Stop(0, NOW, NOW))
    assert not once.contradicts(Stop(0, NOW, LATER))
    assert not once.contradicts(Stop(0, None, LATER))
    assert not once.contradicts(Stop(None, NOW, LATER)), "one without an exit is kept beside it"
    assert once.contradicts(Stop(1, NOW, LATER))
    assert once.contradicts(Stop(0, NOW + 1, LATER))


def test_every_state_is_in_the_table_of_transitions_and_none_follows_itself() -> None:
    assert set(NEXT) == set(RunState)
    assert [state for state in RunState if state in NEXT[state]] == []


moments = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | moments
codes = st.none() | st.integers(-(2**31), 2**31 - 1)
evidences = st.builds(
    Evidence,
    start_ts=maybe,
    start_received=maybe,
    heard=maybe,
    observed_start=maybe,
    exit_stop=st.none() | st.builds(Stop, codes, maybe, moments),
    plain_stop=st.none() | st.builds(Stop, st.none(), maybe, moments),
    observed=st.none() | st.builds(Observed, maybe, moments, codes, codes, st.none() | st.text()),
    kill=st.none() | st.builds(Kill, st.sampled_from(["cancelled", "timed_out"]), moments, st.none() | st.text()),
    silence=st.none() | st.builds(Silence, st.sampled_from(["lost", "timed_out"]), moments, st.text()),
)


@given(evidences)
def test_evidence_is_stored_and_read_back_without_a_change(evidence: Evidence) -> None:
    assert Evidence.from_json(json.loads(json.dumps(evidence.to_json(), allow_nan=False))) == evidence


@given(evidences)
def test_success_needs_a_word_for_it(evidence: Evidence) -> None:
    verdict = judge(evidence)
    if verdict.state is RunState.SUCCEEDED:
        stop = evidence.exit_stop or evidence.plain_stop
        assert verdict.exit_code == 0 and evidence.kill is None
        assert stop is not None or (evidence.observed is not None and evidence.observed.exit == 0)


@given(evidences)
def test_every_evidence_can_be_judged_and_shown(evidence: Evidence) -> None:
    verdict = judge(evidence)
    final = verdict.state is not None and verdict.state.is_final
    assert final or (verdict.ended_at is None and verdict.exit_code is None and verdict.source is None)
    assert not final or verdict.source is not None
