"""How all that lives under a guard is ended: TERM once, and KILL once the grace time is over.

TERM comes to all that live at one moment, and to nobody twice: whoever saves a checkpoint then must not be interrupted
in it, nor must what it starts to do so. Only those are told later that were missed because they were just being
started, and that nobody is there for any more: their parent has ended, so they are the guard's own children.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

from lackey.executors.local.processes import Seen, living, tree

# While there are new ones in each look, there are more than one look finds.
_LOOKS_AT_MOST = 5


class Ending:
    """The end of all descendants of this process."""

    def __init__(self, kill_at: float) -> None:
        """Nobody is told yet. `kill_at`: by the monotonic clock, when those that still live are killed."""
        self.kill_at = kill_at
        self._told: set[tuple[int, int | None]] = set()
        self._begun = False

    @property
    def is_killing(self) -> bool:
        """Whether the grace time is over."""
        return time.monotonic() >= self.kill_at

    def go_on(self) -> None:
        """Tell those whose turn it is. To be called again and again until none is left.

        Raises OSError if that can't be done now, say for want of descriptors.
        """
        if self.is_killing:
            for one in tree(os.getpid()):
                _send(one, signal.SIGKILL)
        elif not self._begun:
            self._tell(_all_that_live())
            self._begun = True
        else:
            self._tell(one for one in tree(os.getpid()) if one.parent == os.getpid())

    def tell_group(self, group: int) -> None:
        """The next best where `go_on` can't be done: tell the command's own process group, which it has not left."""
        with suppress(OSError):
            if self.is_killing:
                os.killpg(group, signal.SIGKILL)
            elif not self._begun:
                os.killpg(group, signal.SIGTERM)
        self._begun = True

    def _tell(self, seen: Iterable[Seen]) -> None:
        for one in seen:
            if (one.pid, one.ticks) not in self._told:
                _send(one, signal.SIGTERM)
                self._told.add((one.pid, one.ticks))


def _all_that_live() -> list[Seen]:
    """Descendants of this process, those that were being started during the look among them."""
    found: dict[tuple[int, int | None], Seen] = {}
    for _ in range(_LOOKS_AT_MOST):
        before = len(found)
        found.update({(one.pid, one.ticks): one for one in tree(os.getpid())})
        if len(found) == before:
            break
    return list(found.values())


def _send(one: Seen, signum: int) -> None:
    """Signal the process, and no other that has its number by now; one that is not ours to signal is passed over."""
    with suppress(ProcessLookupError, PermissionError):
        if one.ticks is not None:
            with living(one.pid, one.ticks) as pidfd:
                if pidfd is not None:
                    signal.pidfd_send_signal(pidfd, signum)
        elif one.parent == os.getpid():
            os.kill(one.pid, signum)  # hidden; a number of this process's own child is nobody else's until it is reaped
