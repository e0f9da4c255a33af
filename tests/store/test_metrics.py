"""Figures: the latest stands, in whatever order they come."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lackey.store import metrics
from lackey.store.database import Database
from lackey.store.metrics import Metric
from tests.clock import Clock
from tests.store.rows import add_run


@pytest.fixture
def run_id(database: Database, clock: Clock) -> int:
    return database.write(lambda connection: add_run(connection, clock()).id)


def keep(database: Database, run_id: int, *told: Metric) -> list[Metric]:
    database.write(lambda connection: metrics.put(connection, run_id, list(told)))
    return of_run(database, run_id)


def of_run(database: Database, run_id: int, name: str | None = None, after: int = 0, limit: int = 100) -> list[Metric]:
    with database.read() as connection:
        return metrics.of_run(connection, run_id, name, after, limit)


def test_of_one_step_the_value_with_the_latest_time_stands(database: Database, run_id: int) -> None:
    early, late = Metric("residual", 9.0, ts=1.0, step=5), Metric("residual", 3.0, ts=2.0, step=5)
    assert keep(database, run_id, late, early) == keep(database, run_id, early) == [late]


def test_steps_and_times_are_places_of_their_own(database: Database, run_id: int) -> None:
    kept = keep(database, run_id, Metric("t", 1.0, 7.0), Metric("t", 2.0, 8.0), Metric("t", 3.0, 7.0, step=7.0))
    assert sorted(metric.value for metric in kept) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (0.0, -0.0)])
def test_a_step_is_the_same_however_its_number_is_written(
    database: Database, run_id: int, one: float, other: float
) -> None:
    kept = keep(database, run_id, Metric("t", 1.0, 1.0, one), Metric("t", 2.0, 2.0, other))
    assert [metric.value for metric in kept] == [2.0]


def test_figures_are_listed_by_name_then_step_a_page_at_a_time(database: Database, run_id: int) -> None:
    keep(database, run_id, *(Metric(name, 0.0, 1.0, step) for name in "ba" for step in (10.0, 2.0)))
    every = of_run(database, run_id)
    assert [(metric.name, metric.step) for metric in every] == [("a", 2), ("a", 10), ("b", 2), ("b", 10)]
    assert of_run(database, run_id, after=1, limit=2) == every[1:3]
    assert of_run(database, run_id, "b") == every[2:]


told = st.lists(
    st.builds(
        Metric,
        st.sampled_from(["a", "b"]),
        st.sampled_from([0.0, 1.0, -1e308, 5e-324]),
        st.sampled_from([0.0, 1.0, 1e18]),
        st.none() | st.sampled_from([0.0, 1.0]),
    ),
    max_size=8,
)


@given(told, st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_figures(
    database: Database, clock: Clock, told: list[Metric], random: Random
) -> None:
    one, other = (database.write(lambda connection: add_run(connection, clock()).id) for _ in range(2))
    again = [*told, *told[:3]]
    random.shuffle(again)
    assert keep(database, one, *told) == keep(database, other, *again)
