"""Descriptors: none is lost, a lack of them stops nothing for good, and simulations have as many as ever."""

import os
import resource
import signal
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from lackey.domain.run import RunState
from tests import nursery as born
from tests.nursery import Process
from tests.stage import Stage, until

WAITS = "echo > ready; while [ ! -e go ]; do sleep 0.5; done; exit 3"


def schedule_looking_all_the_time() -> int:
    """Be a scheduler that looks at all its tickets with each tick, and ticks more often than others."""
    with patch("lackey.scheduler.driver.RECONCILE_SECONDS", 0.0), patch("lackey.scheduler.loop.POLL_SECONDS", 0.01):
        return born.schedule()


def schedule_with_few() -> int:
    """Be a scheduler with as many descriptors as `DESCRIPTORS` says."""
    few = int(os.environ["DESCRIPTORS"])
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))
    return born.schedule()


def held_by(scheduler: Process) -> int:
    return len(os.listdir(f"/proc/{scheduler.pid}/fd"))


def pidfds_of(scheduler: Process) -> int:
    """How many processes it watches that have no guard to tell of them."""
    found = 0
    for descriptor in Path(f"/proc/{scheduler.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found += "pidfd" in os.readlink(descriptor)
    return found


def running(stage: Stage, name: str) -> int:
    application = stage.add(name, WAITS)
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    stage.until_running(run_id)
    return run_id


def test_however_often_the_scheduler_looks_it_holds_one_descriptor_for_each_run(quiet: Stage) -> None:
    scheduler = quiet.start_scheduler("tests.scheduler.test_descriptors:schedule_looking_all_the_time")
    runs = [running(quiet, f"heat{number}") for number in range(3)]
    os.kill(quiet.owner(quiet.get(runs[0])).pid, signal.SIGKILL)
    until(lambda: quiet.unguarded(quiet.get(runs[0])), "the guard's end")
    until(lambda: pidfds_of(scheduler) == 1, "a look")
    before, looks = held_by(scheduler), time.monotonic() + 3
    most = 0
    while time.monotonic() < looks:
        most = max(most, pidfds_of(scheduler))
    assert most <= 1 + 1, "one is open for as long as a look lasts"
    # The database's and the readers' come and go; one lost in each look would be a hundred.
    assert held_by(scheduler) <= before + 20
    for number in range(3):
        (quiet.place / f"lab/heat{number}/go").touch()
    assert [quiet.until_ended(run_id).exit_code for run_id in runs] == [None, 3, 3]
    until(lambda: pidfds_of(scheduler) == 0, "its letting go")


def test_out_of_descriptors_what_waits_says_so_and_all_goes_on_when_there_are_some_again(quiet: Stage) -> None:
    scheduler = quiet.start_scheduler("tests.scheduler.test_descriptors:schedule_with_few", DESCRIPTORS="64")
    runs = {number: quiet.schedule(quiet.add(f"heat{number}", WAITS)) for number in range(50)}

    def waiting() -> list[int]:
        return [run_id for run_id in runs.values() if "waits for descriptors" in (quiet.get(run_id).reason or "")]

    until(lambda: bool(waiting()), "a reason", 60)
    begun = [number for number, run_id in runs.items() if quiet.get(run_id).state is RunState.RUNNING]
    assert begun and not scheduler.ended()
    for number in runs:
        (quiet.place / f"lab/heat{number}/go").touch()
    for run_id in runs.values():
        assert quiet.until_ended(run_id).exit_code == 3
    assert not scheduler.ended()
    for number in runs:
        assert len(list((quiet.place / f"lab/heat{number}/lackey-runs").iterdir())) == 1, "it ran twice"


def test_a_simulation_has_the_limit_that_the_scheduler_was_started_with(quiet: Stage) -> None:
    """A program that calls select(2) fails on descriptors from 1024 on, and some open as many as they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    scheduler = quiet.start_scheduler()
    run = quiet.until_ended(quiet.schedule(quiet.add("heat", "ulimit -Sn; ulimit -Hn")))
    assert quiet.log(run).split() == [str(soft), str(hard)]
    limits = resource.prlimit(scheduler.pid, resource.RLIMIT_NOFILE)
    assert limits == (hard, hard)
