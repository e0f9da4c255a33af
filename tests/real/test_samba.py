"""A share on a real file server, mounted: desks and runs work on it together, and its outages cost nothing but time."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from lackey.domain.run import RunState
from lackey.services.runs import listing
from lackey.services.runs.queries import Search
from tests.cli.desk import Service, serving
from tests.nursery import the_nursery
from tests.real.samba import RUN_AS, SHIPPED, FileServer, file_server, mounted
from tests.stage import Stage, alive, until

MODEL = b"""#!/bin/sh
echo commencement
while [ ! -e go ]; do sleep 0.02; done
echo $(($(cat input.txt) * LACKEY_PARAM_N)) | tee result.txt
"""
NOTE = "echo $LACKEY_RUN_ID >> ran; "
WINDOWS_SCRIPT = b"#!/bin/sh\r\nfor n in 1 2; do\r\n  echo $n\r\ndone\r\n"


@dataclass
class Group:
    """A group's file server, its desks, and an installation on whose host the server's share `lab` is mounted."""

    server: FileServer
    stage: Stage
    service: Service

    def add(self, name: str, command: str, share: str = "lab", **changes: object) -> str:
        """An application; `released` in its command waits, without a look at any share, until it is released."""
        command = command.replace("released", f"while [ ! -e {self._gate(name)} ]; do sleep 0.02; done")
        application = self.stage.add(name, command, share, **changes)
        if share == "attic":
            shutil.chown(self.stage.place / share / name, RUN_AS)
        return application

    def release(self, name: str) -> None:
        """Let the application's runs go on."""
        self._gate(name).touch()

    def _gate(self, name: str) -> Path:
        return self.stage.place / f"released-{name}"

    def on_server(self, *parts: str) -> Path:
        """A file of the share as it lies on the file server, which nothing can keep from being read."""
        return self.server.files.joinpath(*parts)

    def until_begun(self, name: str) -> int:
        """A run of the application, whose command runs and has made the file `begun`; its id."""
        run_id = self.stage.schedule(f"lab/{name}")
        until(self.on_server(name, "begun").exists, f"the begin of {name}")
        self.stage.until_running(run_id)
        return run_id

    def until_held(self, run_id: int) -> None:
        """Wait until the run says that it waits for its share."""
        until(lambda: (self.stage.get(run_id).reason or "").startswith("waits for share lab: "), "why it waits")

    def until_noticed(self) -> int:
        """A run that says that it waits for its share, which is away; its id. Its launch is likely to be under way."""
        run_id = self.stage.schedule("lab/notices")
        self.until_held(run_id)
        return run_id

    def readers_of_lab(self) -> list[int]:
        """The processes that read the share for this installation's schedulers."""
        ours = str(self.stage.data_dir / "readers" / "lab.sock")
        return [one.pid for one in psutil.process_iter(["cmdline"]) if ours in (one.info["cmdline"] or [])]

    def break_down(self, how: str) -> None:
        """The file server `hangs` or `crashes`."""
        (self.server.hang if how == "hangs" else self.server.kill)()

    def bring_back(self) -> None:
        """The file server serves, whatever it did before."""
        if self.server.runs:
            self.server.resume()
        else:
            self.server.start()

    def ran(self, name: str) -> list[int]:
        """The ids of the runs whose command has run, once for each time; it is one that begins with `NOTE`."""
        return sorted(map(int, self.on_server(name, "ran").read_text().split()))


@pytest.fixture(scope="module")
def everything() -> Iterator[Group]:
    """One for all tests here, without a scheduler."""
    place = Path(tempfile.mkdtemp(prefix="lackey-test-"))
    place.chmod(0o755)
    try:
        with file_server() as server, mounted(server) as mountpoint:
            (place / "lab").symlink_to(mountpoint)
            stage = Stage(the_nursery(), place, lab_is_mounted=True, user=RUN_AS)
            with serving(place, "--no-scheduler", ready="/healthz") as service:
                group = Group(server, stage, service)
                group.add("notices", "true")
                yield group
            group.bring_back()
            stage.close()
    finally:
        shutil.rmtree(place)


@pytest.fixture
def idle(everything: Group) -> Iterator[Group]:
    """The same, without a scheduler yet. In the end the file server serves, and no scheduler runs."""
    yield everything
    everything.bring_back()
    everything.stage.stop_schedulers()


@pytest.fixture
def group(idle: Group) -> Group:
    """The same, with a scheduler at work."""
    idle.stage.start_scheduler()
    return idle


