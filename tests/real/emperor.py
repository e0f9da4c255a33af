"""uWSGI's emperor over the shipped vassals, as root, with vassals that run as the service's user."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.real.deployed import SERVICE_GROUP, SERVICE_USER, WEB_GROUP, Host, environment, for_others
from tests.waiting import wait_until

WEB = "lackey"
SCHEDULER = "lackey-scheduler"
_DEADLINE_SECONDS = 60.0


@dataclass
class Emperor:
    """An emperor that runs."""

    host: Host
    process: "subprocess.Popen[bytes]"

    @property
    def said(self) -> str:
        """What it and its vassals have said so far."""
        return (self.host.log / "emperor.log").read_text(encoding="utf-8", errors="replace")

    def until_said(self, text: str, times: int = 1) -> None:
        """Wait until it has said this so many times."""
        try:
            wait_until(lambda: self.said.count(text) >= times or self._has_ended(), _DEADLINE_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{text!r} was not said {times} times: {self.said[-5000:]}") from error

    def _has_ended(self) -> bool:
        assert self.process.poll() is None, self.said
        return False

    def touch(self, vassal: str) -> None:
        """Reload a vassal as an admin does."""
        touch(self.host.project / f"deploy/uwsgi/{vassal}.xml")

    def chain_reload(self) -> None:
        """Have the workers replaced one after the other; returns when all are."""
        done = self.said.count("chain reloading complete")
        touch(self.host.run / f"{WEB}.reload")
        self.until_said("chain reloading complete", done + 1)

    def schedulers(self) -> list[psutil.Process]:
        """The schedulers of this host's, whoever started them."""
        found = (process for process in psutil.process_iter() if _is_scheduler(process, self.host.project))
        return sorted(found, key=lambda process: process.pid)

    def stop(self) -> None:
        """End it as a service manager does: uWSGI's looks, one a second, make that three seconds."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(_DEADLINE_SECONDS) == 0, self.said

    def kill(self) -> None:
        """End it and all that it has started, at once; those first who would start others again."""
        ruling = psutil.Process(self.process.pid)
        for process in (ruling, *ruling.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(_DEADLINE_SECONDS)


def _is_scheduler(process: psutil.Process, project: Path) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()[1:] == ["-m", "lackey", "scheduler"] and process.cwd() == str(project)
    return False


def listens(host: Host) -> bool:
    """Whether the web service would take a request."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(host.run / f"{WEB}.sock")) == 0


def touch(path: Path) -> None:
    """uWSGI looks at whole seconds only: each touch is one of another second."""
    if not path.exists():
        path.touch()
        return
    later = int(path.stat().st_mtime) + 1
    os.utime(path, (later, later))


def ship(host: Host, *vassals: str) -> None:
    """Put the vassals' files into the project."""
    web = {
        "<uid>lackey<": f"<uid>{SERVICE_USER}<",
        "<gid>lackey<": f"<gid>{SERVICE_GROUP}<",
        f"<chown-socket>lackey:{WEB_GROUP}<": f"<chown-socket>{SERVICE_USER}:{WEB_GROUP}<",
        " /run/lackey": f" {host.run}",
        ">/run/lackey": f">{host.run}",
    }
    scheduler = {"--reuid=lackey --regid=lackey": f"--reuid={SERVICE_USER} --regid={SERVICE_GROUP}"}
    for vassal in vassals:
        host.ship(f"deploy/uwsgi/{vassal}.xml", web if vassal == WEB else scheduler)


@contextmanager
def emperor(host: Host) -> Iterator[Emperor]:
    """The emperor, over the vassals that were shipped, whose socket is there; ended with the block."""
    uwsgi = str(Path(sys.prefix) / "bin/uwsgi")
    command = [uwsgi, "--emperor", f"{host.project}/deploy/uwsgi/*.xml", "--die-on-term", "--emperor-freq", "1"]
    with (host.log / "emperor.log").open("ab") as log:
        process = subprocess.Popen(
            for_others(command), cwd="/", env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    started = Emperor(host, process)
    try:
        if (host.project / f"deploy/uwsgi/{WEB}.xml").exists():
            wait_until(lambda: listens(host) or started._has_ended())
        yield started
    finally:
        if process.poll() is None:
            started.kill()
