"""Several executors in one scheduler: each has its own slots and pace, and what befalls one delays no other."""

import os
import sqlite3
import threading
import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from lackey.domain.resources import Capacity
from lackey.domain.run import RunState
from lackey.executors.local.executor import LocalExecutor
from lackey.executors.protocol import Executor, Launch, Observation
from lackey.files import ShareFiles
from lackey.scheduler import main
from lackey.scheduler.shares_watch import SharesWatch
from lackey.services.admin import executors
from lackey.settings import Settings
from tests import nursery as born
from tests.stage import Stage, now, until

WAITS = "while [ ! -e go ]; do sleep 0.02; done; exit 3"


class Other(LocalExecutor):
    """A second one of this host. `ILL`, the name of a method, and how: that one takes its time, hangs, or raises."""

    name = "other"

    def _suffer(self, method: str) -> None:
        how = Path(os.environ["ILL"]).read_text().split() if os.path.exists(os.environ["ILL"]) else ["", ""]
        if method == how[0]:
            if how[1] == "hangs":
                threading.Event().wait()
            if how[1] == "raises":
                raise RuntimeError("the cluster says something odd")
            time.sleep(0.5)

    def trouble(self) -> str | None:
        self._suffer("trouble")
        return super().trouble()

    def launch(self, launch: Launch) -> None:
        self._suffer("launch")
        astray = os.path.exists(f"{os.environ['ILL']}-share")
        super().launch(replace(launch, share_path="/no/such/share") if astray else launch)

    def observe(self, tickets: Collection[str]) -> dict[str, Observation]:
        self._suffer("observe")
        return super().observe(tickets)

    def news(self, tickets: Collection[str]) -> set[str]:
        self._suffer("news")
        return super().news(tickets)


def schedule() -> int:
    """Be a scheduler that has another executor beside the host's own, with one slot."""
    own = main.executors_of

    def both(settings: Settings, descriptors: int) -> list[Executor]:
        other = Other(settings.data_dir.with_name("other"), Capacity(cpus=1, slots=1), None, descriptors)
        return [*own(settings, descriptors), other]

    with patch("lackey.scheduler.main.executors_of", both), patch("lackey.scheduler.loop.STUCK_SECONDS", 2.0):
        return born.schedule()


def start(stage: Stage, ill: str = "") -> None:
    if ill:
        (stage.place / "ill").write_text(ill)
    stage.start_scheduler("tests.scheduler.test_executors_apart:schedule", ILL=str(stage.place / "ill"))


def on_the_other(stage: Stage, application: str) -> int:
    """A run of the application that is to be launched by the other executor."""
    run_id = stage.schedule(application, instead={"priority": -1})
    with closing(sqlite3.connect(stage.database_file, timeout=20)) as connection, connection:
        connection.execute("UPDATE run SET executor = 'other' WHERE id = ?", (run_id,))
    return run_id


def its_own_go_on(stage: Stage) -> None:
    """What users of the host's own executor notice: nothing."""
    for number in range(3):
        own = stage.add(f"own{number}", f"exit {number}")
        assert stage.until_ended(stage.schedule(own)).exit_code == number
    assert not stage.schedulers[-1].ended(), "the scheduler has ended"


@pytest.mark.parametrize("method", ["trouble", "launch", "observe", "news"])
@pytest.mark.parametrize("how", ["hangs", "raises"])
def test_an_executor_that_hangs_or_breaks_delays_no_other(quiet: Stage, method: str, how: str) -> None:
    run_id = on_the_other(quiet, quiet.add("heat", "echo > ran"))
    start(quiet, f"{method} {how}")
    its_own_go_on(quiet)
    assert quiet.get(run_id).state is not RunState.FAILED
    if how == "hangs":
        until(lambda: quiet.log_says("executor other has not answered for 2 s"), "word of it")
    else:
        (quiet.place / "ill").unlink()
        assert quiet.until_ended(run_id).state is RunState.SUCCEEDED, "it works again"
    assert quiet.until_ended(quiet.schedule("lab/own1")).exit_code == 1
    quiet.stop_schedulers()


@pytest.mark.parametrize("method", ["trouble", "launch", "observe", "news"])
def test_an_executor_that_takes_its_time_runs_what_it_has_at_its_own_pace(quiet: Stage, method: str) -> None:
    runs = [on_the_other(quiet, quiet.add(f"heat{number}", f"exit {number}")) for number in range(2)]
    start(quiet, f"{method} slowly")
    its_own_go_on(quiet)
    assert [quiet.until_ended(run_id).exit_code for run_id in runs] == [0, 1]


def test_a_share_on_which_launches_of_one_executor_come_to_nothing_holds_nothing_of_another(tmp_path: Path) -> None:
    watch = SharesWatch(["lab", "attic"], ShareFiles(tmp_path), lambda: None)
    one, other = watch.holds(), watch.holds()
    one.hold("lab", "its nodes do not reach it")
    assert (one.held(), other.held()) == ({"lab": "waits for share lab: its nodes do not reach it"}, {})


def test_runs_on_a_share_that_their_executor_does_not_reach_wait_and_others_go_on(quiet: Stage) -> None:
    astray = quiet.place / "ill-share"
    astray.touch()
    run_id = on_the_other(quiet, quiet.add("heat", "exit 6"))
    start(quiet)
    until(lambda: any("is away" in text for text in quiet.history(run_id)), "an attempt that comes to nothing")
    its_own_go_on(quiet)
    assert quiet.get(run_id).state is RunState.QUEUED
    astray.unlink()
    assert quiet.until_ended(run_id).exit_code == 6


@pytest.mark.parametrize("local", [{"slots": 1}])
def test_each_executor_has_its_own_slots_and_is_paused_by_itself(quiet: Stage, local: dict[str, Any]) -> None:
    first, second = (on_the_other(quiet, quiet.add(f"other{number}", WAITS)) for number in range(2))
    start(quiet)
    quiet.until_running(first)
    executors.pause(quiet.database, "local", "anna", now())
    paused = quiet.schedule(quiet.add("own", "exit 5"))
    assert quiet.get(second).ticket is None, "it has one slot"
    (quiet.place / "lab/other0/go").touch()
    assert quiet.until_ended(first).exit_code == 3
    quiet.until_running(second)
    assert quiet.get(paused).ticket is None
    executors.resume(quiet.database, "local", "anna")
    assert quiet.until_ended(paused).exit_code == 5
    assert quiet.get(second).state is RunState.RUNNING
    (quiet.place / "lab/other1/go").touch()
    assert quiet.until_ended(second).exit_code == 3


def test_what_runs_on_each_executor_is_found_again_and_ended_on_request(quiet: Stage) -> None:
    other = on_the_other(quiet, quiet.add("heat", WAITS))
    own = quiet.schedule(quiet.add("own", WAITS))
    start(quiet)
    for run_id in (other, own):
        quiet.until_running(run_id)
    quiet.stop_schedulers()
    start(quiet)
    for run_id in (other, own):
        quiet.cancel(run_id)
    assert [quiet.until_ended(run_id).state for run_id in (other, own)] == [RunState.CANCELLED] * 2