def test_samba_takes_the_share_definition_that_lackey_ships(tmp_path: Path) -> None:
    configuration = tmp_path / "smb.conf"
    configuration.write_text(f"[global]\ninclude = {SHIPPED / 'smb-lab.conf'}\n")
    done = subprocess.run(["testparm", "-s", configuration], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # It says what it does not know, and goes on.
    assert "nknown parameter" not in done.stderr and "gnoring" not in done.stderr, done.stderr
    assert "[lab]" in done.stdout and "server min protocol = SMB3" in done.stdout


def test_systemd_makes_mount_units_of_the_shipped_line_and_takes_their_drop_in(tmp_path: Path) -> None:
    generator = "/usr/lib/systemd/system-generators/systemd-fstab-generator"
    environment = {"SYSTEMD_FSTAB": str(SHIPPED / "fstab"), "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    subprocess.run([generator, tmp_path, tmp_path, tmp_path], env=environment, check=True)
    drop_ins = tmp_path / "srv-lab.mount.d"
    drop_ins.mkdir()
    shutil.copy(SHIPPED / "keep-trying.conf", drop_ins)
    verify = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "srv-lab.automount")]
    done = subprocess.run(verify, env=environment, capture_output=True, text=True)
    # It says what it does not know, and goes on.
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_desk_saves_on_the_share_is_run_there_and_watched_from_the_desk(group: Group) -> None:
    desk = group.server
    desk.desk("mkdir heat")
    desk.put("heat/input.txt", b"21\n")
    desk.put("heat/model", MODEL)
    parameters = [{"name": "n", "default": "2", "kind": None, "choices": None}]
    run_id = group.stage.schedule(group.add("heat", "./model", parameters=parameters), parameters={"n": "2"})
    directory = f"heat/lackey-runs/{run_id}"
    until(group.on_server(directory, "log.txt").exists, "the log")
    until(lambda: desk.get(f"{directory}/log.txt") == b"commencement\n", "its first line")
    assert group.stage.get(run_id).state is RunState.RUNNING
    desk.put("heat/go", b"")
    assert group.stage.until_ended(run_id).state is RunState.SUCCEEDED
    assert desk.get("heat/result.txt") == b"42\n"
    assert desk.get(f"{directory}/log.txt") == b"commencement\n42\n"
    assert desk.get(f"{directory}/parameters.json") == b'{\n "n": "2"\n}\n'
    until(group.on_server(directory, "receipt.json").exists, "the receipt")
    # What one has written, the other may change and clear away.
    desk.put("heat/result.txt", b"edited\n")
    assert (group.stage.place / "lab/heat/result.txt").read_text() == "edited\n"
    desk.desk(f'deltree "{directory}"')
    assert not group.on_server(directory).exists()


@pytest.mark.parametrize(
    ("command", "reason", "said"),
    [
        ("./model", "was not found (exit code 127)", b"./model: not found"),
        ("sh model", "ended with exit code 2", b"model: 2: Syntax error"),
    ],
    ids=["by_its_name", "by_the_shell"],
)
def test_a_script_with_windows_line_ends_fails_and_says_where(
    group: Group, command: str, reason: str, said: bytes
) -> None:
    name = "windows-" + command.partition(" ")[0].strip("./")
    application = group.add(name, command)
    group.server.put(f"{name}/model", WINDOWS_SCRIPT)
    run = group.stage.until_ended(group.stage.schedule(application))
    assert run.state is RunState.FAILED
    assert run.reason and reason in run.reason
    assert said in group.server.get(f"{run.run_directory}/log.txt")


def test_no_program_may_hold_back_what_it_writes_into_a_log(everything: Group) -> None:
    for name, may in (("log.txt", False), ("result.txt", True)):
        everything.server.put(name, b"")
        assert everything.server.grants_caching(name) is may, name


@pytest.mark.parametrize("how", ["hangs", "crashes"])
def test_a_file_server_that_is_away_stops_nothing_but_the_runs_on_its_share(group: Group, how: str) -> None:
    name = f"waits-{how}"
    group.add(name, NOTE)
    group.add(f"ends-{how}", "echo commencement; touch begun; released; exit 3")
    group.add(f"goes-on-{how}", NOTE + "touch begun; released; echo afterwards")
    elsewhere = group.add(f"elsewhere-{how}", "true", "attic")
    ends, goes_on = group.until_begun(f"ends-{how}"), group.until_begun(f"goes-on-{how}")

    group.break_down(how)
    held = [group.stage.schedule(f"lab/{name}") for _ in range(3)]
    for run_id in held:
        group.until_held(run_id)
    assert group.stage.until_ended(group.stage.schedule(elsewhere)).state is RunState.SUCCEEDED
    group.release(f"ends-{how}")
    ended = group.stage.until_ended(ends)
    assert (ended.state, ended.exit_code, ended.log_kept) == (RunState.FAILED, 3, False)
    _assert_served(group, goes_on, elsewhere)
    assert [group.stage.get(run_id).state for run_id in held] == [RunState.QUEUED] * 3

    group.bring_back()
    assert [group.stage.until_ended(run_id).state for run_id in held] == [RunState.SUCCEEDED] * 3
    assert group.ran(name) == held
    until(lambda: group.stage.get(ends).log_kept, "its log")
    found = listing.page(group.stage.database, Search(words="commencement"), None, 10).runs
    assert ends in [run.id for run in found]
    group.release(f"goes-on-{how}")
    assert group.stage.until_ended(goes_on).state is RunState.SUCCEEDED
    assert group.ran(f"goes-on-{how}") == [goes_on]
    assert group.service.log(goes_on) == b"afterwards\n"


