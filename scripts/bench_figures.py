"""What was measured: each figure beside its reference, as a table and as JSON."""

import json
import math
import os
import platform
import sqlite3
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

HEAD = "| | lackey | reference | ratio | to reach | reached |\n|---|---|---|---|---|---|"
_SYNCS = 50
_WIDTH = 118


@dataclass(frozen=True)
class Target:
    """What is to be reached: the figure itself or its ratio (`of_ratio`) at least or at most (`at_most`) `limit`."""

    limit: float
    at_most: bool = False
    of_ratio: bool = False

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.limit:g}{' ×' if self.of_ratio else ''}"

    def is_reached(self, figure: "Figure") -> bool:
        """Whether it is."""
        reached = figure.ratio if self.of_ratio else figure.value
        assert reached is not None
        return reached <= self.limit if self.at_most else reached >= self.limit


@dataclass(frozen=True)
class Figure:
    """One figure: what each round gave, and what the reference gave in the same round."""

    name: str
    unit: str
    rounds: Sequence[float]
    reference: str = ""
    reference_rounds: Sequence[float] = ()
    target: Target | None = None

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rounds)

    @property
    def reference_value(self) -> float | None:
        """That of the reference."""
        return statistics.median(self.reference_rounds) if self.reference_rounds else None

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios: what disturbs a round disturbs both that are measured in it."""
        pairs = zip(self.rounds, self.reference_rounds, strict=True) if self.reference_rounds else ()
        ratios = [ours / other for ours, other in pairs if other]
        return statistics.median(ratios) if ratios else None

    @property
    def row(self) -> str:
        """Its line in the table."""
        beside = self.reference_value
        cells = [f"{self.name}, {self.unit}", number(self.value)]
        cells += ["" if beside is None else f"{self.reference}: {number(beside)}"]
        cells += ["" if self.ratio is None else number(self.ratio)]
        cells += ["", ""] if self.target is None else [str(self.target), self.verdict]
        return f"| {' | '.join(cells)} |"

    @property
    def verdict(self) -> str:
        """Whether what is to be reached is."""
        return "" if self.target is None else "yes" if self.target.is_reached(self) else "no"

    def as_json(self) -> dict[str, Any]:
        """All that is known of it."""
        known = {name: getattr(self, name) for name in ("name", "unit", "value", "reference", "reference_value")}
        known |= {"ratio": self.ratio, "rounds": list(self.rounds), "reference_rounds": list(self.reference_rounds)}
        return known | {"to_reach": str(self.target or ""), "reached": self.verdict}


@dataclass
class Report:
    """All figures so far; each table is printed once its figures are there."""

    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, figures: Sequence[Figure]) -> None:
        """A part is done."""
        if not self.figures:
            print(HEAD)
        self.figures += figures
        print("\n".join(figure.row for figure in figures), flush=True)

    def note(self, text: str) -> None:
        """What a reader of the table has to know; it is printed below it."""
        self.notes.append(text)

    def end(self) -> None:
        """All figures are there."""
        wrapper = TextWrapper(_WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
        print("\n" + "\n".join(map(wrapper.fill, self.notes)), flush=True)

    def write(self, file: Path, machine: dict[str, Any]) -> None:
        """Write all of it as JSON."""
        content = {"machine": machine, "figures": [each.as_json() for each in self.figures], "notes": self.notes}
        file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def number(value: float) -> str:
    """With three digits that count, if there are as many."""
    if value == int(value):
        return f"{value:,.0f}"
    digits = next((digits for least, digits in ((100, 0), (10, 1), (1, 2)) if abs(value) >= least), 3)
    return f"{value:,.{digits}f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def machine(place: Path, postgresql: str) -> dict[str, Any]:
    """Where it was measured. `place`: where the servers keep what they write."""
    return {
        "CPUs": os.cpu_count(),
        "load average": round(os.getloadavg()[0], 2),
        "Linux": platform.release().split("-")[0],
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": postgresql,
        "milliseconds a sync": round(_sync_milliseconds(place), 2),
    }


def _sync_milliseconds(place: Path) -> float:
    """The median time that 4 kB take to be on disk."""
    taken = []
    file = place / "synced"
    with file.open("wb", buffering=0) as written:
        for _ in range(_SYNCS):
            written.write(bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(written.fileno())
            taken.append((time.perf_counter() - begun) * 1000)
    file.unlink()
    return statistics.median(taken)


def say(text: str) -> None:
    """What is being done, for whoever waits."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
