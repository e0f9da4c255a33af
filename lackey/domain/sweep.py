"""Sweeps: many runs of one application, one for each point; and how people write down the values of a parameter.

The points of a grid are in the order in which one would write nested loops: the first parameter changes slowest. Of a
table each row is a point, also where it is the same as another one: that is a repetition.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import product
from typing import Any

from lackey.domain.limits import SWEEP_RUNS
from lackey.domain.refusals import FieldError, Invalid, TooMany, invalid
from lackey.domain.run import FINAL, TROUBLED, RunState

Point = dict[str, str]

_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})(?:\s*/\s*([0-9]{{1,9}})\s*(log)?)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_SHOWN_DIGITS = 12
_EXPONENT = re.compile(r"e([+-])0*([0-9])")
# A number as it stands in a table with semicolons or tabs between: who writes these may have decimal commas.
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
_FAULTS_TOLD = 20


@dataclass(frozen=True)
class Sweep:
    """A sweep, as stored.

    `points` counts them; of `unmade` there is no run yet. `names` are the parameters that differ, in the order given.
    `inputs` is what all its runs have in common. `complete_at` None: it is being made, and nothing of it counts yet;
    the last piece of it was written at `piece_at`. `stopping`: it was cancelled, and not all its runs are yet.

    `after`, `after_on` and `after_sweeps` say what it waits for, as those of a run do; `unmet` counts what of that has
    not come yet. `in_vain`: why it can't come any more, in a sentence; so its runs are cancelled. `awaited`: something
    waits for it, or has. `untold`: they may not know yet what has become of it. `to_pass_on` counts changes of it that
    its runs do not all have yet. `again` says which points were to be run again, the last time that was asked, and how
    far that is; `rerunning`: it is not over.
    """

    id: int
    name: str
    project_id: int
    application_id: int
    project: str
    application: str
    by: str
    created_at: datetime
    scheduled_at: datetime
    piece_at: datetime
    complete_at: datetime | None
    points: int
    unmade: int
    names: list[str]
    inputs: dict[str, Any]
    priority: int
    max_running: int | None
    held: bool
    stopping: bool
    cancelled_at: datetime | None
    cancelled_by: str | None
    after: list[int] | None
    after_on: dict[str, str] | None
    after_sweeps: dict[str, str] | None
    unmet: int
    in_vain: str | None
    awaited: bool
    untold: bool
    to_pass_on: int
    again: dict[str, Any] | None
    rerunning: bool
    # The recurring schedule that has made it.
    schedule_id: int | None

    @property
    def begins_queued(self) -> bool:
        """Whether its runs wait in the queue from the beginning."""
        waits = bool(self.after or self.after_sweeps)
        return self.complete_at is not None and self.scheduled_at <= self.complete_at and not waits


@dataclass(frozen=True)
class Spread:
    """The points of a sweep that is made again and again: a grid, or rows; and how many of its runs may run at a time.

    The values of a parameter in a grid stand there as they were given: a list, or as people type them (`values_of`).
    `runs` counts the points, where they have been checked.
    """

    grid: dict[str, str | list[str]]
    points: list[Point]
    max_running: int | None = None
    runs: int = 0

    @property
    def names(self) -> list[str]:
        """The parameters that differ."""
        return list(self.grid) or list(dict.fromkeys(name for point in self.points for name in point))

    def values(self) -> dict[str, list[str]]:
        """The grid with all its values. Raises Invalid, naming each parameter whose values can't be read."""
        found, faults = dict[str, list[str]](), list[FieldError]()
        for name, given in self.grid.items():
            try:
                found[name] = values_of(given) if isinstance(given, str) else given
            except ValueError as error:
                faults.append(FieldError(f"grid.{name}", str(error)))
        if faults:
            raise Invalid(*faults)
        return found

    def size(self) -> int:
        """How many points there are. Raises Invalid, and TooMany for more than a sweep may have."""
        number = len(self.points) if self.points else grid_size(self.values())
        check_size(number)
        return number

    def each(self) -> Iterator[tuple[str, Point]]:
        """All points in order, each with what it is called in messages. Raises Invalid."""
        if self.points:
            return ((f"points.{number}", point) for number, point in enumerate(self.points))
        return (("grid", point) for point in grid_points(self.values()))


