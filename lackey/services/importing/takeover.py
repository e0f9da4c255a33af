"""What the parts of an import share: where it reads and writes, what is in its way, what there is to say about it."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from lackey.domain.lackey_1 import Cells, OldClock
from lackey.domain.paths import Share
from lackey.domain.refusals import NotImportable
from lackey.store.lackey_1 import OldDatabase

_NAMED_AT_MOST = 20


@dataclass(frozen=True)
class Options:
    """How to read the file: the share below which its directories lie, the zone of its times (None: this host's).

    `keep_pending`: runs that were due and never started wait for their start. `log_limit` is in bytes.
    """

    share: str
    zone: tzinfo | None
    keep_pending: bool
    log_limit: int


@dataclass
class Found:
    """Things of one kind that have something to be said about: how many, and the first ones by id or name."""

    what: str
    count: int = 0
    which: list[str] = field(default_factory=list)


@dataclass
class Counts:
    """How many there were: `new` ones came in, `known` ones were there already, `changed` of these had news."""

    new: int = 0
    known: int = 0
    changed: int = 0


@dataclass(frozen=True)
class ImportSummary:
    """What an import did. `states`: those of the new runs. `logs` counts new ones, `log_bytes` what they had."""

    projects: Counts
    applications: Counts
    runs: Counts
    states: dict[str, int]
    logs: int
    log_bytes: int
    found: list[Found]


class _Old(Protocol):
    @property
    def id(self) -> int: ...


O = TypeVar("O", bound=_Old)  # noqa: E741


class Takeover:
    """One attempt at an import, within its transaction."""

    def __init__(
        self,
        connection: Connection,
        old: OldDatabase,
        options: Options,
        shares: Mapping[str, Share],
        now: datetime,
    ) -> None:
        self.connection, self.old, self.options, self.shares, self.now = connection, old, options, shares, now
        self.clock = OldClock(options.zone)
        self.file = os.fsencode(old.path.name).decode(errors="replace")
        self.projects, self.applications, self.runs = Counts(), Counts(), Counts()
        self.states: dict[str, int] = {}
        self.logs = self.log_bytes = 0
        self._found: dict[str, Found] = {}
        self._in_the_way: list[str] = []

    @property
    def may_write(self) -> bool:
        """Whether nothing has turned out to be in the way; if something has, the rest is only looked at."""
        return not self._in_the_way

    def refuse(self, *reasons: str) -> None:
        """Note what is in the way."""
        self._in_the_way += reasons

    def note(self, what: str, which: object) -> None:
        """Note that there is something to be said about this one."""
        found = self._found.setdefault(what, Found(what))
        found.count += 1
        if len(found.which) < _NAMED_AT_MOST:
            found.which.append(str(which))

    def understood(
        self, table: str, rows: Iterable[Mapping[str, Any]], read: Callable[[Cells, Mapping[str, Any]], O]
    ) -> Iterator[O]:
        """The rows that can be understood; the faults of the others are in the way. They come by their ids."""
        last = None
        for row in rows:
            cells = Cells(table, row)
            one = read(cells, row)
            if cells.faults:
                self.refuse(*cells.faults)
            elif one.id == last:
                self.refuse(f"{table} {one.id} comes twice")
            else:
                yield one
            last = one.id

    def refuse_if_in_the_way(self) -> None:
        """Raise NotImportable if anything is in the way; its first line says how much, further ones name it."""
        if self._in_the_way:
            count = len(self._in_the_way)
            things = "1 thing is" if count == 1 else f"{count} things are"
            first = f"nothing was imported from {self.file}: {things} in the way"
            more = [f"… and {count - _NAMED_AT_MOST} more"] if count > _NAMED_AT_MOST else []
            raise NotImportable("\n".join([first, *self._in_the_way[:_NAMED_AT_MOST], *more]))

    def summary(self) -> ImportSummary:
        """What was done."""
        if self.clock.doubtful:
            what = "times when the clocks were changed: the earlier of two was taken, one that never was put forward"
            self._found[what] = Found(what, self.clock.doubtful)
        return ImportSummary(
            self.projects,
            self.applications,
            self.runs,
            dict(sorted(self.states.items())),
            self.logs,
            self.log_bytes,
            list(self._found.values()),
        )
