"""The cells of a curve: of any points, in any order, all that a chart shows of them."""

import math
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from lackey.domain import curve
from lackey.domain.curve import CELLS, FINER, Cells

PLACES = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000).map(float)
VALUES = st.floats() | st.integers(-3, 3).map(float)
POINTS = st.lists(st.tuples(PLACES, VALUES.map(lambda value: value + 0.0)), min_size=1, max_size=60)


def cells_of(points: list[tuple[float, float]], level: int) -> Cells:
    cells: Cells = {}
    for at, value in points:
        curve.add(cells, curve.number_at(at, level), curve.cell_of(at, value))
    return cells


def level_of(points: list[tuple[float, float]]) -> int:
    return curve.level_of(min(at for at, _ in points), max(at for at, _ in points))


@given(POINTS, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_cells_and_they_are_few(points: list[tuple[float, float]], random: Random) -> None:
    level = level_of(points)
    again = [*points, *points[:3]]
    random.shuffle(again)
    cells = cells_of(points, level)
    assert repr(sorted(cells.items())) == repr(sorted(cells_of(again, level).items()))
    assert max(cells) - min(cells) < CELLS


@given(POINTS)
def test_fine_cells_together_are_the_wide_ones_and_none_is_changed_by_being_stored(
    points: list[tuple[float, float]],
) -> None:
    level = level_of(points)
    fine = cells_of(points, level - FINER)
    assert repr(sorted(curve.coarser(fine, FINER).items())) == repr(sorted(cells_of(points, level).items()))
    assert repr(curve.unpacked(curve.packed(fine))) == repr(dict(sorted(fine.items())))
    for number in fine:
        first, last = curve.edges(number, level - FINER)
        assert all(first <= at <= last for at, _ in points if curve.number_at(at, level - FINER) == number)


@given(POINTS)
def test_the_extremes_and_a_gap_are_among_what_is_drawn(points: list[tuple[float, float]]) -> None:
    cells = cells_of(points, level_of(points))
    drawn = curve.points_of(cells)
    assert drawn == sorted(drawn, key=lambda point: point[0])
    finite = [value for _, value in points if math.isfinite(value)]
    shown = [value for _, value in drawn if math.isfinite(value)]
    assert (min(shown, default=0), max(shown, default=0)) == (min(finite, default=0), max(finite, default=0))
    assert (len(finite) < len(points)) == any(math.isnan(value) for _, value in drawn)
    numbers = [value for _, value in points if not math.isnan(value)]
    expected = (min(numbers, default=math.nan), max(numbers, default=math.nan))
    assert repr(curve.extremes(cells.values())) == repr(expected)


@example([(0.0, 0.0)], (2e-213, 0.0))
@given(POINTS, st.tuples(PLACES, VALUES))
def test_a_curve_that_grows_has_wider_cells_or_the_same(
    points: list[tuple[float, float]], one: tuple[float, float]
) -> None:
    assert level_of([*points, one]) >= level_of(points)
