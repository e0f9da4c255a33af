"""A share that is full, read-only or empty burns no queue: its runs wait, and start by themselves when it is mended."""

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lackey.domain.run import RunState
from lackey.files import ShareFiles
from tests.full_disk import fill
from tests.nursery import Nursery
from tests.stage import Stage, until

MANY = 60
SLOTS = 4


def mount(*words: object) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


class Disk:
    """The file system of the share `lab`, and what can be wrong with it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        fill(self.path / "ballast")

    def make_room(self) -> None:
        (self.path / "ballast").unlink()

    def use_up_inodes(self) -> None:
        (self.path / "many").mkdir()
        with pytest.raises(OSError):
            for number in range(10_000):
                (self.path / "many" / str(number)).touch()

    def free_inodes(self) -> None:
        subprocess.run(["rm", "-r", self.path / "many"], check=True)

    def make_read_only(self) -> None:
        mount("-o", "remount,ro", self.path)

    def make_writable(self) -> None:
        mount("-o", "remount,rw", self.path)

    def put_an_empty_one_over_it(self) -> None:
        mount("-t", "tmpfs", "lackey-test", self.path)
        (self.path / "lost+found").mkdir()

    def take_it_away(self) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    lab = tmp_path / "lab"
    lab.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m,nr_inodes=600,mode=755", "lackey-test", lab)
    yield Disk(lab)
    subprocess.run(["umount", "--lazy", lab], check=True)


@pytest.fixture
def stage(nursery: Nursery, tmp_path: Path, disk: Disk) -> Iterator[Stage]:
    stage = Stage(nursery, tmp_path, slots=SLOTS)
    stage.start_scheduler()
    yield stage
    stage.close()


@pytest.mark.parametrize(
    ("spoil", "mend", "said"),
    [
        (Disk.fill, Disk.make_room, "the share is full"),
        (Disk.use_up_inodes, Disk.free_inodes, "the share is full"),
        (Disk.make_read_only, Disk.make_writable, "the share is read-only"),
        (Disk.put_an_empty_one_over_it, Disk.take_it_away, "the share is empty"),
    ],
)
def test_all_that_is_queued_waits_until_the_share_is_mended_and_then_runs(
    stage: Stage, disk: Disk, spoil: Callable[[Disk], None], mend: Callable[[Disk], None], said: str
) -> None:
    application = stage.add("heat", "true")
    stage.until_ended(stage.schedule(application))
    look_at(stage)
    spoil(disk)
    runs = [stage.schedule(application) for _ in range(MANY)]
    until(lambda: all(said in (stage.get(run_id).reason or "") for run_id in runs[-SLOTS:]), said)
    # Runs of other shares go on, and the share's health says what is wrong.
    assert stage.until_ended(stage.schedule(stage.add("waves", share="attic"))).state is RunState.SUCCEEDED
    until(lambda: look_at(stage), "the share's health")
    until(lambda: all(stage.get(run_id).state is RunState.QUEUED for run_id in runs), "all of them waiting")
    assert sum(stage.get(run_id).attempts for run_id in runs) <= 3 * SLOTS
    mend(disk)
    assert Counter(stage.until_ended(run_id).state for run_id in runs) == {RunState.SUCCEEDED: MANY}


def look_at(stage: Stage) -> bool:
    """Whether the share's health says that it takes nothing; a fresh look at it follows."""
    look = ShareFiles(stage.data_dir / "readers").health("lab", anew=True).look
    return look is not None and look.takes_nothing


def test_a_single_directory_that_is_gone_is_a_failure_as_before(stage: Stage, disk: Disk) -> None:
    gone, there = stage.add("heat", "true"), stage.add("waves", "true")
    os.rename(disk.path / "heat", disk.path / "renamed")
    run = stage.until_ended(stage.schedule(gone))
    assert (run.state, run.reason) == (RunState.FAILED, "the directory 'heat' does not exist")
    assert stage.until_ended(stage.schedule(there)).state is RunState.SUCCEEDED
