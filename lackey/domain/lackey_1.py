"""What the rows of a lackey 1.0 database say, once they are understood.

SQLite is loosely typed, so any column may hold anything. What is no text, no number or no time where one has to be is
a fault, which names the row and the column; it never shows the value, which may be a token that slipped.

Times are naive there: what the clock on the wall of the old server showed. Of a time that came twice, when the clocks
were put back, the earlier is meant; one that never was, when they were put forward, is moved on by as much (PEP 495,
fold=0). A clock counts how many such times it has read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TypeVar

# Larger ids would leave too few for what is made afterwards, and no script counts that far.
MAX_OLD_ID = 10**15
# As SQLAlchemy's DateTime writes it on SQLite.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?", re.ASCII)
T = TypeVar("T")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class OldProject:
    """A row of `project`. `directory` is relative to a root that the admin knows, and ends in a slash."""

    id: int
    name: str
    title: str
    description: str
    directory: str


@dataclass(frozen=True)
class OldApplication:
    """A row of `application`. It lies in its project's directory and its own, one written behind the other."""

    id: int
    name: str
    description: str
    directory: str
    command: str
    project_id: int | None


@dataclass(frozen=True)
class OldRun:
    """A row of `run`, without its log, of which `log_size` is the length in bytes (None: there is none).

    `directory` is the whole: the project's and the application's. `row` is where the log is found again.
    """

    id: int
    directory: str
    command: str
    schedule: datetime
    token: str
    start: datetime | None
    end: datetime | None
    application_id: int | None
    log_size: int | None
    row: int


class OldClock:
    """The clock on the wall of the old server; `zone` None: the same as here. `doubtful` counts odd times read."""

    def __init__(self, zone: tzinfo | None) -> None:
        self._zone = zone
        self.doubtful = 0

    def read(self, text: str) -> datetime:
        """The time in UTC. Raises ValueError for what is none."""
        try:
            naive = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
        except ValueError:
            naive = None
        if naive is None:
            raise ValueError("is no time such as 2013-05-25 10:55:56")
        try:
            at = self._at(naive, fold=0)
            self.doubtful += at.utcoffset() != self._at(naive, fold=1).utcoffset()
            return at.astimezone(UTC)
        except (OverflowError, OSError) as error:
            raise ValueError("is a time that no calendar has in UTC") from error

    def _at(self, naive: datetime, fold: int) -> datetime:
        wall = naive.replace(fold=fold)
        return wall.astimezone() if self._zone is None else wall.replace(tzinfo=self._zone)


class Cells:
    """One row, column by column. What can't be understood goes into `faults`, and something harmless is given back."""

    def __init__(self, table: str, row: Mapping[str, object]) -> None:
        self._row = row
        self._where = table
        self.faults: list[str] = []
        self.id = self._id("id")
        self._where = f"{table} {self.id}"

    def text(self, column: str) -> str:
        """A text that both databases can hold."""
        value = self._row[column]
        if not isinstance(value, str):
            return self._fault(column, "is no text", "")
        if "\0" in value:
            return self._fault(column, "holds a NUL character", "")
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            return self._fault(column, "is no UTF-8", "")
        return value

    def time(self, column: str, clock: OldClock) -> datetime:
        """A time in UTC."""
        value = self._row[column]
        try:
            return clock.read(value if isinstance(value, str) else "")
        except ValueError as error:
            return self._fault(column, str(error), _NEVER)

    def time_or_none(self, column: str, clock: OldClock) -> datetime | None:
        """A time in UTC, or NULL."""
        return None if self._row[column] is None else self.time(column, clock)

    def id_or_none(self, column: str) -> int | None:
        """The id of something else, or NULL."""
        return None if self._row[column] is None else self._id(column)

    def size_or_none(self, column: str) -> int | None:
        """The length of a log, which its reader has counted; NULL where there is none."""
        value = self._row[column]
        if value is None or isinstance(value, int):
            return value
        return self._fault("raw_log", "is neither a text nor a blob", None)

    def _id(self, column: str) -> int:
        value = self._row[column]
        if isinstance(value, int) and 1 <= value <= MAX_OLD_ID:
            return value
        return self._fault(column, f"is no id (a whole number from 1 to {MAX_OLD_ID})", 0)

    def _fault(self, column: str, problem: str, instead: T) -> T:
        self.faults.append(f"{self._where}: {column} {problem}")
        return instead


def read_project(cells: Cells) -> OldProject:
    """The row as a project; to be used if there are no faults."""
    return OldProject(cells.id, *map(cells.text, ("name", "title", "description", "directory")))


def read_application(cells: Cells) -> OldApplication:
    """The row as an application; to be used if there are no faults."""
    name, description, directory, command = map(cells.text, ("name", "description", "directory", "command"))
    return OldApplication(cells.id, name, description, directory, command, cells.id_or_none("project_id"))


def read_run(cells: Cells, row: int, clock: OldClock) -> OldRun:
    """The row as a run; to be used if there are no faults."""
    return OldRun(
        id=cells.id,
        directory=cells.text("directory"),
        command=cells.text("command"),
        schedule=cells.time("schedule", clock),
        token=cells.text("token"),
        start=cells.time_or_none("start", clock),
        end=cells.time_or_none("end", clock),
        application_id=cells.id_or_none("application_id"),
        log_size=cells.size_or_none("log_size"),
        row=row,
    )
