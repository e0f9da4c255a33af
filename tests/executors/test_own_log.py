"""What is left of a log that its own run has removed."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lackey.executors.local.directories import make_run_directories
from lackey.executors.local.own_log import OwnLog
from lackey.executors.local.tickets import KeptLog, Mark
from tests.executors.workbench import Workbench

WRITTEN = b"what it wrote\n"


@pytest.fixture
def log(local: Workbench) -> Iterator[OwnLog]:
    """The log of a run, which has written something into it."""
    launch = local.draft()
    directories = make_run_directories(launch, lambda _: False)
    os.write(directories.log, WRITTEN)
    own = OwnLog(launch, directories)
    yield own
    for descriptor in {directories.run, own.directories.run, directories.application, directories.log}:
        os.close(descriptor)


def path(local: Workbench) -> Path:
    return local.application / "lackey-runs/7/log.txt"


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_log_that_is_there_is_left_alone(log: OwnLog) -> None:
    assert log.is_there()


def test_a_log_is_put_back_where_the_file_system_has_no_hard_links(
    local: Workbench, log: OwnLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    path(local).unlink()
    assert not log.is_there()
    kept = log.keep()
    with monkeypatch.context() as host:
        host.setattr(os, "link", refuse)
        log.put_back(kept)
    assert (kept, path(local).read_bytes()) == (KeptLog("log.txt", len(WRITTEN)), WRITTEN)
    assert sorted(os.listdir(path(local).parent)) == ["log.txt", "parameters.json", "run.json"]


def test_nothing_is_written_over_what_has_the_name_of_the_log_meanwhile(local: Workbench, log: OwnLog) -> None:
    path(local).unlink()
    kept = log.keep()
    path(local).write_text("another's")
    log.put_back(kept)
    assert path(local).read_text() == "another's"
    (beside,) = path(local).parent.glob("log-*.txt")
    assert beside.read_bytes() == WRITTEN


def test_a_link_in_the_log_s_place_is_not_followed(local: Workbench, log: OwnLog, tmp_path: Path) -> None:
    path(local).unlink()
    path(local).symlink_to(tmp_path / "outside")
    kept = log.keep()
    log.put_back(kept)
    assert kept.name != "log.txt"
    assert path(local).is_symlink() and not (tmp_path / "outside").exists()


def test_a_log_for_which_there_is_no_room_is_said_to_be_gone(
    local: Workbench, log: OwnLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    path(local).unlink()
    with monkeypatch.context() as host:
        host.setattr(os, "pread", refuse)
        assert log.keep() == KeptLog(None, len(WRITTEN))
    assert sorted(os.listdir(path(local).parent)) == ["parameters.json", "run.json"]


def test_a_run_directory_that_was_removed_is_made_again_and_stands_for_its_launch(
    local: Workbench, log: OwnLog
) -> None:
    for file in path(local).parent.iterdir():
        file.unlink()
    path(local).parent.rmdir()
    path(local).parent.parent.rmdir()
    log.put_back(log.keep())
    assert path(local).read_bytes() == WRITTEN
    assert sorted(os.listdir(path(local).parent)) == ["log.txt", "run.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "../x", "size": 1}', '{"name": "log.txt", "size": "1"}'])
def test_what_is_said_of_a_log_is_read_as_it_was_written_or_not_at_all(tmp_path: Path, text: str) -> None:
    mark = Mark(tmp_path, "a-ticket")
    mark.make()
    assert mark.kept_log() is None
    mark.add_kept_log(KeptLog("log-0123abcd.txt", 7))
    assert mark.kept_log() == KeptLog("log-0123abcd.txt", 7)
    (mark.path / "log").write_text(text)
    with pytest.raises(OSError, match=r"log|Expecting"):
        mark.kept_log()
