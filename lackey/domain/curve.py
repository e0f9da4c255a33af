"""A metric's curve in cells: as much of it as a chart shows, in a size that does not depend on the number of points.

What it is drawn along, steps or time, is cut into cells whose width is a power of two, and each keeps its least value,
its greatest, and where one is no finite number. The cells' width follows from the first and the last place alone, and
what a cell keeps does not depend on the order of its points, so any order of reports gives the same curve.
"""

import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from typing import NamedTuple

from lackey.domain.charts import Point

# A whole curve has at most so many cells, and half as many at least.
CELLS = 512
# For closer looks, each cell of the whole curve is held in 2 ** FINER cells too, in stretches of 2 ** STRETCH of these.
FINER = 5
STRETCH = 9

_BELOW, _ABOVE = 1, 2
# No narrower than numbers of this size are apart; 0 counts as the least of them, whose exponent (frexp) this is.
_MANTISSA_BITS = 60
_LEAST = -1073


class Cell(NamedTuple):
    """The least and the greatest finite value and where each is, where there is a gap; NaN: nowhere.

    `infinite` says which infinities there are: 1 below, 2 above, 3 both.
    """

    low_at: float
    low: float
    high_at: float
    high: float
    gap_at: float
    infinite: int


Cells = dict[int, Cell]


def cell_of(at: float, value: float) -> Cell:
    """A single point as a cell."""
    if math.isfinite(value):
        return Cell(at, value, at, value, math.nan, 0)
    infinite = 0 if math.isnan(value) else _ABOVE if value > 0 else _BELOW
    return Cell(math.nan, math.nan, math.nan, math.nan, at, infinite)


def merged(one: Cell, other: Cell) -> Cell:
    """The cell that holds the points of both, in either order. Of equal values the first along the axis stays."""
    low_at, low, high_at, high, gap_at, infinite = one
    if low_at != low_at or (other.low, other.low_at) < (low, low_at):
        low_at, low = other.low_at, other.low
    if high_at != high_at or (-other.high, other.high_at) < (-high, high_at):
        high_at, high = other.high_at, other.high
    if gap_at != gap_at or other.gap_at < gap_at:
        gap_at = other.gap_at
    return Cell(low_at, low, high_at, high, gap_at, infinite | other.infinite)


def add(cells: Cells, number: int, cell: Cell) -> None:
    """Put what a cell holds to what there is under its number."""
    known = cells.get(number)
    cells[number] = cell if known is None else merged(known, cell)


def level_of(first: float, last: float) -> int:
    """The width of the cells of a curve between these places, as the exponent of 2."""
    largest = max(abs(first), abs(last))
    level = (math.frexp(largest)[1] if largest else _LEAST) - _MANTISSA_BITS
    span = last / 2 - first / 2
    if span > 0:
        level = max(level, math.frexp(span)[1] + 1 - CELLS.bit_length())
    while number_at(last, level) - number_at(first, level) >= CELLS:
        level += 1
    return level


def number_at(at: float, level: int) -> int:
    """The number of the cell in which a place is."""
    number = math.floor(math.ldexp(at, -level))
    # Of numbers that are far smaller than the cells are wide nothing is left, not even that they are below 0.
    return -1 if number == 0 and at < 0 else number


def edges(number: int, level: int) -> tuple[float, float]:
    """Where a cell begins and ends; both may be within."""
    return _edge(number, level), _edge(number + 1, level)


def _edge(number: int, level: int) -> float:
    try:
        return math.ldexp(number, level)
    except OverflowError:
        return math.copysign(sys.float_info.max, number)


def coarser(cells: Mapping[int, Cell], by: int) -> Cells:
    """The same points in cells that are 2 ** `by` times as wide."""
    if by == 0:
        return dict(cells)
    wide: Cells = {}
    for number, cell in cells.items():
        add(wide, number >> by, cell)
    return wide


def points_of(cells: Mapping[int, Cell]) -> list[Point]:
    """What is drawn of the cells, along the axis; a gap is NaN."""
    return sorted({point for cell in cells.values() for point in _points(cell)}, key=lambda point: point[0])


def _points(cell: Cell) -> Iterator[Point]:
    if cell.low_at == cell.low_at:
        yield cell.low_at, cell.low
        yield cell.high_at, cell.high
    if cell.gap_at == cell.gap_at:
        yield cell.gap_at, math.nan


def extremes(cells: Iterable[Cell]) -> tuple[float, float]:
    """The least and the greatest value, which may be infinite; NaN if there is none but NaN."""
    whole = reduce(merged, cells, cell_of(0.0, math.nan))
    least = -math.inf if whole.infinite & _BELOW else math.inf if whole.low_at != whole.low_at else whole.low
    greatest = math.inf if whole.infinite & _ABOVE else -math.inf if whole.high_at != whole.high_at else whole.high
    if whole.low_at != whole.low_at and not whole.infinite:
        return math.nan, math.nan
    return min(least, greatest), max(least, greatest)


def packed(cells: Mapping[int, Cell]) -> bytes:
    """The cells as they are stored: seven doubles each, of the least significant byte first."""
    numbers = array("d", [part for number in sorted(cells) for part in (number, *cells[number])])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def unpacked(stored: bytes) -> Cells:
    """The inverse."""
    numbers = array("d")
    numbers.frombytes(stored)
    if sys.byteorder == "big":
        numbers.byteswap()
    parts = iter(numbers)
    return {
        int(number): Cell(low_at, low, high_at, high, gap_at, int(infinite))
        for number, low_at, low, high_at, high, gap_at, infinite in zip(*[parts] * 7, strict=True)
    }
