"""Evidence comes piece by piece, in any order: the verdict is the same, and no step on the way is forbidden."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lackey.domain.evidence import Evidence, Kill, Observed, Silence, Stop, judge
from lackey.domain.run import NEXT, RunState

T = TypeVar("T")
Piece = Callable[[Evidence], Evidence]

NOW = 1369312595.0
moments = st.floats(NOW - 100, NOW + 100) | st.sampled_from([0.0, NOW * 1000, -1e300])
codes = st.sampled_from([None, 0, 0, 3, 127])


def _start(ts: float | None, received: float) -> Piece:
    return lambda known: known.with_start(ts, received).with_sign_of_life(received)


def _stop(stop: Stop) -> Piece:
    return lambda known: known.with_stop(stop).with_sign_of_life(stop.received)


def _alive(received: float) -> Piece:
    return lambda known: known.with_sign_of_life(received)


def _begun(at: float) -> Piece:
    return lambda known: replace(known, observed_start=at)


def _observed(seen: Observed) -> Piece:
    return lambda known: replace(known, observed=seen)


def _kill(kill: Kill) -> Piece:
    return lambda known: known if known.kill else replace(known, kill=kill)


def _silence(silence: Silence) -> Piece:
    return lambda known: replace(known, silence=silence)


# The exit codes that the stops of one run name, without contradicting each other.
EXITS: list[list[int | None]] = [[], [None], [0], [3], [None, 0], [None, 3]]

kills = st.builds(Kill, st.sampled_from(["cancelled", "timed_out"]), st.floats(NOW, NOW + 100))
silences = st.builds(Silence, st.sampled_from(["lost", "timed_out"]), st.floats(NOW, NOW + 100), st.just("silent"))
receipts = st.builds(Observed, st.none() | moments, moments, codes, st.none() | st.just(9))


def _one(strategy: st.SearchStrategy[T], make: Callable[[T], Piece]) -> st.SearchStrategy[list[Piece]]:
    return st.lists(strategy.map(make), max_size=1)


@st.composite
def consistent(draw: st.DrawFn) -> list[Piece]:
    """Reports of one run that contradict each other nowhere, and what lackey saw and did."""
    pieces = [_start(ts, received) for ts, received in draw(st.lists(st.tuples(st.none() | moments, moments)))]
    for code in draw(st.sampled_from(EXITS)):
        ts, received = draw(st.none() | moments), draw(moments)
        pieces += [_stop(Stop(code, ts, received)), _stop(Stop(code, None, received))]
    pieces += [_alive(received) for received in draw(st.lists(moments))]
    for kind in (_one(moments, _begun), _one(receipts, _observed), _one(kills, _kill), _one(silences, _silence)):
        pieces += draw(kind)
    return pieces


@given(consistent(), st.data())
def test_any_order_and_repetition_of_the_same_evidence_gives_the_same_verdict(
    pieces: list[Piece], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(pieces))) if pieces else []
    one = data.draw(st.permutations(pieces + again))
    assert judge(_all(pieces)) == judge(_all(one))


def _all(pieces: list[Piece]) -> Evidence:
    evidence = Evidence()
    for piece in pieces:
        evidence = piece(evidence)
    return evidence


STEPS = ("start", "stop", "alive", "begun", "observed", "kill", "quiet", "timeout")


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), codes, st.none() | moments), max_size=12),
    st.sampled_from([RunState.SCHEDULED, RunState.QUEUED]),
)
@example(
    [("quiet", None, None), ("alive", None, None), ("timeout", None, None), ("observed", 3, None)], RunState.QUEUED
)
def test_each_step_is_one_that_the_table_of_transitions_allows(
    steps: list[tuple[str, int | None, float | None]], state: RunState
) -> None:
    evidence, received, seen = Evidence(), NOW, set[str]()
    for step, code, ts in steps:
        received += 1
        assume(step not in seen or step not in ("observed", "kill"))
        seen.add(step)
        evidence = _grown(evidence, state, step, code, ts, received)
        after = judge(evidence).state or state
        assert after is state or after in NEXT[state], f"{state} → {after} by {step}"
        state = after


def _grown(
    evidence: Evidence, state: RunState, step: str, code: int | None, ts: float | None, received: float
) -> Evidence:
    """One piece more, as the services would take it in the run's present state."""
    stop = Stop(code, ts, received)
    if step == "stop" and evidence.contradicts(stop):
        return evidence
    if step in ("quiet", "timeout"):
        if state.is_final:
            return evidence
        return replace(evidence, silence=Silence("lost" if step == "quiet" else "timed_out", received, "silent"))
    pieces: dict[str, Piece] = {
        "start": _start(ts, received),
        "stop": _stop(stop),
        "alive": _alive(received),
        "begun": _begun(received),
        "observed": _observed(Observed(None, received, code, None if code is not None else 9)),
        "kill": _kill(Kill("cancelled" if code else "timed_out", received)),
    }
    return pieces[step](evidence)
