"""Schedulers and guards that are followed by strace, and ended at a call of which their environment or run says which.

`python -m tests.faults.crashing` is the launcher of such guards.
"""

import ctypes
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from lackey.executors.local import launcher
from lackey.executors.local.executor import LocalExecutor
from lackey.executors.local.guard import guard
from lackey.executors.protocol import Launch
from tests import nursery
from tests.faults.tracing import attach


def schedule() -> int:
    """Be a scheduler whose loop is followed, from its first moment on; not its other threads, nor its children."""
    attach(Path(os.environ["TRACE"]), os.environ["CRASH"])
    with patch("lackey.scheduler.pauses.FIRST_SECONDS", 0.2):
        return nursery.schedule()


def schedule_with_crashing_guards() -> int:
    """Be a scheduler whose guards are followed, each on the first attempt at its run."""
    with patch("lackey.scheduler.main.LocalExecutor", _Executor):
        return nursery.schedule()


class _Executor(LocalExecutor):
    """The executor for this host, with a launcher that is not the real one in this one respect."""

    def _start_launcher(self, descriptor: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crashing", str(descriptor), str(self._tickets)],
            pass_fds=[descriptor],
            cwd=nursery.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )


def _be_subreaper(wanted: bool) -> None:
    ctypes.CDLL(None).prctl(36, int(wanted), 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _followed(launch: Launch, tickets: Path, say: Callable[[bytes], object]) -> bool:
    """Be followed from the first attempt at this run on, as its parameters say.

    A guard takes another one only in a series: what it has done once it does not do again, and calls are counted.
    """
    series = launch.parameters["series"]
    log = Path(launch.share_path).parent / f"trace-{launch.run_id}"
    if series != "next" and not log.exists():
        # Its orphans become a guard's own children, which strace must not.
        _be_subreaper(False)
        attach(log, launch.parameters["crash"])
        _be_subreaper(True)
        signal.sigtimedwait({signal.SIGCHLD}, 0)  # of what attached it
    return guard(launch, tickets, say) and bool(series)


if __name__ == "__main__":
    # How often a guard looks at its processes, and whether it says that they have begun, depends on how quick they are,
    # and its calls are counted.
    local = "lackey.executors.local"
    late = patch(f"{local}.usage.FIRST_LOOK_SECONDS", math.inf), patch(f"{local}.guard.BEGUN_SECONDS", math.inf)
    with patch(f"{local}.guard.guard", _followed), late[0], late[1]:
        launcher.main()