@dataclass(frozen=True)
class PointCounts:
    """How many points are in each state; how many are decided, and how long those took that ran to an end."""

    states: dict[RunState, int]
    decided: int
    timed: int
    seconds: float

    @property
    def total(self) -> int:
        """Of all points."""
        return sum(self.states.values())

    @property
    def ended(self) -> int:
        """Of those that have ended, as far as is known."""
        return sum(number for state, number in self.states.items() if state in FINAL)

    @property
    def outcome(self) -> RunState | None:
        """What the sweep as a whole has come to: failed if any point has, else cancelled if any was; None: open."""
        if self.decided < self.total:
            return None
        there = {state for state, number in self.states.items() if number}
        if there & TROUBLED:
            return RunState.FAILED
        return RunState.CANCELLED if RunState.CANCELLED in there else RunState.SUCCEEDED


def seconds_left(counts: PointCounts, at_once: int) -> float | None:
    """How long it takes yet, if its points go on to take as long as those that have run, `at_once` at a time.

    None where nothing tells. Of those that run now half is done.
    """
    if not counts.timed or at_once < 1:
        return None
    running = counts.states.get(RunState.RUNNING, 0)
    waiting = counts.total - counts.ended - running
    each = counts.seconds / counts.timed
    return each * (waiting / at_once + (0.5 if running else 0.0)) if waiting or running else 0.0


def values_of(text: str) -> list[str]:
    """Values as people type them: `0.1, 0.2`; `1..10`; `0..1/11` (eleven of them, evenly); `1e-6..1e-2/5 log`.

    What is none of these is text; a value with a comma in it stands in double quotes. Raises ValueError.
    """
    found: list[str] = []
    for is_quoted, item in _items(text):
        room = SWEEP_RUNS - len(found)
        found += [item] if is_quoted else _range(item, room)
        if len(found) > SWEEP_RUNS:
            raise ValueError(f"has more than {SWEEP_RUNS} values")
    if not found:
        raise ValueError("has no values")
    return found


def _items(text: str) -> Iterator[tuple[bool, str]]:
    if "\n" in text or "\r" in text:
        raise ValueError("has more than one line; values stand in one, with commas between")
    for number, item in enumerate(next(csv.reader([text], skipinitialspace=True, strict=False), []), 1):
        is_quoted = item != item.strip() or f'"{item.replace(chr(34), chr(34) * 2)}"' in text
        if not item and not is_quoted:
            raise ValueError(f'has nothing as its value {number}; nothing at all is written ""')
        yield is_quoted, item if is_quoted else item.strip()


def _range(item: str, room: int) -> list[str]:
    found = _RANGE.fullmatch(item)
    if found is None:
        return [item]
    first, last, count, is_log = found.groups()
    if count is None:
        return _whole_numbers(first, last, room)
    number = int(count)
    if number < 2:
        raise ValueError(f"{item!r}: a range has at least 2 values, both its ends")
    if number > room:
        raise ValueError(f"has more than {SWEEP_RUNS} values")
    between = _log_steps(item, first, last, number) if is_log else _even_steps(first, last, number)
    return [_short(first), *between, _short(last)]


def _whole_numbers(first: str, last: str, room: int) -> list[str]:
    if not (_WHOLE.fullmatch(first) and _WHOLE.fullmatch(last)):
        raise ValueError(f"{first}..{last} has no step: say how many values it has, {first}..{last}/11")
    begin, end = int(first), int(last)
    if abs(end - begin) >= room:
        raise ValueError(f"has more than {SWEEP_RUNS} values")
    step = 1 if end >= begin else -1
    return [str(value) for value in range(begin, end + step, step)]


def _even_steps(first: str, last: str, number: int) -> list[str]:
    begin, end = Decimal(first), Decimal(last)
    return [_short(begin + (end - begin) * at / (number - 1)) for at in range(1, number - 1)]


