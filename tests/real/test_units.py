"""systemd's units: it understands them, and what they say of uWSGI holds."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from configparser import RawConfigParser
from contextlib import suppress
from pathlib import Path

import pytest

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
VASSAL = "<uwsgi><strict/><master/><processes>0</processes><die-on-term/><pidfile>{place}/vassal.pid</pidfile></uwsgi>"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory in which the commands of the units are, as they are in /srv/lackey."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for command in ("lackey", "uwsgi"):
        (tmp_path / ".venv" / "bin" / command).symlink_to(Path(sys.executable).with_name(command))
    return tmp_path


def placed(unit: Path, project: Path) -> str:
    """What the unit says, with the project elsewhere."""
    text = unit.read_text()
    assert "ExecStart=/srv/lackey/.venv/bin/" in text
    return text.replace("/srv/lackey", str(project))


def test_systemd_understands_every_line_of_the_units(project: Path) -> None:
    assert [unit.stem for unit in UNITS] == ["lackey-reader", "lackey-scheduler", "lackey-uwsgi"]
    for unit in UNITS:
        (project / unit.name).write_text(placed(unit, project))
    units = [str(project / unit.name) for unit in UNITS]
    # It passes over what it does not know, with no more than a word.
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_emperor_tells_systemd_that_it_is_ready_and_ends_with_its_vassal(project: Path) -> None:
    unit = RawConfigParser(strict=False)
    unit.read_string(placed(ROOT / "deploy" / "systemd" / "lackey-uwsgi.service", project))
    assert unit["Service"]["Type"] == "notify"
    (project / "deploy" / "uwsgi").mkdir(parents=True)
    (project / "deploy" / "uwsgi" / "lackey.xml").write_text(VASSAL.format(place=project))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(project / "notify"))
        systemd.setblocking(False)
        emperor = subprocess.Popen(
            shlex.split(unit["Service"]["ExecStart"]),
            env={**os.environ, "NOTIFY_SOCKET": str(project / "notify")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(systemd, lambda said: "READY=1" in said)
            until(systemd, lambda _: (project / "vassal.pid").exists() and (project / "vassal.pid").read_text() != "")
            vassal = int((project / "vassal.pid").read_text())
            emperor.terminate()
            until(systemd, lambda _: emperor.poll() is not None)
        finally:
            emperor.kill()
    assert emperor.wait() == 0
    assert not Path(f"/proc/{vassal}").exists()


def until(systemd: socket.socket, condition: Callable[[list[str]], bool]) -> None:
    """Wait for a condition of what is said to systemd, which always listens: the emperor would wait for it."""
    said: list[str] = []

    def heard() -> bool:
        with suppress(BlockingIOError):
            while True:
                said.extend(systemd.recv(4096).decode().splitlines())
        return condition(said)

    wait_until(heard)
