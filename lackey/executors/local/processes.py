"""Which process is meant: pids are used again, and clocks are set, so it is known by boot, pid and start ticks.

Ticks are field 22 of /proc/<pid>/stat (proc(5)): they count from the boot, suspended hours included, and never change.

psutil is imported with this module, before guards are forked, though most need it never: when they do, it may be gone.
"""

import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from lackey.kernel import open_pidfd

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# So many processes of one run are looked at; what has more is out of hand, and is not to keep its guard busy.
_SEEN_AT_MOST = 2_000


@functools.cache
def boot_id() -> str:
    """A name for the time since this host was last started (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start_ticks(pid: int) -> int | None:
    """When the process started, in ticks since the boot; None if it has ended, be it reaped yet or not."""
    try:
        fields = _stat(pid)
    except FileNotFoundError:
        return None
    return None if fields is None else int(fields[19])


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


@dataclass(frozen=True)
class Seen:
    """A living process, as /proc/<pid>/stat has it (proc(5)); nothing but the pid is known of one that is hidden.

    `ticks`: when it started. `cpu_seconds` has in it what those of its children took that it has waited for.
    `stuck`: it waits for a disk, or for a share that hangs, and may hold what whoever looks closer would wait for.
    """

    pid: int
    parent: int
    ticks: int | None = None
    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    stuck: bool = False


def tree(pid: int) -> list[Seen]:
    """All that live of what the process has started, and they in turn; parents come before their children.

    It costs in proportion to these, not to what else the host runs. Raises OSError if nothing can be told now.
    """
    listed = children if _lists_children() else _children_by_search()
    found: list[Seen] = []
    todo = [(pid, child) for child in listed(pid, 1)]
    while todo and len(found) < _SEEN_AT_MOST:
        parent, child = todo.pop()
        try:
            fields = _stat(child)
        except OSError:
            # hidepid (proc(5)): of others' processes, their own parent still has the numbers.
            found.append(Seen(child, parent))
            continue
        if fields is None:
            continue
        cpu = sum(int(each) for each in fields[11:15]) / _TICKS_PER_SECOND
        found.append(Seen(child, parent, int(fields[19]), cpu, int(fields[21]) * _PAGE_BYTES, fields[0] == b"D"))
        with suppress(OSError):
            todo += [(child, one) for one in listed(child, int(fields[17]))]
    return found


@functools.cache
def _lists_children() -> bool:
    """Whether the kernel has CONFIG_PROC_CHILDREN."""
    return os.path.exists("/proc/thread-self/children")


def _children_by_search() -> Callable[[int, int], list[int]]:
    """What stands in for `children` otherwise: one look at all processes of the host."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and (fields := _stat(int(name))) is not None:
                found.setdefault(int(fields[1]), []).append(int(name))
    return lambda pid, _: found.get(pid, [])


def children(pid: int, threads: int) -> list[int]:
    """The children of a process that has so many threads, those that have ended but were not waited for among them.

    Raises OSError: the process is gone, say, or this one has no descriptor left.
    """
    tasks = [str(pid)] if threads == 1 else os.listdir(f"/proc/{pid}/task")
    found: list[int] = []
    for task in tasks:
        try:
            found += [int(child) for child in read_whole(f"/proc/{pid}/task/{task}/children").split()]
        except FileNotFoundError:
            if task == str(pid):
                raise
    return found


def _stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/<pid>/stat from the third on; None if the process has ended, be it reaped yet or not."""
    try:
        stat = read_whole(f"/proc/{pid}/stat")
    except ProcessLookupError:
        return None
    # The name of the program stands second, in parentheses, and may hold spaces and parentheses itself.
    fields = stat[stat.rindex(b")") + 1 :].split()
    return None if fields[0] in (b"Z", b"X") else fields


def read_whole(path: str) -> bytes:
    """What a file of /proc says, all of it. Raises OSError, ProcessLookupError where the process has just ended."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = b""
        while piece := os.read(descriptor, 1 << 16):
            content += piece
        return content
    finally:
        os.close(descriptor)


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
