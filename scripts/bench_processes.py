"""The processes of one server: their CPU time and memory, whatever they fork, and their end, whatever happens.

Each server is in a control group of its own (cgroup v2): to its CPU time all count that ever belonged to it, those too
that nobody has waited for, as the guards of runs; and none of them is left when the benchmark ends.
"""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_STOP_SECONDS = 20.0
# Who takes less than this share of a core has started.
_CALM, _CALM_SECONDS, _START_SECONDS = 0.05, 0.5, 30.0


class Group:
    """A control group."""

    def __init__(self, path: Path) -> None:
        """`path`: its directory, which is there."""
        self._path = path

    def adopt(self, pids: Sequence[int]) -> None:
        """These belong to it from now on, and what they fork."""
        for pid in pids:
            (self._path / "cgroup.procs").write_text(str(pid))

    def pids(self) -> list[int]:
        """All that live."""
        return [int(line) for line in (self._path / "cgroup.procs").read_text().split()]

    def cpu_seconds(self) -> float:
        """What all of them have taken, the dead included."""
        return int((self._path / "cpu.stat").read_text().split()[1]) / 1e6

    def settle(self) -> None:
        """Wait until they have started, so that what they take to do so is not counted. Who is never calm is not."""
        for _ in range(int(_START_SECONDS / _CALM_SECONDS)):
            before = self.cpu_seconds()
            time.sleep(_CALM_SECONDS)
            if self.cpu_seconds() - before < _CALM * _CALM_SECONDS:
                return

    def pss_bytes(self) -> int:
        """Their memory; what several share is counted once."""
        return sum(map(pss_bytes, self.pids()))

    def end(self) -> None:
        """Kill what is left of them."""
        (self._path / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError):
                self._path.rmdir()
                return
            time.sleep(0.01)


def pss_bytes(pid: int) -> int:
    """A process's share of the memory that it uses; 0 if it is gone. See proc(5), smaps_rollup."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@contextmanager
def group(name: str) -> Iterator[Group]:
    """A control group for the time of the block; what is in it then is killed."""
    path = _own_place() / f"lackey-bench-{os.getpid()}-{name}"
    try:
        path.mkdir()
    except OSError as error:
        raise SystemExit(
            f"bench: no control group can be made ({error}); start it as root, or by"
            " systemd-run --user --scope -p Delegate=yes scripts/bench"
        ) from error
    made = Group(path)
    try:
        yield made
    finally:
        made.end()


def _own_place() -> Path:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    found = next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
    if found is None:
        raise SystemExit("bench: cgroup v2 is not mounted, and without it nobody knows what servers take")
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return found / next(line for line in lines if line.startswith("0::")).removeprefix("0::").lstrip("/")


@contextmanager
def running(
    command: Sequence[str], members: Group, log: Path, directory: Path, **environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """The command, in this group; it is told to end when the block does. What it says is appended to `log`."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # Ctrl-C is for the benchmark alone, which ends its servers one by one.
            start_new_session=True,
            preexec_fn=lambda: members.adopt([os.getpid()]),
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
