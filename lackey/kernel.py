"""What lackey needs of the kernel, and what differs between kernels: all of it is here.

Linux 5.6 is the oldest that will do. `unfit` asks the kernel itself rather than for its version, for a sandbox may
forbid what the kernel has.

    pidfd_open(2)   Linux 5.3. For a pid that was reaped while a member of its session or process group lives, kernels
                    up to 6.1 (Debian 12's) and some later ones say EINVAL, newer ones ESRCH; for a number that a
                    thread of another process has by now, or that is just being reaped, 6.1 says EINVAL and 6.18
                    ENOENT. All of them mean that the process is gone.
    openat2(2)      Linux 5.6. Files beneath a share are opened by it alone (`confined`).
    prctl(2)        PR_SET_CHILD_SUBREAPER, Linux 3.4.
    CLOCK_BOOTTIME  Linux 2.6.39; start times of processes count by it.
"""

import os
from collections.abc import Callable
from errno import EINVAL, ENOSYS, EPERM

from lackey.confined import open_beneath, open_root

_NEEDED = "Linux 5.6"


def open_pidfd(pid: int) -> int | None:
    """A pidfd; None if there is no such process, be it reaped yet or not. The caller closes it.

    Raises OSError if the kernel can't tell now: nothing may be concluded from that.
    """
    try:
        return os.pidfd_open(pid)
    except (ProcessLookupError, FileNotFoundError):
        return None
    except OSError as error:
        # Of all that is wrong with an argument, only the process can be here: no flags are given, and the pid is one.
        if error.errno == EINVAL and pid > 0:
            return None
        raise


def unfit() -> str | None:
    """Why this kernel, or the sandbox around this process, will not do, in a sentence; None: it will."""
    lacking = [call for call, works in (("pidfd_open", _pidfds), ("openat2", _confines)) if not works()]
    if not lacking:
        return None
    here = f"{os.uname().sysname} {os.uname().release}"
    return f"{here}, or a sandbox around this process, has no {' and no '.join(lacking)}: lackey needs {_NEEDED}"


def _pidfds() -> bool:
    return _works(lambda: os.pidfd_open(os.getpid()))


def _confines() -> bool:
    root = open_root("/")
    try:
        return _works(lambda: open_beneath(root, ".", os.O_PATH | os.O_DIRECTORY))
    finally:
        os.close(root)


def _works(opening: Callable[[], int]) -> bool:
    try:
        os.close(opening())
    except OSError as error:
        return error.errno not in (ENOSYS, EPERM)
    return True
