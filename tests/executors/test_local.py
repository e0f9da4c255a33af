"""The executor for this host: what holds when parts of it are killed, and of whose processes it takes care."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from lackey.executors.protocol import Absent, Ended, Gone, Launch, Running
from tests.executors.workbench import DEADLINE_SECONDS, Workbench, alive, local_executor, until

STUBBORN = "trap '' TERM; echo $$ > stubborn; while :; do sleep 0.1; done"


def guard_of(tickets: Path, launch: Launch) -> int:
    first = (tickets / launch.ticket / "owner").read_text().splitlines()[0]
    return int(json.loads(first)["pid"])


def kill_guard(tickets: Path, launch: Launch) -> None:
    pid = guard_of(tickets, launch)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))


def test_a_guard_is_a_session_of_its_own_and_holds_nothing_of_the_scheduler(
    local: Workbench, tickets: Path, tmp_path: Path
) -> None:
    launch = local.draft("sleep 60")
    with open(tmp_path / "secret", "w") as secret:
        os.set_inheritable(secret.fileno(), True)
        local.start(launch)
        guard = guard_of(tickets, launch)

        def held() -> list[str]:
            found = []
            for number in os.listdir(f"/proc/{guard}/fd"):
                with suppress(FileNotFoundError):
                    found.append(os.readlink(f"/proc/{guard}/fd/{number}").split(":")[0])
            return sorted(path for path in found if path != "pipe")

        assert os.getsid(guard) == guard
        run = local.application / "lackey-runs" / "7"
        until(lambda: held() == [*["/dev/null"] * 3, str(run), str(run / "log.txt"), "socket"])


def test_the_launcher_has_nothing_of_the_service(
    local: Workbench, tickets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACKEY_DATABASE__URL", "postgresql://secret")
    launch = local.draft("sleep 60")
    local.start(launch)
    launcher = psutil.Process(guard_of(tickets, launch)).parent()
    assert launcher is not None
    assert set(launcher.environ()) <= {"PATH", "LANG", "LC_CTYPE", "TZ", "PYTHONPATH"}
    assert os.getsid(launcher.pid) == launcher.pid
    loaded = Path(f"/proc/{launcher.pid}/maps").read_text()
    assert "sqlalchemy" not in loaded


def test_a_command_outlives_its_guard_and_is_seen_until_it_ends(local: Workbench, tickets: Path) -> None:
    launch = local.draft("while [ ! -e stop ]; do sleep 0.05; done")
    pid = local.start(launch)
    kill_guard(tickets, launch)
    assert local.executor.news([launch.ticket]) == {launch.ticket}
    look = local.look(launch)
    assert isinstance(look, Running) and look.pid == pid
    assert local.executor.news([launch.ticket]) == set(), "it is watched in its guard's place"
    (local.application / "stop").write_text("")
    until(lambda: launch.ticket in local.executor.news([launch.ticket]))
    assert local.look(launch) == Gone(None)


def test_a_command_without_a_guard_is_told_to_end_and_then_killed(local: Workbench, tickets: Path) -> None:
    launch = local.draft(
        "trap 'echo > told' TERM; sh -c \"$C\" & while :; do sleep 0.1; done", environment={"C": STUBBORN}
    )
    pid = local.start(launch)
    child = int(local.told("stubborn").read_text())
    kill_guard(tickets, launch)
    local.executor.kill(launch.ticket, "timed_out", 0)
    local.told("told")
    assert alive(pid)
    local.executor.kill(launch.ticket, "timed_out", 0)
    until(lambda: not alive(pid) and not alive(child))
    assert local.look(launch) == Gone("timed_out")


def test_without_a_guard_a_kill_reaches_orphans_too(local: Workbench, tickets: Path) -> None:
    launch = local.draft("sh -c 'sleep 60 & echo $! > orphan'; sleep 60")
    pid = local.start(launch)
    orphan = int(local.told("orphan").read_text())
    kill_guard(tickets, launch)
    local.executor.kill(launch.ticket, "cancelled", 3600)
    until(lambda: not alive(pid) and not alive(orphan))


def test_a_kill_within_the_grace_time_does_not_kill_a_command_without_a_guard(local: Workbench, tickets: Path) -> None:
    launch = local.draft("trap 'echo >> told' TERM; echo > ready; while :; do sleep 0.05; done")
    pid = local.start(launch)
    local.told("ready")
    kill_guard(tickets, launch)
    for _ in range(3):
        local.executor.kill(launch.ticket, "cancelled", 3600)
    local.told("told")
    assert alive(pid)


def test_a_kill_where_nothing_lives_leaves_no_trace(local: Workbench, tickets: Path) -> None:
    launch = local.draft("sleep 60")
    pid = local.start(launch)
    kill_guard(tickets, launch)
    os.kill(pid, signal.SIGKILL)
    until(lambda: local.look(launch) == Gone(None))
    local.executor.kill(launch.ticket, "cancelled", 0)
    assert local.look(launch) == Gone(None)
    never = local.draft()
    local.executor.kill(never.ticket, "cancelled", 0)
    assert local.look(never) == Absent()


def test_a_signal_without_a_reason_on_record_ends_no_guard(local: Workbench, tickets: Path) -> None:
    launch = local.draft("while [ ! -e stop ]; do sleep 0.05; done; exit 6")
    local.start(launch)
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        os.kill(guard_of(tickets, launch), signum)
    (local.application / "stop").write_text("")
    receipt = local.finish(launch)
    assert (receipt.exit_code, receipt.killed) == (6, None)


def test_runs_do_not_notice_the_death_of_the_launcher(local: Workbench, tickets: Path) -> None:
    launch = local.draft("while [ ! -e stop ]; do sleep 0.05; done; exit 6")
    local.start(launch)
    launcher = psutil.Process(guard_of(tickets, launch)).ppid()
    os.kill(launcher, signal.SIGKILL)
    until(lambda: not alive(launcher))
    assert local.run("exit 2", run_id=8).exit_code == 2
    (local.application / "stop").write_text("")
    assert local.finish(launch).exit_code == 6


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/false"])
def test_a_launcher_that_does_not_work_is_an_error_and_its_ticket_can_be_voided(
    local: Workbench, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    launch = local.draft()
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", python)
        with pytest.raises(OSError):
            local.hand_over(launch)
    assert local.executor.void(launch.ticket)
    assert local.run("exit 2").exit_code == 2


def test_runs_outlive_the_scheduler_and_another_one_finds_them(local: Workbench, tickets: Path) -> None:
    launch = local.draft("while [ ! -e stop ]; do sleep 0.05; done; exit 6")
    program = """if True:
        import os, sys
        from pathlib import Path
        from lackey.executors.protocol import Launch
        from tests.executors.workbench import local_executor
        local_executor(Path(sys.argv[1])).launch(Launch(**eval(sys.stdin.read())))
        os.kill(os.getpid(), 9)
    """
    dead = subprocess.run(
        [sys.executable, "-c", program, tickets.parent], input=str(vars(launch)), text=True, check=False
    )
    assert dead.returncode == -signal.SIGKILL
    until(lambda: local.commanded(launch) is not None)
    until(lambda: psutil.Process(guard_of(tickets, launch)).ppid() == 1)  # the launcher ended with its scheduler
    (local.application / "stop").write_text("")
    assert local.finish(launch).exit_code == 6


def test_launches_at_once_are_all_carried_out(local: Workbench) -> None:
    drafts = [local.draft(f"exit {number}", run_id=number) for number in range(12)]
    for draft in drafts:
        local.hand_over(draft)
    assert [local.finish(draft).exit_code for draft in drafts] == list(range(12))


def test_a_closed_executor_can_be_used_again(local: Workbench) -> None:
    assert local.run("exit 1").exit_code == 1
    local.executor.close()
    local.executor.close()
    assert local.run("exit 2", run_id=8).exit_code == 2


def test_an_attempt_that_came_to_nothing_is_not_taken_for_a_run(local: Workbench) -> None:
    first = local.draft(parameters={"n": "a\0b"})
    local.hand_over(first)
    assert local.finish(first).result == "not_started"
    assert (local.application / "lackey-runs" / "7").is_dir()
    receipt = local.run("exit 3", run_uid=first.run_uid)
    assert receipt.exit_code == 3


@pytest.fixture
def doorbell(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket whose path is longer than any address of a socket."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    descriptor = os.open(folder, os.O_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.settimeout(DEADLINE_SECONDS)
        bell.bind(f"/proc/self/fd/{descriptor}/wake")
        yield bell, str(folder / "wake")
    os.close(descriptor)


def test_the_scheduler_is_told_of_the_start_and_of_the_end(local: Workbench) -> None:
    launch = local.draft("while [ ! -e stop ]; do sleep 0.05; done")
    local.hand_over(launch)
    select.select([local.executor], [], [], DEADLINE_SECONDS)
    assert local.executor.news([launch.ticket]) == {launch.ticket}
    assert local.commanded(launch) is not None
    assert local.executor.news([launch.ticket]) == set(), "that is told once"
    (local.application / "stop").write_text("")
    select.select([local.executor], [], [], DEADLINE_SECONDS)
    assert isinstance(local.look(launch), Ended)


def test_a_scheduler_that_comes_later_is_woken_at_the_end(
    local: Workbench, doorbell: tuple[socket.socket, str]
) -> None:
    bell, path = doorbell
    launch = local.draft("while [ ! -e stop ]; do sleep 0.05; done", wake_path=path)
    local.start(launch)
    local.executor.close()
    (local.application / "stop").write_text("")
    bell.recv(1)
    assert isinstance(local.look(launch), Ended)


def test_a_second_executor_on_the_same_directory_sees_the_same(local: Workbench, data_dir: Path) -> None:
    launch = local.draft("exit 3")
    local.hand_over(launch)
    local.finish(launch)
    other = local_executor(data_dir)
    assert other.observe([launch.ticket]) == {launch.ticket: local.look(launch)}
    other.close()
