"""Trouble with one run keeps no other from being launched, followed and ended, and heals by itself."""

import ctypes
import errno
import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from lackey.domain.run import RunState
from tests import nursery as born
from tests.stage import Stage, until
from tests.swapping import swap

WAITS = "echo > ready; while [ ! -e go ]; do sleep 0.02; done; exit 3"


def schedule_as_on_linux_6_1() -> int:
    """Be a scheduler on a kernel that says EINVAL where newer ones say ESRCH (Debian 12's)."""
    real = os.pidfd_open

    def pidfd_open(pid: int, flags: int = 0) -> int:
        try:
            return real(pid, flags)
        except ProcessLookupError:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None

    with patch("os.pidfd_open", pidfd_open):
        return born.schedule()


def running(stage: Stage, name: str = "heat") -> int:
    """A run that waits for a file; its id."""
    application = stage.add(name, WAITS)
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    stage.until_running(run_id)
    return run_id


def troubles(stage: Stage, run_id: int) -> list[str]:
    return [text for text in stage.history(run_id) if "can't be" in text]


def others_go_on(stage: Stage) -> None:
    """What users of other runs notice: nothing."""
    for number in range(3):
        other = stage.add(f"other{number}", f"exit {number}")
        assert stage.until_ended(stage.schedule(other)).exit_code == number
    assert not stage.schedulers[-1].ended(), "the scheduler has ended"


def test_a_command_without_a_guard_is_followed_on_a_kernel_that_says_einval_of_reaped_processes(quiet: Stage) -> None:
    quiet.start_scheduler("tests.scheduler.test_troubles:schedule_as_on_linux_6_1")
    run_id = running(quiet)
    os.kill(quiet.owner(quiet.get(run_id)).pid, signal.SIGKILL)
    until(lambda: quiet.unguarded(quiet.get(run_id)), "the guard's end")
    others_go_on(quiet)
    assert quiet.get(run_id).state is RunState.RUNNING
    (quiet.place / "lab/heat/go").touch()
    assert quiet.until_ended(run_id).reason == "its process is gone and left no outcome"


def garbled(owner: Path, **changes: Any) -> None:
    first, *more = owner.read_text().splitlines()
    owner.write_text("\n".join([json.dumps({**json.loads(first), **changes}), *more]) + "\n")


def into_a_directory(owner: Path) -> None:
    owner.unlink()
    owner.mkdir()


