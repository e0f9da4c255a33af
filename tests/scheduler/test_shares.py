"""A share that is away or hangs keeps its own runs waiting, and nothing else."""

import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest

from lackey.domain.run import Run, RunState
from lackey.services.runs import listing, queries
from lackey.services.runs.queries import Search
from tests import nursery as born
from tests.nursery import Nursery
from tests.shares.hanging import Mounted, mounted
from tests.stage import Stage, until


def until_held(stage: Stage, run_id: int, why: str) -> Run:
    """The run, once it says that it waits for its share, and why."""
    until(lambda: why in (stage.get(run_id).reason or ""), why)
    return stage.get(run_id)


def test_a_run_whose_share_is_away_waits_and_starts_by_itself_when_it_is_back(stage: Stage) -> None:
    there, elsewhere = stage.add("heat"), stage.add("waves", share="attic")
    (stage.place / "lab").rename(stage.place / "gone")
    run_id = stage.schedule(there)
    held = until_held(stage, run_id, "is not there")
    assert held.state is RunState.QUEUED
    assert held.reason and held.reason.startswith("waits for share lab: ")
    assert stage.until_ended(stage.schedule(elsewhere)).state is RunState.SUCCEEDED
    assert stage.get(run_id).state is RunState.QUEUED
    (stage.place / "gone").rename(stage.place / "lab")
    assert stage.until_ended(run_id).state is RunState.SUCCEEDED


def test_the_outcome_of_a_run_whose_share_has_gone_arrives_and_its_log_later(stage: Stage) -> None:
    application = stage.add("heat", "echo commencement; echo > ready; while [ ! -e go ]; do sleep 0.02; done; exit 3")
    run_id = stage.schedule(application)
    stage.told(application, "ready")
    stage.until_running(run_id)
    (stage.place / "lab").rename(stage.place / "gone")
    (stage.place / "gone/heat/go").touch()
    run = stage.until_ended(run_id)
    assert (run.state, run.exit_code, run.log_kept) == (RunState.FAILED, 3, False)
    (stage.place / "gone").rename(stage.place / "lab")
    until(lambda: stage.get(run_id).log_kept, "its log")
    assert [found.id for found in listing.page(stage.database, Search(words="commencement"), None, 10).runs] == [run_id]


@pytest.fixture
def hanging(nursery: Nursery, tmp_path: Path) -> Iterator[tuple[Stage, Mounted]]:
    """An installation with one slot, whose share `lab` is a file system that can be made to hang."""
    with mounted(tmp_path / "filer", tmp_path / "lab") as lab:
        stage = Stage(nursery, tmp_path, slots=1)
        stage.start_scheduler()
        yield stage, lab
        lab.go_on()
        stage.close()


def test_a_share_that_hangs_stops_nothing_but_its_own_runs(hanging: tuple[Stage, Mounted]) -> None:
    stage, lab = hanging
    go = stage.place / "go"
    application = stage.add("heat", f"echo > ready; while [ ! -e {go} ]; do sleep 0.02; done; exit 3")
    running = stage.schedule(application)
    stage.told(application, "ready")
    stage.until_running(running)
    other = stage.add("other")
    lab.hang()
    held = stage.schedule(other)
    until_held(stage, held, "waits for share lab: ")
    # The one that runs on the share that hangs may hang with it, so it holds no slot.
    assert stage.until_ended(stage.schedule(stage.add("waves", share="attic"))).state is RunState.SUCCEEDED
    go.touch()
    assert stage.until_ended(running).exit_code == 3
    assert stage.get(held).state is RunState.QUEUED
    lab.go_on()
    assert stage.until_ended(held).state is RunState.SUCCEEDED


@pytest.fixture
def mountable(nursery: Nursery, tmp_path: Path) -> Iterator[Stage]:
    """An installation whose share `lab` must be mounted, and is not; its file system is to be had at `filer`."""
    filer = tmp_path / "filer"
    filer.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "lackey-test", filer], check=True)
    stage = Stage(nursery, tmp_path, lab_is_mounted=True)
    stage.start_scheduler()
    yield stage
    stage.close()
    for place in (tmp_path / "lab", filer):
        subprocess.run(["umount", "--lazy", place.resolve()], check=True)


@pytest.mark.parametrize("by_link", [False, True])
def test_a_run_waits_until_its_share_is_mounted(mountable: Stage, by_link: bool) -> None:
    place = mountable.place / "lab"
    if by_link:
        place = place.rename(mountable.place / "elsewhere")
        (mountable.place / "lab").symlink_to(place)
    run_id = mountable.schedule(mountable.add("heat", "echo > ran"))
    until_held(mountable, run_id, "is not mounted")
    filer = mountable.place / "filer"
    (filer / "heat").mkdir()
    subprocess.run(["mount", "--bind", filer, place], check=True)
    assert mountable.until_ended(run_id).state is RunState.SUCCEEDED
    assert (filer / "heat/ran").exists()


def schedule() -> int:
    """Be a scheduler that takes every share to be there, as each does that has not noticed yet; in a hurry, too."""
    with (
        patch("lackey.scheduler.shares_watch.SharesWatch.away", lambda _: {}),
        patch("lackey.scheduler.shares_watch.Holds.held", lambda _: {}),
        patch("lackey.scheduler.loop.POLL_SECONDS", 0.02),
        patch("lackey.scheduler.pauses.FIRST_SECONDS", 0.2),
    ):
        return born.schedule()


@pytest.fixture
def unaware(nursery: Nursery, tmp_path: Path) -> Iterator[Stage]:
    """An installation with such a scheduler."""
    stage = Stage(nursery, tmp_path)
    stage.start_scheduler("tests.scheduler.test_shares:schedule")
    yield stage
    stage.close()


def test_a_run_whose_share_goes_as_it_is_launched_is_tried_again_after_longer_and_longer_pauses(unaware: Stage) -> None:
    application = unaware.add("heat")
    (unaware.place / "lab").rename(unaware.place / "gone")
    run_id = unaware.schedule(application)
    until_held(unaware, run_id, "is away")

    def tries() -> list[datetime]:
        events = reversed(queries.events(unaware.database, run_id, None, 100))
        return [event.at for _, event in events if event.kind == "claimed"]

    until(lambda: len(tries()) >= 4, "four tries")
    (unaware.place / "gone").rename(unaware.place / "lab")
    assert unaware.until_ended(run_id).state is RunState.SUCCEEDED
    pauses = [later - earlier for earlier, later in pairwise(tries()[:4])]
    least = [timedelta(seconds=0.2 * 2**number) for number in range(3)]
    assert all(pause >= shortest for pause, shortest in zip(pauses, least, strict=True)), pauses
