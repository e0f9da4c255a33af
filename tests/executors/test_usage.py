"""What a run took: CPU time of all its processes, and the memory that they held at once; nothing of its launcher's."""

import os
import re
import subprocess
import sys
from unittest.mock import Mock

import psutil
import pytest

from lackey.executors.local import processes, usage
from lackey.executors.protocol import Launch
from tests.executors.workbench import Workbench, until
from tests.nursery import Process

MEBIBYTE = 1 << 20
BURN = "import time\nwhile time.process_time() < {}: pass"
# Holds so many bytes until there is a file of that name.
HOLD = """
import os, sys, time
x = b'x' * ({} * 2**20)
open('held' + sys.argv[1], 'w').write('1\\n')
while not os.path.exists('go'):
    time.sleep(0.05)
"""


def python(local: Workbench, name: str, code: str) -> str:
    (local.application / name).write_text(code)
    return f"{sys.executable} -S -E {name}"


def looked_at(local: Workbench, launch: Launch) -> None:
    """Wait until the guard has looked at the processes a few times more: it reads of nothing else meanwhile."""

    command = local.commanded(launch)
    assert command is not None
    guard = psutil.Process(command.pid).ppid()
    before = psutil.Process(guard).io_counters().read_count
    # On a busy machine a look takes long, so the next one comes late.
    until(lambda: psutil.Process(guard).io_counters().read_count > before + 100, 3 * usage._LONGEST_PAUSE_SECONDS)


def test_the_time_of_every_process_counts_once_however_it_ended(local: Workbench) -> None:
    burn = python(local, "burn.py", BURN.format(0.3))
    last = python(local, "last.py", BURN.format(0.3) + "\nopen('burnt', 'w').write('1\\n')")
    # Waited for by a shell which is waited for; waited for by nobody but lackey; and its own.
    receipt = local.run(f"sh -c '{burn}; true'; (setsid {last} &); {burn}; while [ ! -s burnt ]; do sleep 0.05; done")
    assert receipt.cpu_seconds is not None
    assert 0.9 <= receipt.cpu_seconds < 1.6


def test_the_time_of_what_is_left_behind_and_of_what_is_killed_counts(local: Workbench) -> None:
    burn = python(local, "burn.py", BURN.format(0.5) + "\nopen('burnt', 'w').write('1\\n')\ntime.sleep(60)")
    receipt = local.run(f"{burn} & while [ ! -s burnt ]; do sleep 0.05; done")
    assert receipt.left_behind == 1
    assert receipt.cpu_seconds is not None and receipt.cpu_seconds >= 0.5
    (local.application / "burnt").unlink()
    launch = local.draft(f"{burn}; true", kill_grace=0.2)
    local.start(launch)
    local.told("burnt")
    local.executor.kill(launch.ticket, "cancelled", 0.2)
    cpu = local.finish(launch).cpu_seconds
    assert cpu is not None and cpu >= 0.5


def test_memory_is_that_of_all_processes_at_once(local: Workbench) -> None:
    hold = python(local, "hold.py", HOLD.format(60))
    launch = local.draft(f"{hold} 1 & {hold} 2 & {hold} 3 & wait")
    local.start(launch)
    for each in "123":
        local.told(f"held{each}")
    looked_at(local, launch)
    (local.application / "go").touch()
    receipt = local.finish(launch)
    assert receipt.max_rss_bytes is not None
    assert 180 * MEBIBYTE < receipt.max_rss_bytes < 225 * MEBIBYTE


def test_what_processes_share_counts_once(local: Workbench) -> None:
    share = HOLD.format(100).replace("open(", "os.fork(); os.fork()\nopen(", 1)
    hold = python(local, "hold.py", share)
    launch = local.draft(f"{hold} 1")
    local.start(launch)
    local.told("held1")
    looked_at(local, launch)
    (local.application / "go").touch()
    receipt = local.finish(launch)
    assert receipt.max_rss_bytes is not None
    assert 100 * MEBIBYTE < receipt.max_rss_bytes < 150 * MEBIBYTE


def test_nothing_of_the_launcher_s_own_is_in_it(local: Workbench) -> None:
    receipt = local.run("sleep 0.3; true")
    assert receipt.max_rss_bytes is not None and receipt.max_rss_bytes < 6 * MEBIBYTE
    assert receipt.cpu_seconds is not None and receipt.cpu_seconds < 0.1


def test_a_peak_between_two_looks_is_known_by_the_kernel(local: Workbench) -> None:
    peak = python(local, "peak.py", "import time; time.sleep(0.5); x = b'x' * (300 * 2**20)")
    receipt = local.run(peak)
    assert receipt.max_rss_bytes is not None and receipt.max_rss_bytes >= 300 * MEBIBYTE


def test_nothing_waits_for_a_process_that_waits_for_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """To read smaps_rollup takes the lock of its memory, which it may hold for as long as the share hangs."""
    read_whole = processes.read_whole

    def as_if_stuck(path: str) -> bytes:
        assert not path.endswith("smaps_rollup")
        return re.sub(rb"\) [RS] ", b") D ", read_whole(path)) if path.endswith("/stat") else read_whole(path)

    with subprocess.Popen(["sleep", "60"]) as sleep:
        until(lambda: processes.tree(os.getpid())[0].rss_bytes > 0)
        monkeypatch.setattr(processes, "read_whole", as_if_stuck)
        monkeypatch.setattr(usage, "read_whole", as_if_stuck)
        taken = usage.Usage(Mock(is_copy=lambda: False))
        try:
            taken.look()
        finally:
            sleep.kill()
        assert taken.max_rss_bytes is not None


def test_what_is_shared_by_a_fork_between_two_readings_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent was read while it had its pages for itself; then it forked, and its child was read."""
    read_whole = processes.read_whole
    parts = iter([100, 50])

    def as_if_just_forked(path: str) -> bytes:
        if not path.endswith("smaps_rollup"):
            return read_whole(path)
        return f"address\nRss: {100 << 10} kB\nPss: {next(parts, 50) << 10} kB\n".encode()

    with subprocess.Popen(["sleep", "60"]) as parent, subprocess.Popen(["sleep", "60"]) as child:
        mine = {parent.pid, child.pid}

        def tree(root: int) -> list[processes.Seen]:
            return [one for one in processes.tree(root) if one.pid in mine]

        until(lambda: len(tree(os.getpid())) == 2)
        monkeypatch.setattr(usage, "tree", tree)
        monkeypatch.setattr(usage, "read_whole", as_if_just_forked)
        taken = usage.Usage(Mock(is_copy=lambda: False))
        try:
            taken.look()
        finally:
            parent.kill()
            child.kill()
        assert taken.max_rss_bytes == 100 * MEBIBYTE


def test_processes_are_seen_where_the_kernel_does_not_list_children(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as shell:
        until(lambda: len(processes.tree(shell.pid)) == 1)
        (sleep,) = processes.tree(shell.pid)
        # The tests' process may have others, which come and go.
        mine = {shell.pid, sleep.pid}
        assert mine <= {one.pid for one in processes.tree(os.getpid())}
        monkeypatch.setattr(processes, "_lists_children", lambda: False)
        assert mine <= {one.pid for one in processes.tree(os.getpid())}
        assert [one.pid for one in processes.tree(shell.pid)] == [sleep.pid]
        Process(sleep.pid).kill()
        shell.wait()
