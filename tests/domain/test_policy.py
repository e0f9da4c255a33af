"""Which of the queued runs start next."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lackey.domain.policy import Candidate, choose


def waiting(*applications: int, most: int | None = None, share: str = "lab") -> list[Candidate]:
    return [Candidate(number, of, most, share) for number, of in enumerate(applications, 1)]


def test_runs_start_in_the_order_given_as_long_as_there_are_slots() -> None:
    choice = choose(waiting(1, 2, 3), slots=3, taken=1, running={}, away={})
    assert choice.start == [1, 2]
    assert choice.waiting == {3: "waits for a free slot"}


def test_an_application_at_its_limit_holds_back_its_own_runs_alone() -> None:
    queued = [*waiting(1, 1, most=2), Candidate(3, 2, None, "lab")]
    choice = choose(queued, slots=9, taken=1, running={1: 1}, away={})
    assert choice.start == [1, 3]
    assert choice.waiting == {2: "waits for another run of its application: at most 2 at a time"}


def test_a_share_that_is_away_holds_back_its_own_runs_alone_and_the_reason_is_told() -> None:
    queued = [Candidate(1, 1, None, "lab"), Candidate(2, 1, None, "store")]
    choice = choose(queued, slots=1, taken=0, running={}, away={"lab": "its share lab is away"})
    assert (choice.start, choice.waiting) == ([2], {1: "its share lab is away"})


def test_more_taken_places_than_slots_start_nothing() -> None:
    assert choose(waiting(1), slots=1, taken=3, running={}, away={}).start == []


# The limit is the application's, so the same for all its runs.
limits = st.fixed_dictionaries(dict.fromkeys((1, 2, 3), st.none() | st.integers(1, 3)))


def runs_within(limit_of: dict[int, int | None]) -> st.SearchStrategy[list[Candidate]]:
    """Queued runs of three applications with these limits."""
    places = st.tuples(st.integers(), st.integers(1, 3), st.sampled_from("ab"))
    queued = places.map(lambda place: Candidate(place[0], place[1], limit_of[place[1]], place[2]))
    return st.lists(queued, unique_by=lambda run: run.run_id)


candidates = limits.flatmap(runs_within)


@given(candidates, st.integers(0, 5), st.integers(0, 5), st.sets(st.sampled_from("ab")))
def test_no_limit_is_ever_passed_and_every_run_starts_or_is_told_why_not(
    queued: list[Candidate], slots: int, taken: int, gone: set[str]
) -> None:
    running: Counter[int | None] = Counter({1: taken})
    choice = choose(queued, slots, taken, running, dict.fromkeys(gone, "away"))
    assert len(choice.start) <= max(0, slots - taken)
    assert sorted([*choice.start, *choice.waiting]) == sorted(run.run_id for run in queued)
    started = [run for run in queued if run.run_id in choice.start]
    assert choice.start == [run.run_id for run in started]
    assert not {run.share for run in started} & gone
    running.update(run.application_id for run in started)
    assert all(run.max_running is None or running[run.application_id] <= max(run.max_running, taken) for run in started)


@given(candidates, st.integers(1, 5))
def test_no_slot_stays_empty_while_a_run_could_use_it(queued: list[Candidate], slots: int) -> None:
    free = [run for run in queued if run.max_running is None]
    choice = choose(queued, slots, 0, {}, {})
    assert len(choice.start) == slots or not [run for run in free if run.run_id in choice.waiting]
