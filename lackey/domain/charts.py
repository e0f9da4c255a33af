"""Figures as a chart needs them."""

from collections.abc import Sequence
from math import isfinite

Point = tuple[float, float]


def downsample(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` (≥ 5) of `points`, which are sorted by x; the first, the last and every extreme are among them.

    The range of x is cut into buckets of one width, and of each its least and its greatest value stay: a peak of a
    single step shows, as it would not if each nth point were taken. So does one value of each that is no finite number.
    """
    if len(points) <= most:
        return list(points)
    first, last = points[0], points[-1]
    buckets: dict[int, tuple[int, int]] = {}
    gaps: dict[int, int] = {}
    has_gaps = not all(isfinite(value) for _, value in points)
    count = max(1, (most - 2) // (3 if has_gaps else 2))
    for place, (x, value) in enumerate(points[1:-1], 1):
        bucket = _bucket(x, first[0], last[0], count)
        if not isfinite(value):
            gaps.setdefault(bucket, place)
            continue
        low, high = buckets.get(bucket, (place, place))
        buckets[bucket] = (
            place if value < points[low][1] else low,
            place if value > points[high][1] else high,
        )
    kept = sorted({place for extremes in buckets.values() for place in extremes} | set(gaps.values()))
    return [first, *(points[place] for place in kept), last]


def _bucket(x: float, least: float, greatest: float, count: int) -> int:
    # Halved, so that the width of no range is infinite.
    width = greatest / 2 - least / 2
    return min(int((x / 2 - least / 2) / width * count), count - 1) if width > 0 else 0
