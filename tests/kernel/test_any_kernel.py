"""What a scheduler, started as an administrator starts it, does on this kernel; test_debian_12 runs this on an old one.

The share `lab` is one that can hang; `attic` is another.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from lackey import wake
from lackey.domain.run import RunState
from lackey.store.models import ShareStateRow
from tests.nursery import the_nursery
from tests.shares.hanging import Mounted, mounted
from tests.stage import Stage, alive, until

LACKEY = Path(sys.executable).with_name("lackey")
# A kernel that is a process of another's is many times slower.
SECONDS = 90.0
WAITS = "echo > ready; while [ ! -e go ]; do sleep 0.1; done"


class Scheduler:
    """`lackey scheduler` on a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.log = stage, stage.place / "scheduler.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Have one that is at work."""
        if self.process is not None and self.process.poll() is None:
            return
        self.log.unlink(missing_ok=True)
        environment = {**os.environ, "LACKEY_CONFIG": str(self.stage.configuration)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [LACKEY, "scheduler"], env=environment, stdout=log, stderr=log, cwd=self.stage.place
            )
        self.until(lambda: "this scheduler claims runs" in self.log.read_text(), "a scheduler")

    def check(self) -> None:
        """It lives, and nothing surprised it."""
        said = self.log.read_text()
        assert self.process is not None and self.process.poll() is None, f"the scheduler has ended:\n{said}"
        assert "Traceback" not in said, said

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for what is bound to come, unless the scheduler ends before."""

        def come() -> bool:
            self.check()
            return condition()

        until(come, what, SECONDS)

    def running(self, application: str) -> int:
        """A run whose command has started."""
        run_id = self.stage.schedule(application)
        ready = self.stage.place / application / "ready"
        self.until(lambda: ready.exists() and self.stage.get(run_id).handle is not None, f"run {run_id}")
        return run_id

    def becomes(self, run_id: int, *states: RunState) -> None:
        """Wait for one of these states."""

        def there() -> bool:
            wake.send(self.stage.data_dir)
            return self.stage.get(run_id).state in states

        self.until(there, f"run {run_id} {' or '.join(states)}")

    def goes_on(self) -> None:
        """A run on the other share starts and succeeds."""
        self.becomes(self.stage.schedule("attic/other"), RunState.SUCCEEDED)

    def stop(self) -> None:
        if self.process is not None:
            with self.process as process:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                process.kill()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """The share, which shows what lies in `filer` beside it."""
    place = tmp_path_factory.mktemp("stage")
    with mounted(place / "filer", place / "lab") as mount:
        yield mount


@pytest.fixture(scope="module")
def installed(lab: Mounted) -> Iterator[Scheduler]:
    stage = Stage(the_nursery(), lab.path.parent)
    stage.add("other", share="attic")
    scheduler = Scheduler(stage)
    yield scheduler
    lab.go_on()
    scheduler.stop()
    stage.close()


@pytest.fixture
def scheduler(installed: Scheduler, lab: Mounted) -> Iterator[Scheduler]:
    """One that is at work, and must be so at the end."""
    installed.start()
    yield installed
    lab.go_on()
    installed.check()


def members(session: int) -> list[int]:
    """The processes of a session that live."""
    found = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError):
            if os.getsid(pid) == session and alive(pid):
                found.append(pid)
    return found


def test_forty_short_runs_all_succeed(scheduler: Scheduler) -> None:
    stage = scheduler.stage
    applications = [stage.add("short", share="attic"), stage.add("leaving", "sleep 0.3 & true", share="attic")]
    runs = [stage.schedule(applications[number % 2]) for number in range(40)]
    for run_id in runs:
        scheduler.becomes(run_id, *(state for state in RunState if state.is_final))
    assert [stage.get(run_id).state for run_id in runs] == [RunState.SUCCEEDED] * 40


def test_a_run_whose_guard_was_killed_goes_on_and_is_lost_at_its_end(scheduler: Scheduler) -> None:
    stage = scheduler.stage
    application = stage.add("unguarded", WAITS, share="attic")
    run_id = scheduler.running(application)
    os.kill(stage.owner(stage.get(run_id)).pid, signal.SIGKILL)
    scheduler.goes_on()
    assert stage.get(run_id).state is RunState.RUNNING
    (stage.place / application / "go").touch()
    scheduler.becomes(run_id, RunState.LOST)


def test_a_run_whose_guard_was_killed_is_cancelled_with_all_that_it_started(scheduler: Scheduler) -> None:
    stage = scheduler.stage
    run_id = scheduler.running(stage.add("cancelled", f"sleep 1000 & {WAITS}", share="attic"))
    owner = stage.owner(stage.get(run_id))
    os.kill(owner.pid, signal.SIGKILL)
    scheduler.goes_on()
    stage.cancel(run_id)
    scheduler.becomes(run_id, RunState.CANCELLED)
    assert not members(owner.pid)


def test_where_guard_and_command_were_killed_and_a_child_lives_others_go_on(scheduler: Scheduler) -> None:
    stage = scheduler.stage
    run_id = scheduler.running(stage.add("orphaned", f"sleep 1000 & {WAITS}", share="attic"))
    owner = stage.owner(stage.get(run_id))
    assert owner.command is not None
    for pid in (owner.pid, owner.command.command_pid):
        os.kill(pid, signal.SIGKILL)
    scheduler.goes_on()
    for pid in members(owner.pid):
        os.kill(pid, signal.SIGKILL)
    scheduler.becomes(run_id, RunState.LOST)


def is_told_to_be_away(stage: Stage, share: str) -> bool:
    """Whether the scheduler knows it; what it had claimed before may hang."""
    with stage.database.read() as connection:
        return True in connection.execute(select(ShareStateRow.is_away).where(ShareStateRow.share == share)).scalars()


@pytest.mark.parametrize("guard_is_killed", [False, True])
def test_while_a_share_hangs_runs_on_another_go_on(scheduler: Scheduler, lab: Mounted, guard_is_killed: bool) -> None:
    stage = scheduler.stage
    name = "unguarded" if guard_is_killed else "guarded"
    run_id = scheduler.running(stage.add(name, f"{WAITS}; exit 3"))
    lab.hang()
    if guard_is_killed:
        os.kill(stage.owner(stage.get(run_id)).pid, signal.SIGKILL)
    until(lambda: is_told_to_be_away(stage, "lab"))
    late = stage.schedule(f"lab/{name}")
    for _ in range(3):
        scheduler.goes_on()
    assert stage.get(late).state is RunState.QUEUED
    (stage.place / "filer" / name / "go").touch()
    lab.go_on()
    scheduler.becomes(run_id, RunState.LOST if guard_is_killed else RunState.FAILED)
    scheduler.becomes(late, RunState.FAILED)
    assert stage.get(late).exit_code == 3
