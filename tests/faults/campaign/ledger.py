"""What happened, as told by who did it, and not by lackey: the simulations' lines, and the campaign's own notes."""

import json
import signal
import threading
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """A line of a simulation's. `up`: seconds since the boot; `how`: the exit code, or the name of the signal.

    `what`: it `begins`, was `told` to end, `reports` its end, which was taken (`reported`), `ends`.
    """

    up: float
    what: str
    run_id: int
    key: str
    pid: int
    how: str

    @classmethod
    def parse(cls, text: str) -> "Line":
        """Raises ValueError for what is no line."""
        up, what, run_id, key, pid, how = text.split()
        return cls(float(up), what, int(run_id), key, int(pid), how)

    @property
    def outcome(self) -> "tuple[int | None, int | None]":
        """Exit code and signal, one of which is None."""
        if self.how.isdigit():
            return int(self.how), None
        return None, signal.Signals[f"SIG{self.how}"].value


@dataclass(frozen=True)
class Note:
    """Something that the campaign did to a run, at `up`: `guard`, `command` (with the signal), `cancel`."""

    up: float
    what: str
    run_id: int
    key: str
    signum: int = 0


class Ledger:
    """The simulations' file and the campaign's notes. Its directory is touched by no fault."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        place.chmod(0o755)
        self.file = place / "ledger"
        self.file.touch()
        # Simulations of any user write into it.
        self.file.chmod(0o666)
        self._lock = threading.Lock()
        self._notes: list[Note] = []

    def note(self, what: str, run_id: int, key: str = "", signum: int = 0) -> None:
        """Write down what was done to a run."""
        note = Note(time.clock_gettime(time.CLOCK_BOOTTIME), what, run_id, key, signum)
        with self._lock, (self.place / "notes").open("a") as file:
            self._notes.append(note)
            file.write(json.dumps(asdict(note)) + "\n")

    def lines(self) -> dict[tuple[int, str], list[Line]]:
        """All lines by run id and key, each in the order in which they were written."""
        found = defaultdict(list)
        for text in self.file.read_text().splitlines():
            line = Line.parse(text)
            found[line.run_id, line.key].append(line)
        return found

    def notes(self) -> dict[int, list[Note]]:
        """All notes by run id."""
        found = defaultdict(list)
        for note in self._notes:
            found[note.run_id].append(note)
        return found
