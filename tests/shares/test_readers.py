"""Shares that go, hang and come back; readers that end and are started again."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from lackey.files import ShareAway, ShareFiles
from lackey.shares.readers import Readers
from tests.shares.seen import WITHIN_SECONDS, answers, eventually, processes_of, reading


def test_a_share_that_goes_is_away_until_it_is_back(share: Path, files: ShareFiles) -> None:
    (share / "log.txt").write_text("hello")
    share.rename(share.with_name("elsewhere"))
    with pytest.raises(ShareAway, match="The share lab is not there"):
        files.probe("lab")
    with pytest.raises(ShareAway, match="The share lab is not there"):
        files.read("lab", "log.txt", 0, 10)
    share.with_name("elsewhere").rename(share)
    files.probe("lab")
    assert files.read("lab", "log.txt", 0, 10).content == b"hello"


def test_a_share_that_must_be_mounted_and_is_not_is_away(share: Path, tmp_path: Path) -> None:
    (share / "log.txt").write_text("planted")
    (tmp_path / "proc").symlink_to("/proc")
    shares = {"lab": (str(share), True), "proc": ("/proc", True), "linked": (str(tmp_path / "proc"), True)}
    with reading(shares, tmp_path / "readers"):
        files = ShareFiles(tmp_path / "readers", deadline_seconds=WITHIN_SECONDS)
        eventually(lambda: answers(files, "proc") and answers(files, "linked"))
        eventually((tmp_path / "readers" / "lab.sock").exists)
        with pytest.raises(ShareAway, match="is not mounted"):
            files.probe("lab")
        with pytest.raises(ShareAway, match="is not mounted"):
            files.read("lab", "log.txt", 0, 1)


def test_a_share_that_hangs_is_away_within_the_deadline_and_well_again_after(
    share: Path, files: ShareFiles, tmp_path: Path
) -> None:
    (share / "log.txt").write_text("hello")
    hurried = ShareFiles(tmp_path / "readers", deadline_seconds=0.2)
    (process,) = processes_of(tmp_path)
    process.suspend()
    try:
        with pytest.raises(ShareAway, match="did not answer within"):
            hurried.read("lab", "log.txt", 0, 10)
    finally:
        process.resume()
    eventually(lambda: answers(hurried))
    assert files.read("lab", "log.txt", 0, 10).content == b"hello"


def test_a_share_that_hangs_holds_up_no_other_share(share: Path, tmp_path: Path) -> None:
    shares = {"lab": (str(share), False), "other": (str(share), False)}
    with reading(shares, tmp_path / "readers") as readers:
        files = ShareFiles(tmp_path / "readers", deadline_seconds=WITHIN_SECONDS)
        eventually(lambda: answers(files, "lab") and answers(files, "other"))
        lab = next(process for process in processes_of(tmp_path) if "lab" in process.cmdline())
        lab.suspend()
        readers.tend()
        assert files.listing("other", "").complete
        assert lab.is_running()


def test_a_reader_that_was_killed_is_started_again(files: ShareFiles, readers: Readers, tmp_path: Path) -> None:
    (killed,) = processes_of(tmp_path)
    killed.kill()

    def works_again() -> bool:
        readers.tend()
        return answers(files)

    eventually(works_again)
    assert [process.pid for process in processes_of(tmp_path)] != [killed.pid]


@pytest.mark.parametrize("ends", [True, False], ids=["it ends at once", "it can't be started"])
def test_a_reader_that_fails_for_a_while_is_tried_again_and_that_is_told_once(
    share: Path, tmp_path: Path, ends: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    python = tmp_path / "python"
    if ends:
        python.write_text("#!/bin/sh\nexit 3\n")
        python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    readers = Readers({"lab": (str(share), False)}, tmp_path / "readers")
    tried = []
    popen = subprocess.Popen

    def counted(*arguments: Any, **details: Any) -> Any:
        tried.append(time.monotonic())
        return popen(*arguments, **details)

    monkeypatch.setattr(subprocess, "Popen", counted)
    readers.start()
    try:

        def tried_again() -> bool:
            readers.tend()
            return len(tried) == 4

        eventually(tried_again)
        assert len([record for record in caplog.records if "its reader" in record.getMessage()]) == 1
        assert tried[3] - tried[2] > tried[1] - tried[0] >= 1.0
        aside = tmp_path / "aside"
        aside.write_text(f'#!/bin/sh\nexec {os.path.realpath(sys.prefix)}/bin/python "$@"\n')
        aside.chmod(0o755)
        aside.rename(python)

        def works() -> bool:
            readers.tend()
            return answers(ShareFiles(tmp_path / "readers"))

        eventually(works)
    finally:
        readers.stop()
    assert processes_of(tmp_path) == []


def test_a_reader_whose_socket_somebody_removed_is_replaced(
    files: ShareFiles, readers: Readers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "readers" / "lab.sock").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("lackey.shares.readers.DEAF_SECONDS", 0.0)
        readers.tend()

    def works_again() -> bool:
        readers.tend()
        return answers(files)

    eventually(works_again)
    assert len(processes_of(tmp_path)) == 1


def test_tending_leaves_a_reader_that_works_alone(files: ShareFiles, readers: Readers, tmp_path: Path) -> None:
    before = [process.pid for process in processes_of(tmp_path)]
    for _ in range(100):
        readers.tend()
    assert [process.pid for process in processes_of(tmp_path)] == before
    assert answers(files)


def test_stopping_ends_the_readers_even_one_that_was_suspended(share: Path, tmp_path: Path) -> None:
    shares = {"lab": (str(share), False), "other": (str(share), False)}
    with reading(shares, tmp_path / "readers"):
        files = ShareFiles(tmp_path / "readers")
        eventually(lambda: answers(files, "lab") and answers(files, "other"))
        processes_of(tmp_path)[0].suspend()
    eventually(lambda: processes_of(tmp_path) == [])


def test_sigterm_ends_a_reader_though_its_parent_blocks_and_ignores_it(share: Path, tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with reading({"lab": (str(share), False)}, tmp_path / "readers"):
            eventually(lambda: answers(ShareFiles(tmp_path / "readers")))
            (process,) = processes_of(tmp_path)
            process.terminate()
            eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    finally:
        signal.signal(signal.SIGTERM, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


PARENT = """
import sys, time, pathlib
from lackey.shares.readers import Readers
readers = Readers({"lab": (sys.argv[1], False)}, pathlib.Path(sys.argv[2]))
readers.start()
time.sleep(600)
"""


def test_a_reader_ends_with_its_parent_however_that_ends(share: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(share), str(tmp_path / "readers")]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as parent:
        try:
            eventually(lambda: answers(ShareFiles(tmp_path / "readers")))
            (process,) = [found for found in processes_of(tmp_path) if found.ppid() == parent.pid]
        finally:
            parent.kill()
    eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_a_reader_has_nothing_of_the_services_environment_or_files(
    share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACKEY_KEY", "secret")
    with (tmp_path / "database").open("w") as database, reading({"lab": (str(share), False)}, tmp_path / "readers"):
        os.set_inheritable(database.fileno(), True)
        eventually(lambda: answers(ShareFiles(tmp_path / "readers")))
        (process,) = processes_of(tmp_path)
        assert "LACKEY_KEY" not in process.environ()
        assert str(tmp_path / "database") not in [file.path for file in process.open_files()]
        assert process.cwd() == "/"


def test_a_socket_that_an_earlier_reader_left_is_replaced(share: Path, tmp_path: Path) -> None:
    (tmp_path / "readers").mkdir()
    with socket.socket(socket.AF_UNIX) as earlier:
        earlier.bind(str(tmp_path / "readers" / "lab.sock"))
    with reading({"lab": (str(share), False)}, tmp_path / "readers"):
        eventually(lambda: answers(ShareFiles(tmp_path / "readers")))
    assert [path.name for path in (tmp_path / "readers").iterdir()] == ["lab.sock"]


def test_a_reader_is_reached_below_a_directory_whose_path_is_longer_than_a_sockets_may_be(
    share: Path, tmp_path: Path
) -> None:
    directory = tmp_path / ("d" * 100) / ("e" * 100) / "readers"
    with reading({"lab": (str(share), False)}, directory) as readers:
        eventually(lambda: answers(ShareFiles(directory)))
        readers.tend()
        assert stat.filemode((directory / "lab.sock").stat().st_mode) == "srw-rw----"


def test_a_directory_given_as_relative_is_found_by_the_readers_too(
    share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with reading({"-lab": ("share", False)}, Path("readers")):
        eventually(lambda: answers(ShareFiles(Path("readers")), "-lab"))


@pytest.mark.usefixtures("files")
def test_a_reader_that_is_stopped_is_replaced_within_seconds(readers: Readers, tmp_path: Path) -> None:
    (stopped,) = processes_of(tmp_path)
    stopped.suspend()

    def is_replaced() -> bool:
        readers.tend()
        return answers(ShareFiles(tmp_path / "readers", deadline_seconds=0.2))

    eventually(is_replaced)
    assert stopped not in processes_of(tmp_path)


def test_a_reader_that_is_suspended_for_a_moment_is_left_alone(
    readers: Readers, files: ShareFiles, tmp_path: Path
) -> None:
    (suspended,) = processes_of(tmp_path)
    suspended.suspend()
    readers.tend()
    suspended.resume()
    eventually(lambda: answers(files))
    readers.tend()
    assert processes_of(tmp_path) == [suspended]


@pytest.mark.usefixtures("files")
def test_a_reader_that_lives_and_answers_nobody_is_replaced(tmp_path: Path, readers: Readers) -> None:
    (deaf,) = processes_of(tmp_path)
    # One that hangs somewhere else than with its share: its socket is there, and nobody takes what comes.
    (tmp_path / "readers/lab.sock").unlink()
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(tmp_path / "readers/lab.sock"))
        nobody.listen(1)

        def is_replaced() -> bool:
            readers.tend()
            return deaf not in processes_of(tmp_path)

        eventually(is_replaced)
        eventually(lambda: answers(ShareFiles(tmp_path / "readers", deadline_seconds=0.2)))
