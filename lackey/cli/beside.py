"""A program that runs beside `lackey serve`: started again when it ends, ended with it."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)

_RESTART_SECONDS = 1.0
_END_SECONDS = 15.0


class Beside:
    """The scheduler while the block lasts. However this process ends, the scheduler gets SIGTERM then (`bound`)."""

    def __init__(self, command: Sequence[str], url: str) -> None:
        """`url`: how simulations reach the service."""
        self._command = [sys.executable, "-m", "lackey.cli.bound", str(os.getpid()), *command]
        self._environment = os.environ | {"LACKEY_SERVER__URL": url}
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        # One thread for all of it, since the kernel takes the end of the thread that forked for the parent's.
        self._thread = threading.Thread(target=self._tend, name="scheduler", daemon=True)

    def __enter__(self) -> Self:
        """Start it."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it and wait for that; what it started lives on."""
        self._ending.set()
        if self._child is not None:
            self._child.terminate()
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive() and self._child is not None:
            log.warning("the scheduler does not end on request; it is killed")
            self._child.kill()
            self._thread.join()

    def _tend(self) -> None:
        while not self._ending.is_set():
            # A process group of its own: Ctrl-C is for this process, which then ends the scheduler.
            self._child = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, process_group=0
            )
            if self._ending.is_set():
                self._child.terminate()
            code = self._child.wait()
            if not self._ending.is_set():
                log.error("the scheduler has ended with exit code %d; it is started again", code)
                self._ending.wait(_RESTART_SECONDS)