def _log_steps(item: str, first: str, last: str, number: int) -> list[str]:
    begin, end = float(first), float(last)
    if begin * end <= 0:
        raise ValueError(f"{item!r}: both ends of a logarithmic range are above 0, or both below")
    low, high = math.log10(abs(begin)), math.log10(abs(end))
    steps = (low + (high - low) * at / (number - 1) for at in range(1, number - 1))
    return [_short(math.copysign(10.0**step, begin)) for step in steps]


def _short(number: str | float | Decimal) -> str:
    """As somebody would type it: 0.1 and not 0.1000000001, 1e-6 and not 1e-06."""
    return _EXPONENT.sub(lambda found: f"e{found[1].strip('+')}{found[2]}", f"{float(number):.{_SHOWN_DIGITS}g}")


def typed_values(values: Sequence[str]) -> str:
    """What somebody would type for these values: `values_of` reads it as them, if none has more than one line."""
    return ", ".join(map(_typed, values))


def _typed(value: str) -> str:
    is_plain = value and value == value.strip() and not set(value) & {",", '"'} and not _RANGE.fullmatch(value)
    return value if is_plain else f'"{value.replace(chr(34), chr(34) * 2)}"'


def grid_points(grid: Mapping[str, Sequence[str]]) -> Iterator[Point]:
    """One point for each combination; the first parameter changes slowest."""
    names = list(grid)
    for values in product(*grid.values()):
        yield dict(zip(names, values, strict=True))


def grid_size(grid: Mapping[str, Sequence[str]]) -> int:
    """How many points a grid has. Raises Invalid, naming every parameter that has no values, or one twice."""
    faults = []
    for name, values in grid.items():
        if not values:
            faults.append(FieldError(f"grid.{name}", "has no values"))
        elif twice := sorted({value for value in values if values.count(value) > 1} if len(values) < 1000 else ()):
            faults.append(FieldError(f"grid.{name}", f"has {twice[0][:40]!r} more than once"))
    if faults:
        raise Invalid(*faults)
    return math.prod(len(values) for values in grid.values())


def check_size(points: int) -> None:
    """Raises Invalid for a sweep without points; TooMany for one with more than `SWEEP_RUNS`."""
    if points < 1:
        raise invalid("points", "has no rows")
    if points > SWEEP_RUNS:
        raise TooMany(f"{points} runs are more than a sweep may have: {SWEEP_RUNS} (SWEEP_RUNS); make several sweeps")


def csv_points(text: io.TextIOBase) -> Iterator[tuple[int, Point]]:
    """The rows of a table, each with the number of its line: its head has the names of the parameters.

    Commas between, or semicolons, or tabs, whichever its head has; in the latter two numbers may have decimal commas,
    as some spreadsheets write them. Empty lines are passed over. Raises Invalid, naming the first faulty rows.
    """
    head = text.readline().removeprefix("\ufeff").strip("\r\n")
    between = next((each for each in (",", ";", "\t") if each in head), ",")
    names = [name.strip() for name in next(csv.reader([head], delimiter=between), [])]
    if not all(names):
        raise invalid("points", "line 1 should hold the names of the parameters, and has an empty one")
    if len({*names}) < len(names):
        raise invalid("points", "line 1 has a name more than once")
    faults = []
    rows = csv.reader(text, delimiter=between)
    try:
        for row in rows:
            if not any(row):
                continue
            if len(row) != len(names):
                what = f"line {rows.line_num + 1} has {len(row)} values, and line 1 has {len(names)} names"
                faults.append(FieldError("points", what))
                if len(faults) == _FAULTS_TOLD:
                    break
                continue
            cells = (cell.strip() for cell in row)
            yield rows.line_num + 1, dict(zip(names, (_with_point(cell, between) for cell in cells), strict=True))
    except csv.Error as error:
        faults.append(FieldError("points", f"line {rows.line_num + 1} can't be read: {error}"))
    if faults:
        raise Invalid(*faults)


def _with_point(cell: str, between: str) -> str:
    return cell.replace(",", ".") if between != "," and _DECIMAL_COMMA.fullmatch(cell) else cell
