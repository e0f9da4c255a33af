"""Who keeps a host's readers: the scheduler, or `lackey reader` where there is none."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lackey.domain.run import RunState
from lackey.files import FileError, ShareFiles
from lackey.scheduler import read
from lackey.settings import load
from tests.nursery import Nursery, Process
from tests.shares.hanging import Mounted, mounted
from tests.shares.seen import processes_of
from tests.stage import Stage, until


def keep() -> int:
    """Be `lackey reader`."""
    return read(load())


@pytest.fixture
def empty(nursery: Nursery, tmp_path: Path) -> Iterator[Stage]:
    """An installation where nothing runs yet."""
    stage = Stage(nursery, tmp_path)
    yield stage
    stage.close()


def start_reader(stage: Stage) -> Process:
    return stage.start_scheduler("tests.scheduler.test_reader:keep")


def keepers(stage: Stage) -> list[int]:
    """The processes that the readers of the two shares belong to."""
    return [process.ppid() for process in processes_of(stage.data_dir) if process.status() != psutil.STATUS_ZOMBIE]


def until_kept_by(stage: Stage, process: Process) -> None:
    """Wait until both shares are read, by readers of this process alone."""

    def kept() -> bool:
        files = ShareFiles(stage.data_dir / "readers")
        healths = files.healths(("lab", "attic"))
        return keepers(stage) == [process.pid] * 2 and all(health.away is None for health in healths.values())

    until(kept, "the readers")


def test_a_reader_lets_shares_be_read_where_there_is_no_scheduler_and_ends_with_its_readers(empty: Stage) -> None:
    reader = start_reader(empty)
    until_kept_by(empty, reader)
    (empty.place / "lab/log.txt").write_text("hello")
    assert ShareFiles(empty.data_dir / "readers").read("lab", "log.txt", 0, 9).content == b"hello"
    assert empty.log_says("the readers of shares for") and empty.log_says("shares read here: lab, attic")
    reader.stop()
    until(lambda: keepers(empty) == [], "the end of the readers")
    assert empty.log_says("the reader has ended")


def test_a_reader_that_was_killed_leaves_no_readers_behind(empty: Stage) -> None:
    reader = start_reader(empty)
    until_kept_by(empty, reader)
    reader.kill()
    until(lambda: keepers(empty) == [], "the end of the readers")


@pytest.mark.parametrize("first_is_the_scheduler", [True, False])
def test_of_a_scheduler_and_a_reader_one_keeps_the_readers_and_the_other_takes_over(
    empty: Stage, first_is_the_scheduler: bool
) -> None:
    def start(scheduler: bool) -> Process:
        return empty.start_scheduler() if scheduler else start_reader(empty)

    first = start(first_is_the_scheduler)
    until_kept_by(empty, first)
    second = start(not first_is_the_scheduler)
    until(lambda: empty.log_says("this one stands by"), "the second one")
    until_kept_by(empty, first)
    first.kill()
    until_kept_by(empty, second)


def test_runs_start_as_ever_while_somebody_else_keeps_the_readers(empty: Stage) -> None:
    until_kept_by(empty, start_reader(empty))
    empty.start_scheduler()
    assert empty.until_ended(empty.schedule(empty.add("heat"))).state is RunState.SUCCEEDED


def test_a_user_who_is_not_known_here_ends_scheduler_and_reader_with_a_sentence(empty: Stage) -> None:
    empty.configuration = empty.configure("lackey.toml", "var", user="no-such-user")
    for process in (empty.start_scheduler(), start_reader(empty)):
        assert process.ended(20)
    said = (empty.place / "scheduler.log").read_text()
    assert said.count("executor.local.user: there is no user 'no-such-user' on this host") == 2
    assert "Traceback" not in said
    empty.schedulers.clear()


@pytest.fixture
def served(nursery: Nursery, tmp_path: Path) -> Iterator[tuple[Stage, Mounted]]:
    """An installation with a scheduler, whose share `lab` is on a file server."""
    with mounted(tmp_path / "served", tmp_path / "lab") as mount:
        stage = Stage(nursery, tmp_path, lab_is_mounted=True)
        stage.start_scheduler()
        yield stage, mount
        mount.go_on()
        stage.close()


def test_while_a_file_server_hangs_its_runs_say_since_when_and_others_start(served: tuple[Stage, Mounted]) -> None:
    stage, mount = served
    on_lab, on_attic = stage.add("heat", "echo > ran"), stage.add("waves", share="attic")
    mount.hang()

    def hangs() -> bool:
        try:
            ShareFiles(stage.data_dir / "readers").probe("lab")
        except FileError as error:
            return "has not answered since" in str(error)
        return False

    until(hangs, "the hang")
    held = stage.schedule(on_lab)
    until(lambda: "has not answered since" in (stage.get(held).reason or ""), "the reason")
    reason = stage.get(held).reason
    assert reason and reason.startswith("waits for share lab: The share lab has not answered since ")
    assert stage.until_ended(stage.schedule(on_attic)).state is RunState.SUCCEEDED
    assert (stage.get(held).state, stage.get(held).reason) == (RunState.QUEUED, reason)
    mount.go_on()
    assert stage.until_ended(held).state is RunState.SUCCEEDED
    assert (mount.path / "heat/ran").exists()