BREAKS: dict[str, Callable[[Path], object]] = {
    "no JSON": lambda owner: owner.write_bytes(b"\xff{{{\n"),
    "a directory": into_a_directory,
    "wrong types": lambda owner: garbled(owner, pid="12"),
    "no pid": lambda owner: garbled(owner, pid=1 << 80),
    "a negative pid": lambda owner: garbled(owner, pid=-1),
    "no boot id": lambda owner: garbled(owner, boot_id="now"),
    "a list": lambda owner: owner.write_text("[1, 2]\n"),
    "nested": lambda owner: owner.write_text("[" * 100_000 + "\n"),
    "a receipt of nonsense": lambda owner: owner.with_name("receipt").write_text("{}"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_mark_that_can_not_be_read_is_told_once_and_stops_no_other_run(quiet: Stage, how: str) -> None:
    quiet.start_scheduler()
    run_id = running(quiet)
    quiet.stop_schedulers()
    mark = quiet.data_dir / "tickets" / (quiet.get(run_id).ticket or "")
    kept = quiet.place / "kept"
    shutil.copytree(mark, kept)
    BREAKS[how](mark / "owner")
    quiet.start_scheduler()
    if how != "a receipt of nonsense":  # for there the owner says that it lives, and it is watched
        until(lambda: bool(troubles(quiet, run_id)), "word of it")
    others_go_on(quiet)
    assert quiet.get(run_id).state is RunState.RUNNING
    assert len(troubles(quiet, run_id)) <= 1
    assert swap(mark, kept)  # at no moment is there no mark, or half of one
    (quiet.place / "lab/heat/go").touch()
    assert quiet.until_ended(run_id).exit_code == 3


def schedule_without_power_over_files() -> int:
    """Be a scheduler to which, root or not, the directories of others are closed."""
    libc = ctypes.CDLL(None, use_errno=True)
    dropped = (1, 2)  # capabilities(7): CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    for capability in dropped:
        assert libc.prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP: what it launches has them no more, either
    left = 0xFFFFFFFF & ~sum(1 << capability for capability in dropped)
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, data) == 0
    data[0], data[1] = data[0] & left, data[1] & left
    assert libc.capset(header, data) == 0
    return born.schedule()


def test_tickets_of_another_user_end_nothing_and_once_they_are_its_own_again_all_goes_on(quiet: Stage) -> None:
    scheduler = quiet.start_scheduler("tests.scheduler.test_troubles:schedule_without_power_over_files")
    first = running(quiet)
    tickets = quiet.data_dir / "tickets"
    shutil.chown(tickets, "nobody")
    second = quiet.schedule(quiet.add("other", "exit 4"))
    until(lambda: bool(troubles(quiet, second)), "word of it")
    (quiet.place / "lab/heat/go").touch()
    assert not scheduler.ended()
    assert quiet.get(first).state is RunState.RUNNING, "its guard keeps the receipt until the mark takes it"
    shutil.chown(tickets, "root")
    assert [quiet.until_ended(run_id).exit_code for run_id in (first, second)] == [3, 4]
    assert len(troubles(quiet, second)) == 1


def put(stage: Stage, run_id: int, **columns: str) -> None:
    """Write to the run's row what lackey never would."""
    with closing(sqlite3.connect(stage.database_file, timeout=20)) as connection, connection:
        for name, value in columns.items():
            connection.execute(f"UPDATE run SET {name} = ? WHERE id = ?", (value, run_id))


ROWS = {
    "parameters": "[1",
    "environment": "{",
    "evidence": "nonsense",
    "state": "odd",
    "scheduled_at": "yesterday",
    "after": "{{",
}


@pytest.mark.parametrize("column", ROWS)
def test_a_row_that_can_not_be_read_is_passed_over_and_stops_no_other_run(quiet: Stage, column: str) -> None:
    queued, going = quiet.schedule(quiet.add("queued")), quiet.schedule(quiet.add("heat", WAITS))
    with closing(sqlite3.connect(quiet.database_file)) as connection:
        query = f'SELECT "{column}" FROM run WHERE id = ?'
        before = {run_id: connection.execute(query, [run_id]).fetchone()[0] for run_id in (queued, going)}
    put(quiet, queued, **{column: ROWS[column]})
    quiet.start_scheduler()
    quiet.until_running(going)
    put(quiet, going, **{column: ROWS[column]})
    others_go_on(quiet)
    put(quiet, queued, **{column: before[queued]})
    put(quiet, going, **{column: "running" if column == "state" else before[going]})
    (quiet.place / "lab/heat/go").touch()
    assert quiet.until_ended(queued).state is RunState.SUCCEEDED
    assert quiet.until_ended(going).exit_code == 3
    assert (
        max(len([text for text in quiet.history(run_id) if "passed over" in text]) for run_id in (queued, going)) <= 1
    )


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"parameters": '{"n": 1}'}, "parameters"),
        ({"parameters": "null"}, "parameters"),
        ({"environment": '["PATH"]'}, "environment"),
        ({"directory": "a\0b"}, "directory"),
    ],
)
def test_a_run_that_could_never_be_launched_fails_with_the_reason(
    quiet: Stage, columns: dict[str, str], what: str
) -> None:
    run_id = quiet.schedule(quiet.add("heat", "echo > ran"))
    put(quiet, run_id, **columns)
    quiet.start_scheduler()
    run = quiet.until_ended(run_id)
    assert (run.state, run.started_at) == (RunState.FAILED, None)
    assert run.reason == f"what is written down of this run makes no sense: {what}"
    assert not (quiet.place / "lab/heat/ran").exists()
    others_go_on(quiet)
