"""A desk to try the command line at: a service of its own on a free port, and commands that find it."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

DEADLINE_SECONDS = 30.0
ROOT = Path(__file__).resolve().parent.parent.parent


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of the condition. Raises AssertionError when it stays false."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return value


def environment(**more: str) -> dict[str, str]:
    """Of a process that knows nothing but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LACKEY_", "BOTTLE_"))}
    # No colours and no terminal's width from whoever runs the tests.
    own = {"PYTHONPATH": str(ROOT), "TZ": "UTC", "COLUMNS": "200"}
    nowhere = dict.fromkeys(("XDG_STATE_HOME", "XDG_CONFIG_HOME"), "/dev/null/none")
    return kept | own | nowhere | more


def start(*arguments: str, cwd: Path, **more: str) -> "subprocess.Popen[str]":
    """Start the command line; its output is text."""
    return subprocess.Popen(
        [sys.executable, "-m", "lackey", *arguments],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    """A port on which nothing listens, below those that the kernel gives to clients: they would take it meanwhile."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Service:
    """`lackey serve` in a directory of its own; what it says goes into `serve.log` there."""

    directory: Path
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        return (self.directory / "var" / "admin.key").read_text().strip()

    @property
    def said(self) -> str:
        return (self.directory / "serve.log").read_text()

    @property
    def share(self) -> Path:
        return self.directory / "var" / "share"

    def is_ready(self, path: str = "/readyz") -> bool:
        """Whether it answers; fails when it has ended instead."""
        assert self.process.poll() is None, self.said
        try:
            return requests.get(self.url + path, timeout=5).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    def scheduler(self) -> psutil.Process:
        """The process of the scheduler beside it, once it is there."""

        def found() -> psutil.Process | None:
            for child in psutil.Process(self.process.pid).children():
                if child.cmdline()[1:] == ["-m", "lackey", "scheduler"]:
                    return child
            return None

        process: psutil.Process = wait_for(found, "the scheduler")
        return process

    def end(self) -> int:
        """End it as a service manager would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)

    def api(self, method: str, path: str, **details: Any) -> Any:
        """A request with the local key; its JSON."""
        answer = requests.request(
            method, self.url + path, headers={"Authorization": f"Bearer {self.key}"}, timeout=30, **details
        )
        assert answer.ok, answer.text
        return answer.json()

    def log(self, run_id: int) -> bytes:
        """A run's log by now."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return requests.get(f"{self.url}/api/run/{run_id}/log", headers=headers, timeout=30).content


@contextmanager
def serving(
    directory: Path,
    *options: str,
    port: int | None = None,
    ready: str = "/readyz",
    python: Path = Path(sys.executable),
    **more: str,
) -> Iterator[Service]:
    """A service, ready, and ended with the block."""
    port = port or free_port()
    with (directory / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [str(python), "-m", "lackey", "serve", "--port", str(port), *options],
            cwd=directory,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    service = Service(directory, port, process)
    try:
        wait_for(lambda: service.is_ready(ready), "the service")
        yield service
    finally:
        if process.poll() is None:
            service.end()
