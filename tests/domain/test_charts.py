"""A curve thinned out still shows what a reader would look for."""

from hypothesis import given
from hypothesis import strategies as st

from lackey.domain.charts import downsample

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CURVES = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=300).map(lambda points: sorted(points, key=lambda p: p[0]))


@given(CURVES, st.integers(4, 100))
def test_a_curve_is_thinned_out_to_points_of_its_own_in_their_order(
    curve: list[tuple[float, float]], most: int
) -> None:
    shown = downsample(curve, most)
    assert len(shown) <= most
    rest = iter(curve)
    assert all(any(point == other for other in rest) for point in shown)


@given(CURVES.filter(bool), st.integers(4, 100))
def test_both_ends_and_the_extremes_are_kept(curve: list[tuple[float, float]], most: int) -> None:
    shown = downsample(curve, most)
    assert (shown[0], shown[-1]) == (curve[0], curve[-1])
    for extreme in (min, max):
        assert extreme(value for _, value in shown) == extreme(value for _, value in curve)


@given(CURVES)
def test_a_short_curve_is_left_as_it_is(curve: list[tuple[float, float]]) -> None:
    assert downsample(curve, 300) == curve


def test_a_peak_of_a_single_step_among_a_hundred_thousand_shows() -> None:
    curve = [(float(step), 0.0) for step in range(100_000)]
    curve[54_321] = (54_321.0, 9.0)
    shown = downsample(curve, 1000)
    assert (54_321.0, 9.0) in shown
    assert len(shown) > 400
