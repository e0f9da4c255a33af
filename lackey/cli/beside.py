"""A program that runs beside `lackey serve`: started again when it ends or can't be started, ended with it."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from lackey.restarts import STEADY_SECONDS, Restarts

log = logging.getLogger(__name__)

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
        again = Restarts()
        while not self._ending.is_set():
            again.began()
            why = self._until_it_ends(again)
            if self._ending.is_set():
                return
            if again.failed(why):
                log.error("the scheduler %s; it is started again, until it stays at work", why)
            self._ending.wait(again.wait_seconds)

    def _until_it_ends(self, again: Restarts) -> str:
        """Start it, and wait for its end; what became of it. Raises nothing: this thread has to try again."""
        try:
            # A process group of its own: Ctrl-C is for this process, which then ends the scheduler.
            child = self._child = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, process_group=0
            )
        except Exception as error:
            return f"can't be started: {error}"
        if self._ending.is_set():
            child.terminate()
        try:
            child.wait(STEADY_SECONDS)
        except subprocess.TimeoutExpired:
            if again.recovered():
                log.info("the scheduler is at work again")
        return f"has ended with exit code {child.wait()}"