def _assert_served(group: Group, run_id: int, application: str) -> None:
    """The service answers, and what it can't read on the share it says it has not."""
    key = {"Authorization": f"Bearer {group.service.key}"}
    for path in ("/healthz", "/readyz", "/api/run", "/api/run/active", f"/api/run/{run_id}", f"/api/run/{run_id}/log"):
        answer = requests.get(group.service.url + path, headers=key, timeout=30)
        assert answer.status_code == 200, answer.text
    assert answer.headers["X-Log-Complete"] == "false"
    made = group.service.api("POST", "/api/run", json={"application": application})
    assert group.stage.until_ended(made["id"]).state is RunState.SUCCEEDED


def until_under_way(stage: Stage, application: str) -> int:
    """A run of which a guard has taken the ticket, which is about to look at the share or has given up; its id."""
    run_id = stage.schedule(application)
    until(lambda: _taken(stage, run_id) or any("not started" in text for text in stage.history(run_id)), "its launch")
    return run_id


def _taken(stage: Stage, run_id: int) -> bool:
    ticket = stage.get(run_id).ticket
    return ticket is not None and (stage.data_dir / "tickets" / ticket / "owner").exists()


@pytest.mark.parametrize("how", ["hangs", "crashes"])
def test_a_run_whose_launch_meets_a_file_server_that_is_away_starts_once_when_it_is_back(idle: Group, how: str) -> None:
    application = idle.add(f"under-way-{how}", NOTE)
    idle.stage.start_scheduler("tests.scheduler.test_shares:schedule")
    idle.break_down(how)
    run_ids = [until_under_way(idle.stage, application) for _ in range(2)]
    idle.stage.cancel(run_ids[1])
    idle.bring_back()
    assert idle.stage.until_ended(run_ids[0]).state is RunState.SUCCEEDED
    assert idle.stage.until_ended(run_ids[1]).state is RunState.CANCELLED
    # The cancelled one may have begun before it was told to end.
    assert idle.ran(f"under-way-{how}") in (run_ids[:1], run_ids)


@pytest.mark.parametrize("how", ["hangs", "crashes"])
def test_runs_cancelled_or_out_of_time_while_the_file_server_is_away_end_as_such(group: Group, how: str) -> None:
    waits = "touch begun; while :; do [ -e go ]; sleep 0.02; done"
    group.add(f"cancelled-{how}", waits)
    group.add(f"overdue-{how}", waits, time_limit=3.0)
    held = group.add(f"held-{how}", NOTE)
    cancelled, overdue = group.until_begun(f"cancelled-{how}"), group.until_begun(f"overdue-{how}")
    group.break_down(how)
    guards = [group.stage.owner(group.stage.get(run_id)) for run_id in (cancelled, overdue)]
    under_way = group.until_noticed()
    never = group.stage.schedule(held)
    for run_id in (cancelled, never, under_way):
        group.stage.cancel(run_id)
    assert group.stage.until_ended(never).state is RunState.CANCELLED
    until((group.stage.data_dir / "tickets" / guards[1].ticket / "kill").exists, "the time limit")
    group.bring_back()
    for run_id in (cancelled, under_way):
        assert group.stage.until_ended(run_id).state is RunState.CANCELLED
    assert group.stage.until_ended(overdue).state is RunState.TIMED_OUT
    assert not group.on_server(f"held-{how}", "ran").exists()
    for guard in guards:
        assert guard.command is not None and not alive(guard.command.command_pid)


@pytest.mark.parametrize("how", ["hangs", "crashes"])
def test_a_scheduler_killed_while_the_file_server_is_away_is_followed_by_one_that_takes_all_up(
    group: Group, how: str
) -> None:
    group.add(f"adopted-{how}", NOTE + "touch begun; released")
    waits = group.add(f"after-{how}", NOTE)
    elsewhere = group.add(f"beside-{how}", "true", "attic")
    adopted = group.until_begun(f"adopted-{how}")
    group.break_down(how)
    waiting = [group.stage.schedule(waits) for _ in range(2)]
    group.until_noticed()
    waiting.append(group.stage.schedule(waits))
    group.stage.schedulers.pop().kill()
    group.stage.start_scheduler()
    assert group.stage.until_ended(group.stage.schedule(elsewhere)).state is RunState.SUCCEEDED
    assert group.stage.get(adopted).state is RunState.RUNNING
    group.bring_back()
    assert [group.stage.until_ended(run_id).state for run_id in waiting] == [RunState.SUCCEEDED] * 3
    group.release(f"adopted-{how}")
    assert group.stage.until_ended(adopted).state is RunState.SUCCEEDED
    assert (group.ran(f"adopted-{how}"), group.ran(f"after-{how}")) == ([adopted], waiting)
    until(lambda: len(group.readers_of_lab()) == 1, "the end of the first scheduler's reader, which had hung")
