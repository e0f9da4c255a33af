"""What the processes of a run take, all together: CPU time, and the most memory that they were seen to hold at once.

CPU time is what the kernel says of each process when the guard reaps it (wait4(2)): that has in it the time of those
descendants that were waited for, and all others become the guard's own children in the end, so each counts once. What
lives yet, or was never waited for by anyone (SIGCHLD ignored), is in what is seen of the living.

Memory is looked at early on, then once a second. A page that several processes share counts once: the ranks of an MPI
program share libraries and buffers, forked workers the data of their parent; a sum of resident sets would be many times
what the host gives. So it is the sum of proportional set sizes (smaps_rollup, proc(5)), and never less than the largest
resident set. To read those walks all pages of a process (some 20 ms for each GiB), so it is done only where it may
change the figure. Where it is not allowed, resident sets are added up. Of small processes it is read each time, for
what the kernel counts as it goes lags behind by some dozens of pages. A process that forks between the reading of two
has pages counted alone and shared, so a sum that would be the highest is read twice, and the smaller one counts.

The kernel's own highest figure of a single process (ru_maxrss) fills what lies between two looks. For a process that
became its program by execve(2) it is never less than what the process held before that: a copy of the guard. So it
counts only above what the guard holds.
"""

import os
import resource
import time
from contextlib import suppress

from lackey.executors.local.command import HeldProcess
from lackey.executors.local.processes import Seen, read_whole, tree

# At first it is looked often, so that something is seen of short runs too.
FIRST_LOOK_SECONDS = 0.001
_LOOK_SECONDS = 1.0
# A look that takes long, for there are many processes or much memory, comes less often: at most a hundredth of a core.
_SHARE_OF_TIME = 0.01
_LONGEST_PAUSE_SECONDS = 60.0
# The copy of the guard that becomes the command looks up its user before that.
_GROWTH = 1.25
_SMALL_BYTES = 32 << 20
# By so much of the largest, the sum of resident sets may be above what is counted.
_NEGLIGIBLE = 0.03


class Usage:
    """What the descendants of this process take."""

    def __init__(self, process: HeldProcess) -> None:
        """Nothing was seen yet. `process`: what is to become the command."""
        self._own_bytes = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 * _GROWTH)
        self._process = process
        self._began = time.monotonic()
        self._reaped_seconds = 0.0
        self._seen_seconds = 0.0
        self._bytes = 0
        self.due = self._began + FIRST_LOOK_SECONDS

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all of them."""
        return max(self._reaped_seconds, self._seen_seconds)

    @property
    def max_rss_bytes(self) -> int | None:
        """The most that was seen; None if they ended before anything was."""
        return self._bytes or None

    def reaped(self, usage: resource.struct_rusage) -> None:
        """One of them has ended and was waited for."""
        self._reaped_seconds += usage.ru_utime + usage.ru_stime
        if usage.ru_maxrss * 1024 > self._own_bytes:
            self._bytes = max(self._bytes, usage.ru_maxrss * 1024)

    def look_if_due(self) -> None:
        """Look at those that live, if it is time to. Whatever is wrong with that, the run is none the worse for it."""
        if time.monotonic() >= self.due:
            self.look()

    def look(self) -> None:
        """Look at those that live."""
        began = time.monotonic()
        with suppress(OSError, ValueError):
            # Until it has begun, there is no other.
            if not self._process.is_copy():
                self._note(tree(os.getpid()))
        now = time.monotonic()
        pause = min(_LOOK_SECONDS, 2 * (now - self._began))
        self.due = now + max(FIRST_LOOK_SECONDS, pause, min(_LONGEST_PAUSE_SECONDS, (now - began) / _SHARE_OF_TIME))

    def _note(self, seen: list[Seen]) -> None:
        # Parents were read before their children, so none of these is counted twice, though some may be missed.
        self._seen_seconds = max(self._seen_seconds, self._reaped_seconds + sum(one.cpu_seconds for one in seen))
        total = sum(one.rss_bytes for one in seen)
        if total >= _SMALL_BYTES and total <= self._bytes:
            return  # no closer look would make it more
        largest = max((one.rss_bytes for one in seen), default=0)
        if total < _SMALL_BYTES or total > largest * (1 + _NEGLIGIBLE):
            total = _together(seen)
            if len(seen) > 1 and total > self._bytes:
                total = min(total, _together(tree(os.getpid())))
        self._bytes = max(self._bytes, total)


def _together(seen: list[Seen]) -> int:
    """What they hold, in bytes; a page that they share counts once."""
    sizes = [_sizes(one) for one in seen]
    return max(sum(pss for _, pss in sizes), *(rss for rss, _ in sizes), 0)


def _sizes(one: Seen) -> tuple[int, int]:
    """What the process holds, and what of it is its part, in bytes; its resident set where that can't be told."""
    if one.stuck:  # its part is left out rather than made too large: there will be another look
        return one.rss_bytes, 0
    with suppress(OSError, ValueError, KeyError):
        lines = read_whole(f"/proc/{one.pid}/smaps_rollup").splitlines()[1:]
        kibibytes = {name: int(size) for name, size, *_ in (line.split() for line in lines)}
        return kibibytes[b"Rss:"] * 1024, kibibytes[b"Pss:"] * 1024
    return one.rss_bytes, one.rss_bytes
