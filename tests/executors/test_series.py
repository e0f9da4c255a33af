"""A guard that sees one run through after the other: nothing of the one before is in the next."""

import os
import signal
from pathlib import Path
from unittest.mock import patch

from lackey.executors.local.tickets import Mark, Owner
from lackey.executors.protocol import Absent, Ended, Gone, Launch, Running
from tests.executors.workbench import Workbench, alive, until

WAIT_FOR_STOP = "while [ ! -e stop ]; do sleep 0.05; done; "


def owner_of(tickets: Path, launch: Launch) -> Owner:
    owner = Mark(tickets, launch.ticket).owner()
    assert isinstance(owner, Owner)
    return owner


def see_through(local: Workbench, launch: Launch) -> None:
    """Launch it, and wait until its guard can take another: that comes after the copy of its receipt."""
    local.hand_over(launch)
    receipt = local.finish(launch)
    copy = local.share / (receipt.run_directory or "") / "receipt.json"
    until(lambda: copy.exists() and copy.read_text().endswith("\n"))
    guard = owner_of(local.share.parent / "var" / "tickets", launch).pid
    until(lambda: len(os.listdir(f"/proc/{guard}/fd")) == 4)  # it has let go of all that it had opened


SEEN = """
env | grep -v '^LACKEY_RUN_DIR\\|^_=' | sort; pwd; umask; ulimit -a
grep -E '^(Sig[^Q]|Cap|Groups|Uid)' /proc/self/status
ls /proc/self/fd; cat /proc/self/oom_score_adj; readlink /proc/self/fd/0
"""
MESS = """
umask 077; ulimit -n 64; ulimit -c 0; trap '' HUP TERM USR1; export SECRET=first; exec 7> held; cd /; exit 3
"""


def test_a_run_sees_nothing_of_the_one_that_its_guard_had_before(local: Workbench, tickets: Path) -> None:
    alone = local.log(local.run(SEEN, run_id=1, token="of-the-second"))
    local.executor.close()
    mess = local.draft(
        MESS, run_id=2, token="of-the-first", environment={"SECRET": "first"}, parameters={"n": "1"}, workdir="run"
    )
    see_through(local, mess)
    second = local.draft(SEEN, run_id=1, run_uid="another", token="of-the-second")
    local.hand_over(second)
    after = local.log(local.finish(second))
    assert owner_of(tickets, second).pid == owner_of(tickets, mess).pid, "they had the same guard"
    assert after == alone
    assert "of-the-second" in after


def test_what_a_run_took_has_nothing_of_the_one_before(local: Workbench, tickets: Path) -> None:
    burn = "python3 -c 'x = bytearray(150 << 20)\nimport time\nwhile time.process_time() < 0.6: pass'; exit 4"
    first, second = local.draft(burn, run_id=1), local.draft("sleep 0.2; exit 5", run_id=2)
    see_through(local, first)
    see_through(local, second)
    assert owner_of(tickets, second).pid == owner_of(tickets, first).pid
    took = [look.receipt for look in map(local.look, (first, second)) if isinstance(look, Ended)]
    assert [one.exit_code for one in took] == [4, 5]
    assert (took[0].cpu_seconds or 0) >= 0.6 and (took[0].max_rss_bytes or 0) >= 150 << 20
    assert took[1].cpu_seconds is not None and took[1].cpu_seconds < 0.2
    assert took[1].max_rss_bytes is not None and took[1].max_rss_bytes < 16 << 20


def test_a_kill_that_comes_too_late_for_a_run_does_not_end_the_next(local: Workbench, tickets: Path) -> None:
    first, second = local.draft("exit 1", run_id=1), local.draft(WAIT_FOR_STOP + "exit 6", run_id=2)
    see_through(local, first)
    local.start(second)
    guard = owner_of(tickets, second).pid
    assert guard == owner_of(tickets, first).pid
    local.executor.kill(first.ticket, "cancelled", 0)
    assert not (tickets / first.ticket / "kill").exists()
    os.kill(guard, signal.SIGTERM)  # as of a scheduler that had looked before
    (local.application / "stop").touch()
    receipt = local.finish(second)
    assert (receipt.exit_code, receipt.killed) == (6, None)


def test_a_guard_that_is_killed_takes_the_run_with_it_that_it_is_at_and_no_other(
    local: Workbench, tickets: Path
) -> None:
    first, second = local.draft("exit 1", run_id=1), local.draft(WAIT_FOR_STOP, run_id=2)
    see_through(local, first)
    pid = local.start(second)
    guard = owner_of(tickets, second).pid
    assert guard == owner_of(tickets, first).pid
    os.kill(guard, signal.SIGKILL)
    until(lambda: not alive(guard))
    until(lambda: local.executor.news([second.ticket]) == {second.ticket})
    assert isinstance(local.look(second), Running), "its command lives on"
    os.kill(pid, signal.SIGKILL)
    until(lambda: local.look(second) == Gone(None))
    assert isinstance(local.look(first), Ended)
    assert local.run("exit 3", run_id=3).exit_code == 3


def test_a_launch_for_a_guard_that_has_just_been_killed_goes_to_another(local: Workbench, tickets: Path) -> None:
    first, second = local.draft("exit 1", run_id=1), local.draft("exit 2", run_id=2)
    see_through(local, first)
    guard = owner_of(tickets, first).pid
    os.kill(guard, signal.SIGKILL)
    until(lambda: not alive(guard))
    local.hand_over(second)
    assert local.finish(second).exit_code == 2


def test_a_guard_that_is_killed_before_it_has_read_its_next_launch_leaves_that_to_be_voided(
    local: Workbench, tickets: Path
) -> None:
    first, second = local.draft("exit 1", run_id=1), local.draft("echo > ran", run_id=2)
    see_through(local, first)
    guard = owner_of(tickets, first).pid
    os.kill(guard, signal.SIGSTOP)
    local.hand_over(second)
    os.kill(guard, signal.SIGKILL)
    until(lambda: local.executor.news([second.ticket]) == {second.ticket})
    assert local.look(second) == Absent()
    assert local.executor.void(second.ticket)
    assert not (local.application / "ran").exists()


def test_guards_end_with_their_scheduler_and_when_they_have_nothing_to_do(local: Workbench, tickets: Path) -> None:
    first = local.draft("exit 1", run_id=1)
    see_through(local, first)
    guard = owner_of(tickets, first).pid
    with patch("lackey.executors.local.guards._SPARE_SECONDS", 0.0):
        until(lambda: local.executor.news([]) == set() and not alive(guard))
    second = local.draft("exit 1", run_id=2)
    see_through(local, second)
    local.executor.close()
    until(lambda: not alive(owner_of(tickets, second).pid))
