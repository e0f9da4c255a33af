"""The guard: the last words of a run are not lost, and nothing runs that is not on record."""

import errno
import math
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs

import pytest

from lackey.accounts import Account, NoSuchAccount
from lackey.confined import open_root
from lackey.domain.receipt import parse_receipt
from lackey.executors.local import processes
from lackey.executors.local.command import prepare
from lackey.executors.local.directories import add_file, make_run_directories, refusal
from lackey.executors.local.guard import guard, settle_in, start, take
from lackey.executors.local.tickets import Mark, Owner
from lackey.executors.protocol import Launch, NotStarted, Running
from tests.executors.workbench import DEADLINE_SECONDS, Workbench, alive, local_executor, until
from tests.full_disk import fill
from tests.nursery import Process

WAIT_FOR_STOP = "while [ ! -e stop ]; do sleep 0.05; done; "


class Service:
    """A stand-in for the web service, which gives the answers it is told to and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers = [503]
        self.told: list[tuple[str, str, str]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                service.told.append((self.path, self.headers["Authorization"], body))
                self.send_response(service.answers[0] if len(service.answers) == 1 else service.answers.pop(0))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    stand_in = Service()
    thread = threading.Thread(target=stand_in.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield stand_in
    stand_in.server.shutdown()
    thread.join()
    stand_in.server.server_close()


class Disk:
    """A small file system that can be filled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        fill(self.path / "ballast")

    def free(self) -> None:
        (self.path / "ballast").unlink()


@pytest.fixture
def disk(data_dir: Path) -> Iterator[Disk]:
    data_dir.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "lackey-test", data_dir], check=True)
    yield Disk(data_dir)
    subprocess.run(["umount", "--lazy", data_dir], check=True)


def end_on_full_disk(disk: Disk, local: Workbench, service: Service, end: str) -> Launch:
    launch = local.draft(WAIT_FOR_STOP + end, url=service.url)
    local.start(launch)
    disk.fill()
    (local.application / "stop").write_text("")
    until(lambda: len(service.told) > 0)
    return launch


@pytest.mark.parametrize("refusing", [503, 401, 204, 409])
@pytest.mark.parametrize(("end", "code", "signal"), [("exit 3", 3, None), ("kill -KILL $$", None, 9)])
def test_an_outcome_that_the_disk_won_t_take_is_handed_in_at_the_service_and_kept_once_there_is_room(
    disk: Disk, local: Workbench, service: Service, refusing: int, end: str, code: int | None, signal: int | None
) -> None:
    service.answers = [refusing, 200]
    launch = end_on_full_disk(disk, local, service, end)
    until(lambda: len(service.told) == 2)
    disk.free()
    kept = local.finish(launch)
    assert (kept.exit_code, kept.signal) == (code, signal)
    assert len(service.told) == 2
    path, authorization, body = service.told[-1]
    assert (path, authorization) == ("/api/run/receipt/7", f"Bearer {launch.token}")
    receipt = parse_receipt(body)
    assert (receipt.exit_code, receipt.signal, receipt.ticket) == (code, signal, launch.ticket)
    assert receipt.run_directory == "heat/lackey-runs/7" and receipt.cpu_seconds


@pytest.mark.parametrize("accepting", [200, 409])
def test_a_service_of_the_version_before_is_told_as_by_the_simulation(
    disk: Disk, local: Workbench, service: Service, accepting: int
) -> None:
    service.answers = [404, accepting]
    launch = end_on_full_disk(disk, local, service, "kill -KILL $$")
    until(lambda: len(service.told) == 2)
    disk.free()
    assert local.finish(launch).signal == 9
    path, authorization, body = service.told[-1]
    assert (path, authorization) == ("/api/run/stop/7", f"Bearer {launch.token}")
    assert parse_qs(body)["exit"] == ["137"]


def test_where_its_mark_was_removed_the_service_alone_has_the_outcome(
    local: Workbench, service: Service, data_dir: Path
) -> None:
    service.answers = [200]
    launch = local.draft(WAIT_FOR_STOP + "exit 3", url=service.url)
    local.start(launch)
    owner = Mark(data_dir / "tickets", launch.ticket).owner()
    assert isinstance(owner, Owner)
    shutil.rmtree(data_dir / "tickets" / launch.ticket)
    (local.application / "stop").write_text("")
    until(lambda: launch.ticket in local.executor.news([launch.ticket]))
    assert [parse_receipt(body).exit_code for _, _, body in service.told] == [3]
    # It takes no other: as long as it lived, a mark without a receipt that names it would count as that of a run.
    until(lambda: not alive(owner.pid))


def test_an_outcome_that_nobody_takes_is_kept_until_the_disk_has_room(
    disk: Disk, local: Workbench, service: Service
) -> None:
    launch = end_on_full_disk(disk, local, service, "exit 3")
    until(lambda: len(service.told) > 1)
    assert isinstance(local.look(launch), Running)
    disk.free()
    assert local.finish(launch).exit_code == 3


