"""The scheduler as root, simulations as one user, the service as another: as the units in deploy/systemd may have it.

Here the service's user is `daemon` and the simulations' is `nobody`, whom every host has.
"""

import grp
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from lackey import wake
from tests.cli.desk import DEADLINE_SECONDS, environment, free_port
from tests.real.other_user import as_user
from tests.waiting import wait_until

SERVICE, SIMULATIONS = "daemon", "nobody"
GROUP = grp.getgrgid(pwd.getpwnam(SERVICE).pw_gid).gr_name
# What the scheduler's unit says, and what everybody has who is not told otherwise.
UNIT_UMASK, USUAL_UMASK = 0o007, 0o022

CONFIGURATION = """
[server]
data_dir = "var"
url = "http://127.0.0.1:{port}"
[[share]]
name = "lab"
path = "lab"
[executor.local]
user = "{simulations}"
kill_grace = 0.5
"""


def make_data_dir(place: Path) -> None:
    """The service's own, in which what anybody makes is its group's."""
    (place / "var").mkdir()
    shutil.chown(place / "var", SERVICE, GROUP)
    (place / "var").chmod(0o2770)


@dataclass
class Host:
    """A host in `place`, with what runs on it."""

    place: Path
    port: int = field(default_factory=free_port)
    key: str = ""
    started: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def found(self) -> None:
        """As an admin does; the key is made as root, which some will do."""
        (self.place / "lackey.toml").write_text(CONFIGURATION.format(port=self.port, simulations=SIMULATIONS))
        make_data_dir(self.place)
        (self.place / "lab/heat").mkdir(parents=True)
        shutil.chown(self.place / "lab/heat", SIMULATIONS)
        assert self.start(SERVICE, USUAL_UMASK, "db", "upgrade").wait(DEADLINE_SECONDS) == 0
        made = self.start("root", USUAL_UMASK, "key", "create", "anna", "--scope", "manage", stdout=subprocess.PIPE)
        self.key = made.communicate(timeout=DEADLINE_SECONDS)[0].decode().strip()

    def start(self, user: str, umask: int, *arguments: str, stdout: Any = None) -> "subprocess.Popen[bytes]":
        """lackey's command line, as `user`; what it says goes into `lackey.log`."""
        with (self.place / "lackey.log").open("ab") as log:
            process = subprocess.Popen(
                [*as_user(user, GROUP), sys.executable, "-P", "-m", "lackey", *arguments],
                cwd=self.place,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=stdout or log,
                stderr=log,
                umask=umask,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def schedule(self, command: str) -> int:
        """A run of a new application; its id."""
        name = f"heat {len(self.api('GET', '/api/application')['items'])}"
        given = {"project": "heat", "name": name, "directory": "heat", "command": command}
        made = self.api("POST", "/api/application", given)
        run: int = self.api("POST", "/api/run", {"application": made["id"]})["id"]
        return run

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """A request with the key; its JSON, or text."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = requests.request(method, f"http://127.0.0.1:{self.port}{path}", json=body, headers=headers, timeout=30)
        assert answer.ok, f"{answer.text}\n{self.said}"
        return answer.json() if "json" in answer.headers["Content-Type"] else answer.text

    def run(self, run_id: int) -> dict[str, Any]:
        run: dict[str, Any] = self.api("GET", f"/api/run/{run_id}")
        return run

    def until(self, run_id: int, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The run, once the condition holds."""
        wait_until(lambda: condition(self.run(run_id)))
        return self.run(run_id)

    @property
    def said(self) -> str:
        return (self.place / "lackey.log").read_text()

    def end(self) -> None:
        """End what runs, simulations too."""
        for process in self.started:
            process.kill()
            process.wait()
        for left in psutil.process_iter():
            with suppress(psutil.Error):
                if left.cwd().startswith(str(self.place)):
                    left.kill()


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory that other users may enter, which pytest's own are closed to."""
    place = Path(tempfile.mkdtemp(prefix="lackey-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def host(place: Path) -> Iterator[Host]:
    """A host with database and key, where nothing runs yet."""
    host = Host(place)
    try:
        host.found()
        yield host
    finally:
        host.end()


def test_scheduler_service_and_simulations_are_three_users_and_a_restart_of_the_scheduler_harms_no_run(
    host: Host,
) -> None:
    scheduler = host.start("root", UNIT_UMASK, "scheduler")
    host.start(SERVICE, USUAL_UMASK, "serve", "--no-scheduler", "--port", str(host.port))
    wait_until(lambda: "lackey serves" in host.said)
    host.api("POST", "/api/project", {"name": "heat", "share": "lab", "directory": ""})
    report = 'curl -fsS -X PUT -d "token=$LACKEY_TOKEN" -d'
    waiting = host.schedule(
        f"id -un; {report} fraction=0.5 $LACKEY_URL/api/run/progress/$LACKEY_RUN_ID >&2; "
        "until [ -e go ]; do sleep 0.05; done; exit 3"
    )
    endless = host.schedule("setsid sleep 600 & sleep 600")
    for run_id in (waiting, endless):
        host.until(run_id, lambda run: run["handle"] is not None)
    host.until(waiting, lambda run: (run["progress"] or {}).get("fraction") == 0.5)
    assert host.api("GET", f"/api/run/{waiting}/log").startswith(f"{SIMULATIONS}\n")

    # What a stop of the unit does: its main process gets SIGTERM, and no other.
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(DEADLINE_SECONDS) == 0
    command = psutil.Process(int(host.run(waiting)["handle"]))
    assert command.is_running() and command.username() == SIMULATIONS
    host.start("root", UNIT_UMASK, "scheduler")
    host.api("POST", f"/api/run/cancel/{endless}")
    assert host.until(endless, lambda run: run["ended_at"] is not None)["state"] == "cancelled"
    assert command.is_running() and host.run(waiting)["state"] == "running"

    (host.place / "lab/heat/go").touch()
    ended = host.until(waiting, lambda run: run["ended_at"] is not None)
    assert (ended["state"], ended["exit_code"], ended["outcome_source"]) == ("failed", 3, "observed")
    assert "Traceback" not in host.said


def test_a_wake_of_the_services_user_reaches_a_scheduler_that_is_root(place: Path) -> None:
    make_data_dir(place)
    with wake.listen(place / "var") as listener:
        sending = f"from pathlib import Path; from lackey import wake; wake.send(Path({str(place / 'var')!r}))"
        subprocess.run([*as_user(SERVICE, GROUP), sys.executable, "-P", "-c", sending], env=environment(), check=True)
        assert listener.recv(16) == b""
