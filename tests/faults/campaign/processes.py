"""The parts of a set-up, as processes that can be found, and what is killed with them noted."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SIMULATION = "simulation.sh"
_LAUNCHER = "lackey.executors.local.launcher"


@dataclass(frozen=True)
class Process:
    """A process that was seen. `line`: its arguments, with spaces between."""

    pid: int
    parent: int
    line: str

    def environment(self) -> dict[str, str]:
        """What it was started with; empty if it has ended."""
        with suppress(OSError):
            pairs = Path(f"/proc/{self.pid}/environ").read_bytes().decode(errors="replace").split("\0")
            return dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return {}

    def send(self, signum: signal.Signals) -> bool:
        """Signal it; whether it was there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signum)
            return True
        return False

    def descriptors(self) -> int:
        """How many it has open."""
        with suppress(OSError):
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        return 0


def processes() -> dict[int, Process]:
    """All that live, but for the kernel's."""
    return {process.pid: process for process in _seen()}


def _seen() -> Iterator[Process]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                line = Path(f"/proc/{name}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
                state, parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:2]
                if line and state != "Z":
                    yield Process(int(name), int(parent), line)


def commands(seen: dict[int, Process]) -> list[Process]:
    """The commands of runs: not what they have forked."""
    return [
        one
        for one in seen.values()
        if _SIMULATION in one.line and one.parent in seen and _SIMULATION not in seen[one.parent].line
    ]


def guards(seen: dict[int, Process]) -> list[Process]:
    """The guards whose commands have begun."""
    parents = {command.parent for command in commands(seen)}
    return [seen[pid] for pid in sorted(parents) if _LAUNCHER in seen[pid].line]


def launchers(seen: dict[int, Process]) -> list[Process]:
    """Those whose parent is no launcher, and not the first process: these are guards."""
    return [
        one
        for one in seen.values()
        if _LAUNCHER in one.line and one.parent in seen and one.parent != 1 and _LAUNCHER not in seen[one.parent].line
    ]


def named(seen: dict[int, Process], *words: str) -> list[Process]:
    """Those in whose arguments all of these are."""
    return [one for one in seen.values() if all(word in one.line for word in words)]