def test_a_full_disk_lets_no_command_run_off_the_record(disk: Disk, local: Workbench) -> None:
    disk.fill()
    launch = local.draft("echo > ran")
    local.refuse(launch)
    assert not (local.application / "ran").exists()
    disk.free()
    assert local.executor.void(launch.ticket)


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/sh -u"], ids=["spawned", "forked"])
def test_a_command_whose_guard_dies_before_it_is_on_record_never_runs(local: Workbench, shell: str) -> None:
    launch = local.draft("echo > ran", shell=shell)
    directories = make_run_directories(launch, lambda _: False)
    waiting = prepare(launch, Account.of(None), directories, {})
    waiting.abandon()  # as the kernel does when the guard is killed
    os.waitpid(waiting.pid, 0)
    assert waiting.refusal() is None
    assert not (local.application / "ran").exists()
    os.close(directories.run)
    os.close(directories.log)


def test_a_command_that_can_t_be_put_on_record_never_runs(local: Workbench, tickets: Path) -> None:
    launch = local.draft("echo > ran")
    mark = Mark(tickets, launch.ticket)
    assert take(mark, launch)
    (mark.path / "owner").unlink()
    with pytest.raises(NotStarted) as refused:
        start(launch, mark)
    assert refused.value.share_away  # it is tried again
    os.wait()
    assert not (local.application / "ran").exists()


@pytest.mark.parametrize(
    ("shell", "call", "code"),
    [
        ("/bin/sh", "pipe", errno.EMFILE),
        ("/bin/sh", "pipe", errno.ENFILE),
        ("/bin/sh", "posix_spawn", errno.EAGAIN),
        ("/bin/sh -u", "fork", errno.EAGAIN),
    ],
)
def test_a_command_for_which_the_host_has_no_process_is_tried_again(
    local: Workbench, tickets: Path, monkeypatch: pytest.MonkeyPatch, shell: str, call: str, code: int
) -> None:
    launch = local.draft("echo > ran", shell=shell)
    mark = Mark(tickets, launch.ticket)
    assert take(mark, launch)
    with monkeypatch.context() as host, pytest.raises(NotStarted, match=os.strerror(code)) as refused:
        host.setattr(os, call, Mock(side_effect=OSError(code, os.strerror(code))))
        start(launch, mark)
    assert refused.value.share_away
    assert not (local.application / "lackey-runs/7/run.json").exists()


@pytest.fixture
def descriptors_run_out(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Of a guard that is forked here: so many times it can't look for its descendants, the host having none left."""

    def run_out(times: float) -> None:
        tried = 0

        def look(pid: int) -> list[processes.Seen]:
            nonlocal tried
            tried += 1
            if tried <= times:
                raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))
            return processes.tree(pid)

        monkeypatch.setattr("lackey.executors.local.ending.tree", look)
        # It gives up after that; three tries are to come before, however busy the machine is.
        monkeypatch.setattr("lackey.executors.local.guard.SPARE_SECONDS", 1.0 if times == math.inf else 30.0)

    return run_out


def fork_guard(launch: Launch, tickets: Path) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            settle_in()
            guard(launch, tickets, lambda _: None)
        finally:
            os._exit(0)
    return pid


@pytest.mark.parametrize("times", [3, math.inf])
def test_the_outcome_is_told_though_what_is_left_can_not_be_looked_for_and_it_is_ended_once_it_can(
    local: Workbench, tickets: Path, descriptors_run_out: Callable[[float], None], times: float
) -> None:
    descriptors_run_out(times)
    launch = local.draft("sleep 60 & echo $! > left; exit 3", kill_grace=0.2)
    os.waitpid(fork_guard(launch, tickets), 0)
    left = Process(int((local.application / "left").read_text()))
    assert left.ended(1.0 if times == math.inf else DEADLINE_SECONDS) == (times != math.inf)
    left.kill()
    receipt = Mark(tickets, launch.ticket).receipt()
    assert receipt is not None
    assert (receipt.exit_code, receipt.left_behind) == (3, 1)


def test_a_command_is_ended_though_its_descendants_can_not_be_looked_for(
    local: Workbench, tickets: Path, descriptors_run_out: Callable[[float], None]
) -> None:
    descriptors_run_out(math.inf)
    launch = local.draft("sleep 60", kill_grace=30.0)
    pid, mark = fork_guard(launch, tickets), Mark(tickets, launch.ticket)
    until(lambda: local.commanded(launch) is not None)
    mark.order_kill("cancelled")
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    receipt = mark.receipt()
    assert receipt is not None
    assert (receipt.signal, receipt.killed) == (signal.SIGTERM, "cancelled")


