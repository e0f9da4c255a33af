"""What people type for the values of a parameter, grids, and tables."""

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lackey.domain.limits import SWEEP_RUNS
from lackey.domain.refusals import Invalid, TooMany
from lackey.domain.run import RunState
from lackey.domain.sweep import (
    PointCounts,
    check_size,
    csv_points,
    grid_points,
    grid_size,
    seconds_left,
    typed_values,
    values_of,
)


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("0.1, 0.2", ["0.1", "0.2"]),
        ("1..4", ["1", "2", "3", "4"]),
        ("2..-1", ["2", "1", "0", "-1"]),
        ("0..1/11", ["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]),
        ("1e-6..1e-2/5 log", ["1e-6", "1e-5", "0.0001", "0.001", "0.01"]),
        ("1e-6..1e-2/5log", ["1e-6", "1e-5", "0.0001", "0.001", "0.01"]),
        ("0..1/4", ["0", "0.333333333333", "0.666666666667", "1"]),
        ("1..3, 10, 20..30/2", ["1", "2", "3", "10", "20", "30"]),
        ("coarse, fine", ["coarse", "fine"]),
        ('"a, b", c', ["a, b", "c"]),
        ('"1..3"', ["1..3"]),
        ('"", x', ["", "x"]),
        ("../data", ["../data"]),
        ("1e20..1e22/3log", ["1e20", "1e21", "1e22"]),
    ],
)
def test_values_are_what_was_meant_and_as_short(typed: str, values: list[str]) -> None:
    assert values_of(typed) == values


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "has no values"),
        ("1,,2", "has nothing as its value 2"),
        ("0.5..3", "say how many"),
        ("0..1/1", "at least 2"),
        ("0..1/5log", "above 0"),
        ("1..1000000000", "more than 100000"),
        ("0..1/999999999", "more than 100000"),
        ("1\n2", "one line"),
    ],
)
def test_what_can_not_be_meant_is_refused_in_words(typed: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        values_of(typed)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(2, 50))
def test_a_range_has_its_ends_and_as_many_values_as_asked_for(first: float, last: float, count: int) -> None:
    values = values_of(f"{first!r}..{last!r}/{count}")
    assert len(values) == count
    assert float(values[0]) == pytest.approx(first) and float(values[-1]) == pytest.approx(last)


# What stands in one line.
@given(st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])), min_size=1))
@example(["1..3", "1..3", "a, b", "", " x ", '"', "0..1/11 log"])
def test_values_are_typed_so_that_they_are_read_as_they_are(values: list[str]) -> None:
    assert values_of(typed_values(values)) == values


def test_the_first_parameter_of_a_grid_changes_slowest() -> None:
    grid = {"n": ["1", "2"], "solver": ["a", "b"]}
    assert grid_size(grid) == 4
    assert [tuple(point.values()) for point in grid_points(grid)] == [("1", "a"), ("1", "b"), ("2", "a"), ("2", "b")]


def test_a_grid_without_values_or_with_one_twice_is_refused_for_each_parameter() -> None:
    with pytest.raises(Invalid) as refused:
        grid_size({"n": [], "m": ["1", "1"], "k": ["1"]})
    assert [error.field for error in refused.value.errors] == ["grid.n", "grid.m"]


def test_a_sweep_has_a_point_and_not_too_many() -> None:
    check_size(SWEEP_RUNS)
    with pytest.raises(Invalid):
        check_size(0)
    with pytest.raises(TooMany, match="SWEEP_RUNS"):
        check_size(SWEEP_RUNS + 1)


@pytest.mark.parametrize(
    "table",
    [
        "n,eps\n1,0.5\n2,1e-3\n",
        "\ufeffn;eps\r\n1;0,5\r\n2;1e-3\r\n",
        "n\teps\n1\t0,5\n\n2\t1e-3",
        '"n", eps \n"1",0.5\n2, 1e-3\n',
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(table: str) -> None:
    rows = [point for _, point in csv_points(io.StringIO(table, newline=""))]
    assert rows == [{"n": "1", "eps": "0.5"}, {"n": "2", "eps": "1e-3"}]


def test_between_commas_a_comma_is_no_decimal_point() -> None:
    assert [point for _, point in csv_points(io.StringIO('a,b\n"1,5",2\n'))] == [{"a": "1,5", "b": "2"}]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("n,n\n1,2\n", "more than once"),
        ("n,\n1,2\n", "empty one"),
        ("n,m\n1\n1,2\n1,2,3\n", "line 2 has 1 values.*line 4 has 3 values"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_by_line(table: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        list(csv_points(io.StringIO(table, newline="")))


def test_an_estimate_is_made_of_what_has_run_and_how_many_run_at_once() -> None:
    states = {RunState.SUCCEEDED: 10, RunState.RUNNING: 2, RunState.QUEUED: 20}
    assert seconds_left(PointCounts(states, 10, 10, 100.0), 2) == 105
    assert seconds_left(PointCounts(states, 0, 0, 0.0), 2) is None
    assert PointCounts(states, 10, 10, 100.0).outcome is None
    assert PointCounts({RunState.SUCCEEDED: 2, RunState.LOST: 1}, 3, 3, 1).outcome is RunState.FAILED
