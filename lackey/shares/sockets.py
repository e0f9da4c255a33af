"""The Unix sockets that readers listen at."""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from lackey.wake import short_path

_ASK_SECONDS = 3.0


def listen(path: Path, backlog: int) -> socket.socket:
    """Listen at `path`, in place of whatever is there; nobody finds the new socket before it listens."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with short_path(aside) as name:
        listener.bind(name)
    aside.chmod(0o660)  # the web service is in the same group
    listener.listen(backlog)
    aside.rename(path)
    return listener


class Hearing:
    """Asks whoever listens at `path` one question after the other, and tells for how long none was answered."""

    def __init__(self, path: Path, question: bytes) -> None:
        """Silence counts from now on."""
        self._path = path
        self._question = question
        self._out: socket.socket | None = None
        self._heard_at = self._asked_at = time.monotonic()

    def silent_seconds(self) -> float:
        """To be called again and again. Never waits."""
        now = time.monotonic()
        with suppress(BlockingIOError):
            try:
                if self._out is not None and self._out.recv(1):
                    self._heard_at = now
                self.close()
            except ConnectionError:
                self.close()
        if self._out is None and now - self._asked_at >= _ASK_SECONDS:
            self._asked_at = now
            self._ask()
        return now - self._heard_at

    def _ask(self) -> None:
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._out.setblocking(False)
        try:
            with short_path(self._path) as name:
                self._out.connect(name)
            self._out.send(self._question)
        except OSError:  # nobody there, or so many wait already that there is no place
            self.close()

    def close(self) -> None:
        """Ask no more."""
        if self._out is not None:
            self._out.close()
            self._out = None
