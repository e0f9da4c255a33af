"""A process that has loaded all that a scheduler needs and forks schedulers: to start Python for each takes seconds.

`python -m tests.nursery` reads a birth on each line of standard input and answers each with a pid.
"""

import atexit
import functools
import importlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

from lackey.kernel import open_pidfd

ROOT = Path(__file__).resolve().parent.parent
# Of a machine that is very busy; less than what tests have sleep for a minute.
DEADLINE_SECONDS = 50.0


class Process:
    """One that was born in the nursery. It is nobody's child here, and known by its pidfd."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = open_pidfd(pid)

    def send(self, signum: signal.Signals) -> None:
        """Signal it, if it has not ended."""
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signum)

    def ended(self, within_seconds: float = 0.0) -> bool:
        """Whether it has ended, or does so in time."""
        if self._pidfd is not None:
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            if not poll.poll(within_seconds * 1000):
                return False
            os.close(self._pidfd)
            self._pidfd = None
        return True

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.send(signal.SIGKILL)
        assert self.ended(DEADLINE_SECONDS)

    def stop(self) -> None:
        """End it as a service's stop does."""
        self.send(signal.SIGTERM)
        assert self.ended(DEADLINE_SECONDS), "it did not end on SIGTERM"


class Nursery:
    """The process and its other end. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self._close)

    def _close(self) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def start(self, call: str, environment: Mapping[str, str], log: Path) -> Process:
        """A new process, which calls `module:function` with `environment` added to its own, and writes to `log`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        birth = {"call": call, "environment": dict(environment), "log": str(log)}
        with self._lock:
            self._process.stdin.write(json.dumps(birth) + "\n")
            self._process.stdin.flush()
            return Process(int(self._process.stdout.readline()))


@functools.cache
def the_nursery() -> Nursery:
    """The one of this process, which ends with it."""
    return Nursery()


def schedule() -> int:
    """Be a scheduler that looks again sooner than others do, and is as they are otherwise."""
    from lackey.scheduler import run
    from lackey.settings import load

    hasty = {"main.SECOND_LOOK_SECONDS": 0.5, "shares_watch.EVERY_SECONDS": 0.1}
    with ExitStack() as patched:
        for name, seconds in hasty.items():
            patched.enter_context(patch(f"lackey.scheduler.{name}", seconds))
        return run(load())


def _live(birth: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open(birth["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(birth["environment"])
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(message)s", force=True)
        module, function = birth["call"].split(":")
        code = getattr(importlib.import_module(module), function)()
    except Exception:
        logging.exception("ended")
    finally:
        os._exit(code)


def main() -> None:
    """Fork until standard input ends. Those who were born live on."""
    importlib.import_module("lackey.scheduler")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        birth = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _live(birth)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
