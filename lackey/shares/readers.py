"""Keeps one reader process per share alive."""

import logging
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lackey.restarts import Restarts
from lackey.shares.sockets import Hearing

log = logging.getLogger(__name__)

_PACKAGE_PARENT = Path(__file__).resolve().parents[2]
# Python starts in a tenth of that, and a reader answers at once, but a host may be busy.
DEAF_SECONDS = 10.0
# Whoever looks at what a process does (strace) stops it for moments.
_STOPPED_SECONDS = 1.0
_STOP_SECONDS = 1.0


class Readers:
    """The readers of `shares` (name → path here, and whether that must be a mount point); their sockets in `directory`.

    They end with this process, however it ends. None of this ever waits for a share.
    """

    def __init__(self, shares: Mapping[str, tuple[str, bool]], directory: Path, user: str | None = None) -> None:
        """`user`: as whom they look at the shares, which takes `privileges.LOOKING`; None: as this process."""
        self._directory = directory.absolute()
        options = ["--user", user] if user is not None else []
        self._readers = [
            _Reader(name, _command(name, path, must_be_mounted, self._socket(name), options), self._socket(name))
            for name, (path, must_be_mounted) in shares.items()
        ]

    def _socket(self, name: str) -> Path:
        return self._directory / f"{name}.sock"

    def start(self) -> None:
        """Start all of them. Raises OSError where their sockets can't be."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self.tend()

    def tend(self) -> None:
        """Replace those that have ended, are stopped, or answer nobody; to be called again and again."""
        for reader in self._readers:
            try:
                reader.tend()
            except Exception as error:
                reader.failed(f"can't be looked after: {error}")

    def stop(self) -> None:
        """End all of them; one that hangs in the kernel with its share is left to end when the share is back."""
        deadline = time.monotonic() + _STOP_SECONDS
        for reader in self._readers:
            reader.kill()
        for reader in self._readers:
            reader.wait(max(0.0, deadline - time.monotonic()))


def _command(name: str, path: str, must_be_mounted: bool, socket: Path, options: list[str]) -> list[str]:
    flags = [*options, *(["--must-be-mounted"] if must_be_mounted else [])]
    # -P: what lies in the working directory is not to be imported. -S: nor is what is installed; it needs none of that.
    return [
        sys.executable,
        "-P",
        "-S",
        "-m",
        "lackey.shares",
        *flags,
        "--",
        name,
        str(Path(path).absolute()),
        str(socket),
    ]


class _Reader:
    """One share's reader, as its parent sees it."""

    def __init__(self, name: str, command: list[str], socket: Path) -> None:
        self.name = name
        self._command = command
        self._socket = socket
        self._again = Restarts()
        self._process: subprocess.Popen[bytes] | None = None
        self._hearing: Hearing | None = None
        self._stopped_since: float | None = None
        # One that was ended, and hangs in the kernel with its share.
        self._left: subprocess.Popen[bytes] | None = None

    def failed(self, why: str) -> None:
        """Another is started, after a pause; why is told once."""
        if self._again.failed(why):
            log.warning("share %s: its reader %s; starting another", self.name, why)

    def _start(self) -> None:
        self._again.began()
        self._stopped_since = None
        self._process = subprocess.Popen(
            self._command,
            # Its end is how the reader learns of ours.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env={"PYTHONPATH": str(_PACKAGE_PARENT)},
            # Ctrl-C in a terminal is for its whole process group; a reader ends when its parent says so.
            start_new_session=True,
        )
        self._hearing = Hearing(self._socket, b'{"op": "health"}\n')

    def tend(self) -> None:
        if self._left is not None and self._left.poll() is not None:
            self._left = None
        if self._process is not None and self._process.poll() is not None:
            self._drop("has ended")
        if self._process is None:
            if not self._again.wait_seconds:
                self._start()
        elif self._left is None and (trouble := self._trouble(self._process)):
            self._process.kill()
            self._left = self._process
            self._drop(trouble)
            self._start()
        elif self._again.recovered():
            log.info("share %s: its reader is at work again", self.name)

    def _drop(self, why: str) -> None:
        self._close()
        self._process = None
        self.failed(why)

    def _trouble(self, process: "subprocess.Popen[bytes]") -> str | None:
        """What keeps it from answering although it lives; how its share is, it would say even while that hangs."""
        assert self._hearing is not None
        if self._hearing.silent_seconds() > DEAF_SECONDS:
            return f"has answered nobody at {self._socket} for {DEAF_SECONDS:g} s"
        if not _is_stopped(process.pid):
            self._stopped_since = None
        elif self._stopped_since is None:
            self._stopped_since = time.monotonic()
        elif time.monotonic() - self._stopped_since > _STOPPED_SECONDS:
            return "was stopped"
        return None

    def kill(self) -> None:
        # At once: a reader holds nothing that it would have to put in order, and one that is stopped hears no SIGTERM.
        if self._process is not None:
            self._process.kill()

    def wait(self, seconds: float) -> None:
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self._close()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        if self._hearing is not None:
            self._hearing.close()


def _is_stopped(pid: int) -> bool:
    """By a signal or a tracer (proc(5)). The child is there until it is waited for."""
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return stat[stat.rindex(b")") + 2 :][:1] in (b"T", b"t")
