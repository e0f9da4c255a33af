"""Which of the queued runs start next."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lackey.domain.policy import KEPT_AFTER, Choice, InUse, Lane, QueuedRun, choose, cpus_in_use, free_devices
from lackey.domain.resources import Capacity, Demand

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONG_AGO = KEPT_AFTER + timedelta(minutes=1)


def lane(*run_ids: int, **values: Any) -> Lane:
    """Runs of one kind, which came one after the other, in the order of their ids, a second apart."""
    waited = values.pop("waited", timedelta(0))
    known: dict[str, Any] = {"priority": 0, "by": "anna", "application_id": 1, "max_running": None, "share": "lab"}
    since = NOW - waited
    runs = (QueuedRun(run_id, since + timedelta(seconds=run_id), since) for run_id in run_ids)
    return Lane(**{**known, "demand": Demand(), **values, "runs": iter(list(runs))})


def taken(by: str = "anna", cpus: int = 1, application: int = 1, **values: Any) -> InUse:
    return InUse(application, by, "lab", Demand(cpus), **values)


def start(
    *lanes: Lane, cpus: int = 100, held: Sequence[InUse] = (), away: Sequence[str] = (), **more: Any
) -> list[int]:
    return made(*lanes, cpus=cpus, held=held, away=away, **more).start


def made(
    *lanes: Lane,
    cpus: int = 100,
    held: Sequence[InUse] = (),
    away: Sequence[str] = (),
    kept_for: int | None = None,
    used_before: dict[str, int] | None = None,
    **more: Any,
) -> Choice:
    gone = dict.fromkeys(away, "it is away")
    return choose(lanes, Capacity(cpus, **more), held, gone, NOW, kept_for, used_before)


def test_a_higher_priority_goes_first_and_of_one_user_the_older() -> None:
    assert start(lane(1, 4), lane(2, 5, application_id=2), lane(3, priority=1), cpus=3) == [3, 1, 2]


def test_the_user_with_the_fewest_cpus_in_use_goes_first_and_so_on_with_each_run_that_starts() -> None:
    mine, bobs, carls = lane(1, 2, 3, 4, 5), lane(6, 7, 8, 9, by="bob"), lane(10, 11, 12, by="carl")
    assert start(mine, bobs, carls, cpus=6, held=[taken("carl", 2)]) == [1, 6, 2, 7]


def test_where_one_run_at_a_time_fits_whose_run_has_just_ended_lets_the_other_go_first() -> None:
    assert start(lane(1, 2), lane(3, by="bob"), slots=1) == [1]
    assert start(lane(2), lane(3, by="bob"), slots=1, used_before={"anna": 1}) == [3]


def test_no_more_start_than_there_are_slots() -> None:
    assert start(lane(1, 2, 3), slots=3, held=[taken()]) == [1, 2]
    assert start(lane(1), slots=1, held=[taken(), taken()]) == []


def test_slots_and_cpus_are_those_of_a_host() -> None:
    assert start(lane(1, 2), cpus=1, slots=1, held=[taken(here=False)]) == [1]


def test_an_application_at_its_limit_holds_back_its_own_runs_alone() -> None:
    limited = lane(1, 2, max_running=2)
    assert start(limited, lane(3, application_id=2), held=[taken(here=False)]) == [1, 3]
    # Of another demand: a lane of its own, and the same limit.
    assert start(lane(1, max_running=1), lane(2, max_running=1, demand=Demand(2))) == [1]


def test_a_share_that_is_away_holds_back_its_own_runs_alone_and_what_runs_there_holds_no_slot() -> None:
    queued = [lane(1), lane(2, share="store")]
    assert start(*queued, slots=1, away=["lab"], held=[taken(is_idle=True)]) == [2]


def test_what_does_not_fit_lets_smaller_ones_pass() -> None:
    assert start(lane(1, demand=Demand(4)), lane(2, 3), cpus=6, held=[taken(cpus=3)]) == [2, 3]
    memory = Capacity(9, memory_bytes=10)
    queued = [lane(1, demand=Demand(1, 8)), lane(2, demand=Demand(1, 5)), lane(3)]
    assert choose(queued, memory, [replace(taken(), demand=Demand(1, 5))], {}, NOW).start == [2, 3]


def test_memory_and_devices_stay_taken_while_a_share_is_away() -> None:
    idle = InUse(1, "anna", "store", Demand(2, 6, 1), devices=("a",), is_idle=True)
    capacity = Capacity(2, 10, ("a", "b"))
    assert free_devices(capacity, [idle]) == ["b"]
    assert choose([lane(1, demand=Demand(2, 4, 1))], capacity, [idle], {}, NOW).start == [1]
    assert choose([lane(1, demand=Demand(2, 5, 0))], capacity, [idle], {}, NOW).start == []
    assert choose([lane(1, demand=Demand(2, 0, 2))], capacity, [idle], {}, NOW).start == []


def test_once_it_has_waited_for_ten_minutes_what_is_free_is_kept_for_a_large_one() -> None:
    busy = [taken(cpus=2)]
    for waited, choice in ((timedelta(minutes=9), Choice([2, 3])), (LONG_AGO, Choice([], 1))):
        large = lane(1, demand=Demand(4), waited=waited)
        assert made(large, lane(2, 3, by="bob"), cpus=5, held=busy) == choice


def test_of_what_the_large_one_does_not_take_others_may_start() -> None:
    busy = [InUse(1, "anna", "lab", Demand(1, gpus=1), devices=("a",))]
    waits_for_a_device = lane(1, demand=Demand(2, gpus=1), waited=LONG_AGO)
    choice = made(waits_for_a_device, lane(2, 3, 4), cpus=5, held=busy, gpus=("a",))
    assert choice == Choice([2, 3], 1)


def test_nothing_is_kept_for_what_could_never_start_or_waits_for_something_else() -> None:
    for never in (
        lane(1, demand=Demand(9), waited=LONG_AGO),
        lane(1, demand=Demand(4), waited=LONG_AGO, share="store"),
        lane(1, demand=Demand(4), waited=LONG_AGO, max_running=1),
    ):
        assert made(never, lane(2, by="bob"), cpus=5, held=[taken(cpus=2)], away=["store"]) == Choice([2])


def test_a_run_of_a_higher_priority_takes_what_is_kept() -> None:
    large, urgent = lane(1, demand=Demand(4), waited=LONG_AGO), lane(2, priority=1)
    assert made(large, urgent, lane(3), cpus=5, held=[taken(cpus=2)]) == Choice([2], 1)


def test_the_run_for_which_it_was_kept_goes_first_once_it_fits() -> None:
    busy = [taken(cpus=1)]
    queued = [lane(1, demand=Demand(4), waited=LONG_AGO), lane(2, 3, by="bob")]
    assert made(*queued, cpus=5, held=busy, kept_for=1) == Choice([1])
    queued = [lane(1, demand=Demand(4), waited=LONG_AGO), lane(2, 3, by="bob")]
    assert made(*queued, cpus=5, held=busy) == Choice([2], 1), "bob has fewer in use; but no second one passes"


def test_small_ones_that_waited_long_have_nothing_kept_for_them_so_that_others_get_their_turn() -> None:
    sweep, other = lane(1, 2, waited=LONG_AGO), lane(3, by="bob")
    assert made(sweep, other, cpus=2, held=[taken(cpus=1)]) == Choice([3])


demands = st.builds(Demand, st.integers(1, 4), st.none() | st.integers(1, 9), st.integers(0, 2))
capacities = st.builds(
    Capacity, st.integers(1, 6), st.integers(5, 20), st.just(("a", "b")), st.none() | st.integers(1, 4)
)
LIMITS = {1: None, 2: 1, 3: 2}

SHARES = st.sampled_from(["lab", "store"])


@st.composite
def queues(draw: st.DrawFn) -> list[Lane]:
    """Lanes, each of another kind. The limit is the application's, so the same for all its runs."""
    kinds = draw(
        st.lists(
            st.tuples(
                st.integers(0, 2), st.sampled_from(["anna", "bob", "carl"]), st.sampled_from([1, 2, 3]), demands, SHARES
            ),
            unique=True,
            max_size=8,
        )
    )
    ids = iter(draw(st.permutations(range(100))))
    lanes = []
    for priority, by, application, demand, share in kinds:
        runs = sorted(next(ids) for _ in range(draw(st.integers(1, 4))))
        values = {"priority": priority, "by": by, "application_id": application, "demand": demand, "share": share}
        waited = draw(st.sampled_from([timedelta(0), LONG_AGO]))
        lanes.append(lane(*runs, max_running=LIMITS[application], waited=waited, **values))
    return lanes


