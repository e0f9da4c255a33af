"""Which process is meant: pids are used again, and clocks are set, so it is known by boot, pid and start ticks.

Ticks are field 22 of /proc/<pid>/stat (proc(5)): they count from the boot, suspended hours included, and never change.

psutil is imported with this module, before guards are forked, though most need it never: when they do, it may be gone.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from lackey.kernel import open_pidfd

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def boot_id() -> str:
    """A name for the time since this host was last started (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start_ticks(pid: int) -> int | None:
    """When the process started, in ticks since the boot; None if it has ended, be it reaped yet or not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name of the program stands second, in parentheses, and may hold spaces and parentheses itself.
    fields = stat[stat.rindex(b")") + 1 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def age_seconds(ticks: int) -> float:
    """How long ago a process of this boot was started, by a clock that nobody can set."""
    # A tick is a hundredth of a second, and the process may have been started at its end.
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - (ticks + 1) / _TICKS_PER_SECOND)


@contextmanager
def living(pid: int, ticks: int) -> Iterator[int | None]:
    """A pidfd of just this process, for as long as the block lasts; None if it has ended.

    Raises OSError if that can't be told now, say for want of descriptors.
    """
    pidfd = open_pidfd(pid)
    try:
        yield pidfd if pidfd is not None and start_ticks(pid) == ticks else None
    finally:
        if pidfd is not None:
            os.close(pidfd)


def descendants(pid: int) -> list[psutil.Process]:
    """All that live of what the process has started, and they in turn."""
    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [process for process in found if _lives(process)]


def family(command: int, session: int) -> list[psutil.Process]:
    """What lives of a command whose guard is gone: itself, its descendants, and all of its session."""
    found = {process.pid: process for process in descendants(command)}
    for process in psutil.process_iter():
        with suppress(ProcessLookupError):
            if process.pid == command or os.getsid(process.pid) == session:
                found.setdefault(process.pid, process)
    return [process for process in found.values() if _lives(process)]


def send(processes: list[psutil.Process], signum: int) -> None:
    """Signal them all; those that have ended meanwhile, or are not ours to signal, are passed over."""
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(signum)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
