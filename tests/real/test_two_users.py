"""Simulations as one user, service and scheduler as another, who is not root: as the units in deploy/systemd have it.

Here the service's user is `daemon` and the simulations' is `nobody`, whom every host has.
"""

import grp
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from configparser import RawConfigParser
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from lackey import wake
from tests.cli.desk import DEADLINE_SECONDS, environment, free_port
from tests.real.other_user import ROOT, as_user
from tests.waiting import wait_until

SERVICE, SIMULATIONS = "daemon", "nobody"
GROUP = grp.getgrgid(pwd.getpwnam(SERVICE).pw_gid).gr_name
# What the scheduler's unit says, and what everybody has who is not told otherwise.
UNIT_UMASK, USUAL_UMASK = 0o007, 0o022
# How a scheduler may be started: as its unit does; by root, who is then to give that up.
UNIT = RawConfigParser(strict=False)
UNIT.read(ROOT / "deploy/systemd/lackey-scheduler.service")
AMBIENT = ",".join("+" + name.removeprefix("CAP_").lower() for name in UNIT["Service"]["AmbientCapabilities"].split())
WAYS = {
    "as its unit does": (SERVICE, [f"--inh-caps={AMBIENT}", f"--ambient-caps={AMBIENT}"]),
    "by root": ("root", []),
}

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

    def start_scheduler(self, way: str) -> "subprocess.Popen[bytes]":
        user, rights = WAYS[way]
        return self.start(user, UNIT_UMASK, "scheduler", rights=rights)

    def start(
        self, user: str, umask: int, *arguments: str, stdout: Any = None, rights: Sequence[str] = ()
    ) -> "subprocess.Popen[bytes]":
        """lackey's command line, as `user`; what it says goes into `lackey.log`."""
        with (self.place / "lackey.log").open("ab") as log:
            process = subprocess.Popen(
                [*as_user(user, GROUP), *rights, sys.executable, "-P", "-m", "lackey", *arguments],
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
def host(place: Path) -> Iterator[Host]:
    """A host with database and key, where nothing runs yet."""
    host = Host(place)
    try:
        host.found()
        yield host
    finally:
        host.end()


def status(pid: int) -> dict[str, str]:
    """What /proc says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def of_the_service(process: psutil.Process) -> bool:
    """Whether it is the service's user's, and by all of its ids."""
    return {process.uids().real, process.uids().effective, process.uids().saved} == {pwd.getpwnam(SERVICE).pw_uid}


@pytest.mark.parametrize("way", WAYS)
def test_simulations_are_another_users_and_a_restart_of_the_scheduler_harms_no_run(host: Host, way: str) -> None:
    scheduler = host.start_scheduler(way)
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
    host.start_scheduler(way)
    host.api("POST", f"/api/run/cancel/{endless}")
    assert host.until(endless, lambda run: run["ended_at"] is not None)["state"] == "cancelled"
    assert command.is_running() and host.run(waiting)["state"] == "running"

    (host.place / "lab/heat/go").touch()
    ended = host.until(waiting, lambda run: run["ended_at"] is not None)
    assert (ended["state"], ended["exit_code"], ended["outcome_source"]) == ("failed", 3, "observed")
    assert "Traceback" not in host.said


@pytest.mark.parametrize("way", WAYS)
def test_no_process_is_root_and_no_command_has_any_right_of_roots_or_a_way_to_who_serves_others(
    host: Host, way: str
) -> None:
    scheduler = host.start_scheduler(way)
    host.start(SERVICE, USUAL_UMASK, "serve", "--no-scheduler", "--port", str(host.port))
    wait_until(lambda: "lackey serves" in host.said)
    host.api("POST", "/api/project", {"name": "heat", "share": "lab", "directory": ""})
    shown = host.schedule("cat /proc/self/status; sleep 600")
    handle = int(host.until(shown, lambda run: run["handle"] is not None)["handle"])
    wait_until(lambda: "voluntary" in host.api("GET", f"/api/run/{shown}/log"))
    simulations = pwd.getpwnam(SIMULATIONS)
    for said in (status(handle), fields(host.api("GET", f"/api/run/{shown}/log"))):
        assert said["Uid"].split() == [str(simulations.pw_uid)] * 4
        assert said["Gid"].split() == [str(simulations.pw_gid)] * 4
        assert set(said["Groups"].split()) == {str(simulations.pw_gid)}
        assert {int(said[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")} == {0}
    ours = [scheduler.pid, *(each.pid for each in psutil.Process(scheduler.pid).children(recursive=True))]
    serving = [each for each in map(psutil.Process, {*ours, psutil.Process(handle).ppid()}) if each.pid != handle]
    serving = [each for each in serving if each.username() != SIMULATIONS or of_the_service(each)]
    assert len(serving) >= 4 and all(of_the_service(each) for each in serving), serving  # with launcher, guard, reader
    launching = int("e0", 16)
    assert all(int(status(each.pid)["CapPrm"], 16) in (0, launching) for each in serving)
    attacks = " ".join(f"kill -STOP {each.pid}; kill {each.pid}; cat /proc/{each.pid}/environ;" for each in serving)
    attacking = host.schedule(f"{attacks} cat {host.place}/var/lackey.sqlite3; exit 5")
    ended = host.until(attacking, lambda run: run["ended_at"] is not None)
    assert (ended["state"], ended["exit_code"]) == ("failed", 5)
    said = host.api("GET", f"/api/run/{attacking}/log")
    assert said.lower().count("not permitted") + said.count("denied") == 3 * len(serving) + 1, said
    host.api("POST", f"/api/run/cancel/{shown}")
    assert host.until(shown, lambda run: run["ended_at"] is not None)["state"] == "cancelled"
    copy = host.place / f"lab/heat/lackey-runs/{shown}/receipt.json"
    wait_until(copy.exists)  # by a process that nobody waits for
    assert copy.owner() == SIMULATIONS


def fields(log: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in log.splitlines())}


def snapshot(place: Path) -> dict[str, Any]:
    """All that a change to what lies there would change."""
    found = {}
    for path in sorted([place, *place.rglob("*")]):
        seen = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns, seen.st_ctime_ns, content)
    return found


FILES = ("series", "scheduler.lock", "wake.sock", "readers.lock", "lackey.sqlite3-scheduler", "lackey.sqlite3-writer")
DIRECTORIES = ("tickets", "readers")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("led_to", "planted"),
    [("file", FILES), ("not-there", (*FILES, *DIRECTORIES)), ("directory", DIRECTORIES)],
)
def test_links_that_the_service_plants_in_its_data_directory_change_nothing_of_roots(
    host: Host, way: str, led_to: str, planted: Sequence[str]
) -> None:
    precious = host.place / "precious"
    (precious / "directory").mkdir(parents=True)
    (precious / "file").write_text("root's")
    before = snapshot(precious)
    for name in planted:
        remove(host.place / "var" / name)
        (host.place / "var" / name).symlink_to(precious / led_to)
        scheduler = host.start_scheduler(way)
        at_work = ("claims runs", "trying again")
        wait_until(lambda: scheduler.poll() is not None or any(word in host.said for word in at_work))  # noqa: B023
        scheduler.terminate()
        scheduler.wait(DEADLINE_SECONDS)
        assert snapshot(precious) == before, name
        remove(host.place / "var" / name)
        (host.place / "lackey.log").write_text("")


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def test_where_everybody_may_write_a_scheduler_of_roots_does_nothing_and_says_why(host: Host) -> None:
    shutil.chown(host.place / "var", "root", "root")
    (host.place / "var").chmod(0o1777)
    assert host.start("root", UNIT_UMASK, "scheduler").wait(DEADLINE_SECONDS) == 1
    assert f"others than root can write in {host.place}/var" in host.said


def test_without_the_capabilities_a_scheduler_says_what_it_lacks(host: Host) -> None:
    assert host.start(SERVICE, UNIT_UMASK, "scheduler").wait(DEADLINE_SECONDS) == 1
    assert "without CAP_SETUID and CAP_SETGID nobody can act as 'nobody'" in host.said
    given = "--inh-caps=+setuid,+setgid", "--ambient-caps=+setuid,+setgid"
    assert host.start(SERVICE, UNIT_UMASK, "scheduler", rights=given).wait(DEADLINE_SECONDS) == 1
    assert "without CAP_KILL" in host.said


def test_a_wake_of_the_services_user_reaches_a_socket_that_root_made(place: Path) -> None:
    make_data_dir(place)
    with wake.listen(place / "var") as listener:
        sending = f"from pathlib import Path; from lackey import wake; wake.send(Path({str(place / 'var')!r}))"
        subprocess.run([*as_user(SERVICE, GROUP), sys.executable, "-P", "-c", sending], env=environment(), check=True)
        assert listener.recv(16) == b""