holders = st.lists(
    st.builds(
        taken,
        st.sampled_from(["anna", "bob"]),
        cpus=st.integers(1, 3),
        application=st.sampled_from([1, 2, 3]),
        here=st.booleans(),
    ),
    max_size=3,
)


@dataclass
class Outcome:
    """What was chosen of lanes, and what is in use then, here."""

    lanes: list[Lane]
    runs: list[list[int]]
    choice: Choice
    held: list[InUse]
    capacity: Capacity

    def started(self, at_least: int = -99) -> list[Lane]:
        """The lane of each run that starts, of this priority or above."""
        of = {run_id: one for one, runs in zip(self.lanes, self.runs, strict=True) for run_id in runs}
        return [of[run_id] for run_id in self.choice.start if of[run_id].priority >= at_least]

    def in_use(self, at_least: int = -99) -> Demand:
        used = [one.demand for one in self.held if one.here] + [one.demand for one in self.started(at_least)]
        memory = sum(one.memory_bytes or 0 for one in used)
        return Demand(sum(one.cpus for one in used), memory, sum(one.gpus for one in used))

    def fits(self, demand: Demand, at_least: int) -> bool:
        used = self.in_use(at_least)
        slots = sum(one.here for one in self.held) + len(self.started(at_least)) + 1
        return (
            used.cpus + demand.cpus <= self.capacity.cpus
            and (used.memory_bytes or 0) + (demand.memory_bytes or 0) <= (self.capacity.memory_bytes or 0)
            and used.gpus + demand.gpus <= len(self.capacity.gpus)
            and (self.capacity.slots is None or slots <= self.capacity.slots)
        )

    def running(self, application: int | None) -> int:
        started = sum(one.application_id == application for one in self.started())
        return started + sum(one.application_id == application for one in self.held)

    def could_start(self, of: Lane) -> bool:
        """Whether nothing but room keeps its next run."""
        at_limit = of.max_running is not None and self.running(of.application_id) >= of.max_running
        return of.share == "lab" and not at_limit


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    lanes, held, capacity = draw(queues()), draw(holders), draw(capacities)
    runs = [list(one.runs) for one in lanes]
    given_lanes = [replace(one, runs=iter(each)) for one, each in zip(lanes, runs, strict=True)]
    kept_for = draw(st.none() | st.integers(0, 99))
    choice = choose(given_lanes, capacity, held, {"store": "it is away"}, NOW, kept_for)
    return Outcome(lanes, [[one.run_id for one in each] for each in runs], choice, held, capacity)


