"""Which process is meant: pids are used again, and clocks are set, so it is known by boot, pid and start ticks.

Ticks are field 22 of /proc/<pid>/stat (proc(5)): they count from the boot and never change.

psutil is imported with this module, before guards are forked, though most need it never: when they do, it may be gone.
"""

import os
from contextlib import suppress
from pathlib import Path

import psutil


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


def open_living(pid: int, ticks: int) -> int | None:
    """A pidfd of just this process; None if it has ended. The caller closes it."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if start_ticks(pid) == ticks:
        return pidfd
    os.close(pidfd)
    return None


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
