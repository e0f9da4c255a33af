"""What is written down about a ticket: one owner, and no conclusions from what is damaged."""

import errno
import json
import os
import subprocess
import threading
import uuid
from pathlib import Path

import pytest

from lackey.executors.local.guard import take
from lackey.executors.local.processes import boot_id
from lackey.executors.local.tickets import Mark
from lackey.executors.protocol import Gone, Launch, Running, Unowned, Unreadable, Void
from tests.executors.workbench import Workbench


def forge(tickets: Path, launch: Launch, **changes: object) -> None:
    """Sign a mark as another guard would have."""
    mine = {"host": "h", "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "pid": 1, "ticks": 1}
    (tickets / launch.ticket).mkdir()
    owner = json.dumps({**launch.identity(), **mine, **changes}) + "\n"
    (tickets / launch.ticket / "owner").write_text(owner)


def test_a_guard_that_was_too_slow_finds_its_ticket_void(local: Workbench, tickets: Path) -> None:
    launch = local.draft()
    Mark(tickets, launch.ticket).make()
    assert local.look(launch) == Unowned()
    assert local.executor.void(launch.ticket)
    assert local.look(launch) == Void()
    assert not take(Mark(tickets, launch.ticket), launch)


def test_a_guard_that_was_fast_enough_keeps_its_ticket(local: Workbench, tickets: Path) -> None:
    launch = local.draft()
    assert take(Mark(tickets, launch.ticket), launch)
    assert not local.executor.void(launch.ticket)
    assert local.look(launch) == Running(str(os.getpid()), os.getpid())


def test_of_a_guard_and_a_scheduler_who_both_want_a_ticket_just_one_gets_it(local: Workbench, tickets: Path) -> None:
    for _ in range(50):
        launch = local.draft()
        won: list[str] = []
        barrier = threading.Barrier(3)

        def want(what: str, launch: Launch = launch, won: list[str] = won, at: threading.Barrier = barrier) -> None:
            at.wait()
            had = take(Mark(tickets, launch.ticket), launch) if what == "run" else local.executor.void(launch.ticket)
            won.extend([what] if had else [])

        threads = [threading.Thread(target=want, args=(what,)) for what in ("run", "void", "void")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won in (["run"], ["void", "void"])
        assert isinstance(local.look(launch), Running if won == ["run"] else Void)
        asides = [f"owner.{boot_id()}"] if won == ["run"] else []
        assert sorted(os.listdir(tickets / launch.ticket)) == ["owner", *asides]


def test_a_process_of_another_boot_is_gone(local: Workbench, tickets: Path) -> None:
    launch = local.draft()
    ticks = int(Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19])
    forge(tickets, launch, pid=os.getpid(), ticks=ticks, boot_id=str(uuid.uuid4()))
    with open(tickets / launch.ticket / "owner", "a") as owner:
        owner.write("\0" * 50 + "\n")  # what the file system may make of a line that was never flushed
    assert local.look(launch) == Gone(None)
    local.executor.kill(launch.ticket, "cancelled", 0)
    assert local.look(launch) == Gone(None)


def tear(tickets: Path, launch: Launch, held: str, boot: str) -> Mark:
    """Leave a mark as a host might that went down while a guard signed it."""
    mark = Mark(tickets, launch.ticket)
    mark.make()
    (mark.path / "owner").write_text(held)
    os.link(mark.path / "owner", mark.path / f"owner.{boot}")
    return mark


TORN = ["", "\0" * 300, '{"installation": "her']


@pytest.mark.parametrize("held", TORN)
def test_of_a_ticket_that_was_being_taken_when_the_host_went_down_nothing_lives_nor_ever_runs(
    local: Workbench, tickets: Path, held: str
) -> None:
    launch = local.draft()
    mark = tear(tickets, launch, held, str(uuid.uuid4()))
    assert local.look(launch) == Gone(None)
    assert not local.executor.void(launch.ticket), "it is not given back, so it is not tried again"
    local.executor.kill(launch.ticket, "cancelled", 0)
    assert local.executor.clear(launch.ticket, 0) == 0
    assert not take(Mark(tickets, launch.ticket), launch)
    assert not mark.is_over(), "packed, it could not be told from a damaged one"
    local.refuse(launch)
    assert local.look(launch) == Gone(None)


@pytest.mark.parametrize("held", TORN)
def test_of_an_owner_that_is_damaged_though_the_host_did_not_go_down_nothing_is_concluded(
    local: Workbench, tickets: Path, held: str
) -> None:
    launch = local.draft()
    mark = tear(tickets, launch, held, boot_id())
    assert isinstance(local.look(launch), Unreadable)
    (mark.path / f"owner.{boot_id()}").unlink()
    assert isinstance(local.look(launch), Unreadable)


def test_of_a_damaged_owner_with_a_receipt_nothing_is_concluded(local: Workbench, tickets: Path) -> None:
    launch = local.draft()
    mark = tear(tickets, launch, "", str(uuid.uuid4()))
    (mark.path / "receipt").write_text("{}")
    assert isinstance(local.look(launch), Unreadable)


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_ticket_that_is_not_on_disk_for_certain_is_not_taken(
    local: Workbench, tickets: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    launch, synced, fsync = local.draft(), 0, os.fsync

    def fail_once(descriptor: int) -> None:
        nonlocal synced
        synced += 1
        if synced == failing:
            raise OSError(errno.EIO, "the disk is broken")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_once)
    assert not take(Mark(tickets, launch.ticket), launch)
    assert local.look(launch) == Unowned()
    assert local.executor.void(launch.ticket)


def test_another_process_with_the_same_pid_is_neither_seen_nor_signalled(local: Workbench, tickets: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        launch = local.draft()
        forge(tickets, launch, pid=stranger.pid, ticks=1)
        command = {"command_pid": stranger.pid, "command_ticks": 1, "run_directory": "heat", "started_at": 1.0}
        with open(tickets / launch.ticket / "owner", "a") as owner:
            owner.write(json.dumps(command) + "\n")
        assert local.look(launch) == Gone(None)
        local.executor.kill(launch.ticket, "cancelled", 0)
        assert stranger.poll() is None
        stranger.kill()


def test_a_line_that_was_not_finished_is_not_counted(local: Workbench, tickets: Path) -> None:
    launch = local.draft()
    assert take(Mark(tickets, launch.ticket), launch)
    with open(tickets / launch.ticket / "owner", "a") as owner:
        owner.write('{"command_pid": 1')
    assert local.look(launch) == Running(str(os.getpid()), os.getpid())


@pytest.mark.parametrize("damage", ["", "{}\n", "[1]\n", "null\n", '{"void": false}\n', "\0" * 100, "\xff\n"])
def test_of_a_damaged_owner_nothing_is_concluded(local: Workbench, tickets: Path, damage: str) -> None:
    launch = local.draft()
    (tickets / launch.ticket).mkdir()
    (tickets / launch.ticket / "owner").write_text(damage, encoding="latin-1")
    assert isinstance(local.look(launch), Unreadable)
    for act in (lambda: local.executor.void(launch.ticket), lambda: local.executor.kill(launch.ticket, "cancelled", 0)):
        with pytest.raises(OSError):
            act()


@pytest.mark.parametrize("damage", ["", "{}", '{"exit_code": 0}', "\0" * 300])
def test_of_a_damaged_receipt_nothing_is_concluded(local: Workbench, tickets: Path, damage: str) -> None:
    launch = local.draft()
    local.hand_over(launch)
    local.finish(launch)
    (tickets / launch.ticket / "receipt").write_text(damage)
    assert isinstance(local.look(launch), Unreadable)


@pytest.mark.parametrize("field", ["ticket", "installation", "run_uid"])
def test_the_receipt_of_another_attempt_is_not_believed(local: Workbench, tickets: Path, field: str) -> None:
    launch = local.draft()
    local.hand_over(launch)
    local.finish(launch)
    path = tickets / launch.ticket / "receipt"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: "another"}))
    assert isinstance(local.look(launch), Unreadable)


def test_where_a_mark_is_no_directory_nothing_is_concluded(local: Workbench, tickets: Path) -> None:
    launch = local.draft()
    (tickets / launch.ticket).write_text("")
    assert isinstance(local.look(launch), Unreadable)