@given(outcomes())
def test_nothing_is_ever_passed_and_the_older_of_a_kind_goes_first(outcome: Outcome) -> None:
    started, used, before = outcome.started(), outcome.in_use(), outcome.in_use(100)
    assert used.cpus <= max(outcome.capacity.cpus, before.cpus)
    assert (used.memory_bytes or 0) <= (outcome.capacity.memory_bytes or 0)
    assert used.gpus <= len(outcome.capacity.gpus)
    here = sum(one.here for one in outcome.held)
    assert outcome.capacity.slots is None or len(started) <= max(0, outcome.capacity.slots - here)
    assert all(one.share == "lab" for one in started)
    for one, runs in zip(outcome.lanes, outcome.runs, strict=True):
        mine = [run_id for run_id in outcome.choice.start if run_id in runs]
        assert mine == runs[: len(mine)]
        if mine and one.max_running is not None:
            assert outcome.running(one.application_id) <= one.max_running


@given(outcomes())
def test_no_run_takes_the_room_of_one_of_a_higher_priority_and_none_stays_empty(outcome: Outcome) -> None:
    if outcome.choice.kept_for is not None:
        return
    for one, runs in zip(outcome.lanes, outcome.runs, strict=True):
        waits = not set(runs) <= set(outcome.choice.start)
        if waits and outcome.could_start(one):
            assert not outcome.fits(one.demand, one.priority)


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 6), min_size=1),
    st.lists(st.builds(taken, st.sampled_from("abcd")), max_size=5),
    st.integers(1, 12),
)
def test_cpus_are_shared_out_evenly_among_users_who_want_them(
    wanted: dict[str, int], held: list[InUse], cpus: int
) -> None:
    ids = iter(range(100))
    mine = {by: [next(ids) for _ in range(count)] for by, count in wanted.items()}
    started = start(*(lane(*runs, by=by) for by, runs in mine.items()), cpus=cpus, held=held)
    assert len(started) == min(sum(wanted.values()), max(0, cpus - len(held)))
    used = cpus_in_use(held)
    gets = {by: len(set(runs) & set(started)) for by, runs in mine.items()}
    for by, runs in mine.items():
        if gets[by] < len(runs):
            others = [used[other] + got for other, got in gets.items() if got]
            assert all(total <= used[by] + gets[by] + 1 for total in others)


