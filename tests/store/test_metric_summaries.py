"""What is read of a metric at a glance is what its points are, in whatever order and by whomever they were written."""

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from lackey.store import metric_summaries, metrics
from lackey.store.database import Database
from lackey.store.metric_summaries import MetricSummary
from lackey.store.metrics import Metric
from tests.clock import Clock
from tests.store.rows import add_run

# As the version that knew no summaries writes a point.
_BEFORE = """
    INSERT INTO metric (run_id, name, place, step, ts, value) VALUES (:run_id, :name, :place, :step, :ts, :value)
    ON CONFLICT (run_id, name, place) DO UPDATE SET ts = excluded.ts, value = excluded.value
    WHERE excluded.ts > metric.ts OR (excluded.ts = metric.ts AND excluded.value > metric.value)
"""


@pytest.fixture
def new_run(database: Database, clock: Clock) -> Callable[[], int]:
    return lambda: database.write(lambda connection: add_run(connection, clock()).id)


@pytest.fixture
def few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points are taken into summaries soon, so that a test needs few of them."""
    monkeypatch.setattr(metric_summaries, "WAITING", 3)


def keep(database: Database, run_id: int, *told: Metric) -> None:
    database.write(lambda connection: metrics.put(connection, run_id, list(told)))


def keep_as_before(database: Database, run_id: int, *told: Metric) -> None:
    def work(connection: Connection) -> None:
        for one in told:
            row = {"run_id": run_id, "name": one.name, "place": one.place, "step": one.step, "ts": one.ts}
            connection.execute(text(_BEFORE), {**row, "value": one.value})

    database.write(work)


def of_run(database: Database, run_id: int, *, with_cells: bool = False) -> list[MetricSummary]:
    with database.read() as connection:
        return metric_summaries.of_run(connection, run_id, with_cells=with_cells)


def told(found: list[MetricSummary]) -> dict[str, Any]:
    """What is shown of them, so that NaN is equal to NaN."""
    return {
        one.name: repr(
            (one.count, one.at_steps, one.first.at, one.first.value, one.last.at, one.last.value)
            + (one.least, one.greatest)
        )
        for one in found
    }


def curves(found: list[MetricSummary]) -> dict[str, str]:
    return {one.name: repr((one.level, sorted(one.cells.items()))) for one in found}


def expected(points: list[Metric]) -> dict[str, Any]:
    """The same by a plain model: of each place the latest, of these the greater, and NaN greater than all."""
    kept: dict[tuple[str, str], Metric] = {}
    for one in points:
        known = kept.get((one.name, one.place))
        if known is None or (one.ts, math.isnan(one.value), one.value) > (
            known.ts,
            math.isnan(known.value),
            known.value,
        ):
            kept[one.name, one.place] = one
    shown = {}
    for name in sorted({name for name, _ in kept}):
        some = sorted((one for one in kept.values() if one.name == name), key=lambda one: (one.at, one.step is None))
        numbers = [one.value + 0.0 for one in some if not math.isnan(one.value)]
        first, last = some[0], some[-1]
        shown[name] = repr(
            (len(some), sum(one.step is not None for one in some), first.at, first.value, last.at, last.value)
            + (min(numbers, default=math.nan), max(numbers, default=math.nan))
        )
    return shown


PLACES = st.sampled_from([0.0, 1.0, 2.0, 3.0, 1e9, -7.5, 1e300, -1e300, 5e-324]) | st.integers(0, 600).map(float)
VALUES = st.sampled_from([0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf]) | st.floats(-9, 9)
POINTS = st.lists(
    st.builds(Metric, st.sampled_from(["a", "b"]), VALUES.map(lambda it: it + 0.0), PLACES, st.none() | PLACES),
    max_size=30,
)


def pieces(points: list[Metric], random: Random) -> list[list[Metric]]:
    """As several reports."""
    some = []
    while points:
        size = random.randint(1, 8)
        some.append(points[:size])
        points = points[size:]
    return some


@settings(max_examples=60)
@given(POINTS, st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_summary_and_the_curve_of_the_points(
    database: Database, new_run: Callable[[], int], few_wait: None, points: list[Metric], random: Random
) -> None:
    one, other = new_run(), new_run()
    again = [*points, *points[:5]]
    random.shuffle(again)
    for run_id, order in ((one, points), (other, again)):
        for report in pieces(order, random):
            keep(database, run_id, *report)
    assert told(of_run(database, one)) == told(of_run(database, other)) == expected(points)
    assert told(of_run(database, one, with_cells=True)) == expected(points)
    assert curves(of_run(database, one, with_cells=True)) == curves(of_run(database, other, with_cells=True))


@settings(max_examples=60)
@given(POINTS, st.randoms(use_true_random=False))
def test_what_the_version_before_writes_is_found_whatever_it_replaces(
    database: Database, new_run: Callable[[], int], few_wait: None, points: list[Metric], random: Random
) -> None:
    points = [one for one in points if not math.isnan(one.value)]
    run_id, whole = new_run(), new_run()
    for number, report in enumerate(pieces(points, random)):
        (keep if number % 2 else keep_as_before)(database, run_id, *report)
        if random.random() < 0.3:
            told(of_run(database, run_id))
    assert told(of_run(database, run_id)) == told(of_run(database, run_id, with_cells=True)) == expected(points)
    keep(database, whole, *points)
    assert curves(of_run(database, run_id, with_cells=True)) == curves(of_run(database, whole, with_cells=True))


def test_values_that_are_replaced_leave_the_curve(
    database: Database, new_run: Callable[[], int], few_wait: None
) -> None:
    run_id = new_run()
    keep(database, run_id, *(Metric("a", 100.0 * (step == 500), 1.0, float(step)) for step in range(1000)))
    assert of_run(database, run_id)[0].greatest == 100
    keep(database, run_id, Metric("a", 1.0, 2.0, 500.0))
    assert of_run(database, run_id)[0].greatest == 1
    keep(database, run_id, *(Metric("a", 0.5, 2.0, step) for step in (1.0, 2.0, 3.0)))
    (found,) = of_run(database, run_id, with_cells=True)
    assert (found.count, found.greatest, max(cell.high for cell in found.cells.values())) == (1000, 1, 1)


def test_a_curve_is_of_one_size_however_many_points_there_are(
    database: Database, new_run: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = new_run()
    for begin in range(0, 8000, 1000):
        keep(database, run_id, *(Metric("a", math.sin(step / 50), 1.0, step) for step in range(begin, begin + 1000)))
    (found,) = of_run(database, run_id, with_cells=True)
    assert (found.count, 250 <= len(found.cells) <= 512) == (8000, True)
    with database.read() as connection:
        shown = metric_summaries.whole(connection, run_id, found, 1000)
        assert (shown[0], shown[-1][0]) == ((0, 0), 7999)
        closer = metric_summaries.finer(connection, run_id, found, 1000, 1999)
    assert 990 <= len(closer) <= 1010
    assert max(value for _, value in closer) == max(math.sin(step / 50) for step in range(1000, 2000))