def test_nothing_is_written_over_what_was_planted(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("theirs")
    (tmp_path / "run.json").symlink_to(tmp_path / "elsewhere")
    directory = open_root(str(tmp_path))
    for name in ("log.txt", "run.json"):
        with pytest.raises(FileExistsError):
            add_file(directory, name, "ours")
    os.close(directory)
    assert (tmp_path / "log.txt").read_text() == "theirs"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "code",
    [errno.EHOSTDOWN, errno.ESTALE, errno.ENOTCONN, errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EAGAIN],
)
def test_an_error_of_the_network_or_of_a_full_disk_means_that_the_share_is_away(code: int) -> None:
    refused = refusal("the directory 'heat'", OSError(code, "…"))
    assert refused.share_away
    assert "'heat'" in refused.reason and os.strerror(code) in refused.reason


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_host_that_is_out_of_something_is_no_fault_of_the_run(code: int) -> None:
    refused = refusal("the directory 'heat'", OSError(code, "…"))
    assert refused.share_away
    assert refused.reason.startswith("this host is out of ")


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EACCES, errno.EXDEV, errno.ENAMETOOLONG])
def test_any_other_error_means_that_waiting_won_t_help(code: int) -> None:
    refused = refusal("the directory 'heat'", OSError(code, "…"))
    assert not refused.share_away
    assert refused.reason.startswith("the directory 'heat' ")


@pytest.fixture
def nobody(data_dir: Path) -> Iterator[Workbench]:
    """An executor, and a share that belongs to another user."""
    place = Path(tempfile.mkdtemp(prefix="lackey-test-"))
    place.chmod(0o755)
    share = place / "share"
    (share / "heat").mkdir(parents=True)
    shutil.chown(share / "heat", "nobody")
    groups = os.getgroups()
    os.setgroups([0, 4])  # as those of a scheduler that was started by a person
    executor = local_executor(data_dir)
    bench = Workbench(executor, share)
    yield bench
    bench.tidy()
    executor.close()
    os.setgroups(groups)
    shutil.rmtree(place)


def test_a_command_runs_as_the_user_it_should_with_no_way_back(nobody: Workbench) -> None:
    receipt = nobody.run('id -un; id -Gn; echo "$USER $HOME"; grep -E "^(Uid|CapPrm)" /proc/self/status', user="nobody")
    entry = pwd.getpwnam("nobody")
    name, groups, home, uids, capabilities = nobody.log(receipt).splitlines()
    assert (name, groups, home) == ("nobody", "nogroup", f"nobody {entry.pw_dir}")
    assert uids.split()[1:] == [str(entry.pw_uid)] * 4
    assert int(capabilities.split()[1], 16) == 0


def test_all_that_is_made_on_the_share_belongs_to_that_user(nobody: Workbench) -> None:
    nobody.run("true", user="nobody")
    runs = nobody.application / "lackey-runs"
    until(lambda: (runs / "7" / "receipt.json").exists())
    made = [runs, *runs.rglob("*")]
    assert len(made) == 6
    assert {path.owner() for path in made} == {"nobody"}


def test_a_directory_that_is_closed_to_that_user_is_a_reason(nobody: Workbench) -> None:
    shutil.chown(nobody.application, "root")
    nobody.application.chmod(0o700)
    receipt = nobody.run("echo > ran", user="nobody")
    assert (receipt.result, receipt.share_away) == ("not_started", False)
    assert receipt.reason and "is closed to the user" in receipt.reason
    assert os.listdir(nobody.application) == []


def test_a_run_of_another_user_is_ended_too(nobody: Workbench) -> None:
    launch = nobody.draft("setsid sleep 60 & sleep 60", user="nobody")
    nobody.start(launch)
    nobody.executor.kill(launch.ticket, "cancelled", 5)
    assert nobody.finish(launch).killed == "cancelled"


def test_a_user_that_does_not_exist_is_a_reason(nobody: Workbench) -> None:
    receipt = nobody.run(user="no-such-user")
    assert receipt.reason and "no user 'no-such-user'" in receipt.reason


def test_another_user_than_one_s_own_needs_capabilities_and_is_never_root() -> None:
    uid = os.geteuid()
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        with pytest.raises(NoSuchAccount, match="without CAP_SETUID and CAP_SETGID"):
            Account.of("daemon")
        with pytest.raises(NoSuchAccount, match="becomes root"):
            Account.of("root")
        assert not Account.of("nobody").other
    finally:
        os.seteuid(uid)


@pytest.mark.parametrize("field", ["directory", "user", "share_path"])
def test_what_no_system_call_takes_is_refused_before_anything_is_started(nobody: Workbench, field: str) -> None:
    given: dict[str, Any] = {"command": "true", field: "a\0b"}
    with pytest.raises(NotStarted, match=field):
        nobody.run(**given)


def test_a_command_that_no_system_call_takes_is_a_reason_and_starts_nothing(nobody: Workbench) -> None:
    receipt = nobody.run("true \0")
    assert receipt.result == "not_started" and receipt.reason


def test_the_launched_side_too_refuses_a_share_whose_path_is_not_absolute(local: Workbench, tickets: Path) -> None:
    launch = local.draft("echo > ran", share_path="")
    mark = Mark(tickets, launch.ticket)
    with pytest.raises(NotStarted, match="share_path"):
        start(launch, mark)