@dataclass
class Busy:
    """A host on which users with an endless supply of small runs keep all busy, and some have one large run each."""

    cpus: int
    lasts: list[int]
    large: dict[str, int]
    minute: int = 0
    running: list[tuple[int, InUse]] = field(default_factory=list)
    started: dict[str, int] = field(default_factory=dict)
    kept_for: int | None = None
    before: Counter[str] = field(default_factory=Counter)

    def lanes(self) -> Iterator[Lane]:
        now = NOW + timedelta(minutes=self.minute)
        for number, (by, cpus) in enumerate(self.large.items()):
            if by not in self.started:
                yield Lane(0, by, 1, None, "lab", Demand(cpus), iter([QueuedRun(number, NOW, NOW)]))
        for number, by in enumerate(["x", "y", *self.large]):
            ids = range(1000 * (self.minute + 1) + 100 * number, 1000 * (self.minute + 1) + 100 * number + 99)
            yield Lane(0, by, 2, None, "lab", Demand(1), (QueuedRun(one, now, now) for one in ids))

    def tick(self) -> None:
        """A minute passes: some end, others start."""
        self.running = [(until, one) for until, one in self.running if until > self.minute]
        held, now = [one for _, one in self.running], NOW + timedelta(minutes=self.minute)
        choice = choose(self.lanes(), Capacity(self.cpus), held, {}, now, self.kept_for, self.before)
        self.kept_for, users = choice.kept_for, ["x", "y", *self.large]
        for run_id in choice.start:
            is_large = run_id < len(self.large)
            by = list(self.large)[run_id] if is_large else users[run_id % 1000 // 100]
            if is_large:
                self.started[by] = self.minute
            lasts = self.lasts[run_id % len(self.lasts)]
            self.running.append((self.minute + lasts, taken(by, self.large[by] if is_large else 1)))
        self.before = cpus_in_use(one for _, one in self.running)
        assert sum(self.before.values()) <= self.cpus
        self.minute += 1


@given(
    st.integers(2, 6),
    st.lists(st.integers(1, 5), min_size=1, max_size=7),
    st.lists(st.integers(2, 6), min_size=1, max_size=3),
)
def test_every_large_run_gets_its_turn_however_many_small_ones_keep_coming(
    cpus: int, lasts: list[int], wanted: list[int]
) -> None:
    busy = Busy(cpus, lasts, {f"user {number}": min(each, cpus) for number, each in enumerate(wanted)})
    # One after the other: what runs ends, then the large one does.
    while busy.minute < 11 + len(wanted) * 2 * (max(lasts) + 1):
        busy.tick()
    assert busy.started.keys() == busy.large.keys()
