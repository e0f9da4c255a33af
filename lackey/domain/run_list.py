"""How a list of runs is sorted, and where a page of it begins."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from lackey.domain.refusals import invalid

_CURSOR = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,18})(p?)", re.ASCII)


class Order(StrEnum):
    """What a list is sorted by. Those here have an index, so that each page of a million runs is as quick as the first.

    There is none by name: a run is found by a word of its name, and an index in an alphabet would cost each new run.
    """

    ID = "id"
    SCHEDULED = "scheduled"
    STARTED = "started"
    DURATION = "duration"


@dataclass(frozen=True)
class Cursor:
    """A place between two runs of a list: beside the run `run_id`, whose value the list is sorted by is `value`.

    `value` is an id, or microseconds (since 1970, or of a duration). `previous`: the page that ends there is meant, not
    the one that begins there. Runs that come and go meanwhile move no other to another page.
    """

    value: int
    run_id: int
    previous: bool = False

    def __str__(self) -> str:
        return f"{self.value}.{self.run_id}{'p' if self.previous else ''}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`. Raises Invalid."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise invalid("cursor", "is none that a list has given; begin again without one")
        return cls(int(found[1]), int(found[2]), bool(found[3]))
