"""What a reader tells of its share: that it is away, hangs or is back, and what is wrong with it while it is there."""

import errno
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lackey.domain.paths import Share
from lackey.domain.share_health import Look, ShareHealth, troubles
from lackey.files import FileRefused, ShareAway, ShareFiles
from tests.shares.hanging import Mounted, mounted
from tests.shares.seen import WITHIN_SECONDS, answers, eventually, processes_of, reading


def look_at(files: ShareFiles) -> Look:
    """What the first full look found."""
    eventually(lambda: files.health("lab").look is not None)
    look = files.health("lab").look
    assert look is not None
    return look


@contextmanager
def looking(path: Path, place: Path, must_be_mounted: bool = False, user: str | None = None) -> Iterator[ShareFiles]:
    """A reader of the share `lab` at `path`, and a client for it."""
    with reading({"lab": (str(path), must_be_mounted)}, place / "readers", user):
        files = ShareFiles(place / "readers", deadline_seconds=WITHIN_SECONDS)
        eventually(lambda: (found := files.health("lab").away) is None or found.kind != "unread")
        yield files


def said(path: Path, health: ShareHealth) -> tuple[str, str]:
    """What is told to users of the share: what is wrong, and what to do."""
    (trouble,) = troubles(Share("lab", str(path)), health)
    return trouble.what, trouble.mend


@contextmanager
def tmpfs(path: Path, options: str) -> Iterator[Path]:
    """A file system in memory."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "lackey-test", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mounted]:
    """A share behind a file server that can be stopped."""
    with mounted(tmp_path / "served", tmp_path / "lab") as mount:
        yield mount


def test_a_share_that_is_well_is_looked_at_and_nothing_is_left_on_it(share: Path, tmp_path: Path) -> None:
    with looking(share, tmp_path) as files:
        look = look_at(files)
        health = files.health("lab")
        assert troubles(Share("lab", str(share)), health) == []
    space = os.statvfs(share)
    assert (look.user, look.mounted, look.read_error, look.write_error) == ("root", False, None, None)
    assert look.total_bytes == space.f_blocks * space.f_frsize
    assert 0 < look.free_bytes <= look.total_bytes
    assert look.clock_difference_seconds is not None and abs(look.clock_difference_seconds) < 1
    assert abs(look.at - time.time()) < WITHIN_SECONDS and look.latency_seconds >= 0
    assert os.listdir(share) == []


def test_a_share_that_is_missing_or_not_mounted_is_away_and_one_is_told_what_to_do(share: Path, tmp_path: Path) -> None:
    with looking(tmp_path / "nowhere", tmp_path) as files:
        what, mend = said(tmp_path / "nowhere", files.health("lab"))
    assert "lab is not there" in what and "No such file" in what and "Mount it or make it" in mend
    with looking(share, tmp_path, must_be_mounted=True) as files:
        what, mend = said(share, files.health("lab"))
    assert "is not mounted" in what and f"mount {share}" in mend


def test_a_share_is_looked_at_anew_as_soon_as_it_is_back(share: Path, tmp_path: Path) -> None:
    with looking(share, tmp_path) as files:
        first = look_at(files)
        share.rename(tmp_path / "elsewhere")
        assert not answers(files)
        assert files.health("lab").look is None
        (tmp_path / "elsewhere").rename(share)
        assert answers(files)
        assert look_at(files).at > first.at


def test_a_share_that_can_only_be_read_says_so(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "lab", "ro") as path, looking(path, tmp_path, must_be_mounted=True) as files:
        assert look_at(files).mounted
        what, mend = said(path, files.health("lab"))
    assert "can't write to the share lab: Read-only file system" in what and "remount,rw" in mend


def test_a_share_that_is_full_says_so_and_one_that_is_nearly_full_says_how_much_is_left(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "lab", "size=40M") as path:
        (path / "much").write_bytes(b"x" * (39 << 20))
        with looking(path, tmp_path) as files:
            look_at(files)
            what, mend = said(path, files.health("lab"))
        assert "1.0 MiB of 40.0 MiB are free" in what and "Remove what" in mend
        with (path / "rest").open("wb", buffering=0) as rest, pytest.raises(OSError):
            while True:
                rest.write(b"x" * 4096)
        with looking(path, tmp_path) as files:
            assert look_at(files).free_bytes == 0
            whole = str(troubles(Share("lab", str(path)), files.health("lab")))
        assert "can't write to the share lab: No space left" in whole
        assert sorted(os.listdir(path)) == ["much", "rest"]


def test_a_file_servers_clock_that_is_off_is_noticed(tmp_path: Path) -> None:
    with (
        mounted(tmp_path / "served", tmp_path / "lab", seconds_ahead=-90) as mount,
        looking(mount.path, tmp_path) as files,
    ):
        difference = look_at(files).clock_difference_seconds
        assert difference is not None and abs(difference + 90) < 5
        what, mend = said(mount.path, files.health("lab"))
    assert "s behind this host's" in what and "NTP" in mend


def test_while_a_share_hangs_every_request_is_answered_at_once_and_all_goes_on_after(
    mount: Mounted, tmp_path: Path
) -> None:
    (tmp_path / "served" / "log.txt").write_text("hello")
    with looking(mount.path, tmp_path, must_be_mounted=True) as files:
        before = look_at(files)
        mount.hang()
        eventually(lambda: files.health("lab").away is not None)
        for _ in range(100):  # more than could wait for the share
            with pytest.raises(ShareAway, match="The share lab has not answered since 20"):
                files.read("lab", "log.txt", 0, 10)
            with pytest.raises(ShareAway, match="has not answered since"):
                files.probe("lab")
        health = files.health("lab")
        assert health.away is not None and (health.away.kind, health.look) == ("hangs", before)
        mount.go_on()
        eventually(lambda: answers(files))
        assert files.read("lab", "log.txt", 0, 10).content == b"hello"
        eventually(lambda: (look := files.health("lab").look) is not None and look.at > before.at)


def test_files_that_hang_one_by_one_leave_room_for_the_shares_health(mount: Mounted, tmp_path: Path) -> None:
    (tmp_path / "served" / "log.txt").write_text("hello")
    with looking(mount.path, tmp_path) as files:
        look_at(files)
        hurried = ShareFiles(tmp_path / "readers", deadline_seconds=0.5)

        def told(_: int = 0) -> str:
            try:
                return hurried.read("lab", "log.txt", 0, 10).content.decode()
            except ShareAway as away:
                return str(away)

        (tmp_path / "served" / "hold").touch()
        with ThreadPoolExecutor(64) as pool:
            assert "hello" not in list(pool.map(told, range(64)))
        eventually(lambda: told() == "The share lab does not answer; 64 requests wait for it already.")
        eventually(lambda: files.health("lab").away is None)
        (tmp_path / "served" / "hold").unlink()
        eventually(lambda: told() == "hello")


def test_a_share_that_is_there_and_takes_long_to_write_to_is_in_trouble(
    mount: Mounted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lackey.domain.share_health.SLOW_SECONDS", 0.2)
    (tmp_path / "served" / "hold").touch()
    with looking(mount.path, tmp_path) as files:
        eventually(lambda: files.health("lab").looking_seconds > 0.2)
        assert files.health("lab").away is None
        assert "Listing and writing on the share lab has taken" in said(mount.path, files.health("lab"))[0]
        (tmp_path / "served" / "hold").unlink()
        look_at(files)
        assert troubles(Share("lab", str(mount.path)), files.health("lab")) == []


def test_a_share_that_hangs_from_the_beginning_is_away_and_there_once_it_answers(
    mount: Mounted, tmp_path: Path
) -> None:
    mount.hang()
    with looking(mount.path, tmp_path) as files:
        health = files.health("lab")
        assert health.away is not None and (health.away.kind, health.look) == ("hangs", None)
        mount.go_on()
        eventually(lambda: answers(files))


def test_what_a_killed_reader_left_on_the_share_is_removed_when_it_is_an_hour_old(share: Path, tmp_path: Path) -> None:
    old, young, other = (share / f".lackey-probe-{letter * 32}" for letter in "abz")
    for path in (old, young, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, time.time() - 3700))
    with looking(share, tmp_path) as files:
        look_at(files)
        eventually(lambda: not old.exists())
        assert files.listing("lab", "").entries[0].name == other.name
    assert young.exists() and other.exists()


def test_a_share_where_files_can_be_made_but_not_removed_is_not_filled_with_them(
    mount: Mounted, tmp_path: Path
) -> None:
    (tmp_path / "served" / "keep").touch()
    (tmp_path / "link").symlink_to(mount.path)
    with looking(tmp_path / "link", tmp_path) as files:
        looks = [look_at(files)]
        assert "can't write to the share lab: Operation not permitted" in said(mount.path, files.health("lab"))[0]
        left = set(os.listdir(mount.path)) - {"keep"}
        for remove in (False, True):
            if remove:
                (tmp_path / "served" / "keep").unlink()
            (tmp_path / "link").unlink()
            assert not answers(files)
            (tmp_path / "link").symlink_to(mount.path)
            assert answers(files)
            looks.append(look_at(files))
            assert set(os.listdir(mount.path)) - {"keep"} == (set() if remove else left)
    assert [look.write_error for look in looks] == [errno.EPERM, errno.EPERM, None]
    assert len(left) == 1


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that everybody may enter, with a share in it."""
    place = Path(tempfile.mkdtemp(prefix="lackey-test-"))
    place.chmod(0o755)
    (place / "lab").mkdir()
    yield place
    shutil.rmtree(place)


def as_nobody(place: Path, mode: int) -> tuple[ShareHealth, list[str]]:
    """How the share is to readers that run as another user, and what is wrong, while it is open to this extent."""
    (place / "lab").chmod(mode)
    with looking(place / "lab", place, user="nobody") as files:
        eventually(lambda: (health := files.health("lab")).away is not None or health.look is not None)
        health = files.health("lab")
        return health, [trouble.what for trouble in troubles(Share("lab", str(place / "lab")), health)]


def test_readers_started_by_root_look_at_a_share_as_the_user_of_simulations(open_place: Path) -> None:
    health, wrong = as_nobody(open_place, 0o777)
    assert health.look is not None and (health.look.user, wrong) == ("nobody", [])
    health, wrong = as_nobody(open_place, 0o755)
    assert wrong == ["The user nobody can't write to the share lab: Permission denied."]
    _, wrong = as_nobody(open_place, 0o711)
    assert wrong[0].startswith("The user nobody can't list the share lab at ") and len(wrong) == 2
    open_place.chmod(0o700)
    health, wrong = as_nobody(open_place, 0o777)
    assert health.away is not None and health.away.kind == "closed" and "Permission denied" in wrong[0]


def test_a_reader_that_looks_as_another_user_reads_nothing_of_others_and_can_do_nothing_else(open_place: Path) -> None:
    (open_place / "lab" / "secret").write_text("root's")
    (open_place / "lab" / "secret").chmod(0o600)
    with looking(open_place / "lab", open_place, user="nobody") as files:
        with pytest.raises(FileRefused, match="Permission denied"):
            files.read("lab", "secret", 0, 10)
        (process,) = processes_of(open_place)
        nobody = pwd.getpwnam("nobody")
        for thread in Path(f"/proc/{process.pid}/task").iterdir():
            said = dict(line.split(":", 1) for line in (thread / "status").read_text().splitlines())
            # Real, effective, saved; and the last one is for files alone.
            assert said["Uid"].split() == ["0", "0", "0", str(nobody.pw_uid)]
            assert said["Gid"].split() == ["0", "0", "0", str(nobody.pw_gid)]
            assert "0" not in said["Groups"].split()
            assert {int(said[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")} == {0}
            assert said["NoNewPrivs"].strip() == "1"
        status = (open_place / "readers" / "lab.sock").stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, 0, 0o660)


def test_a_simulation_can_not_stop_slow_down_or_trace_the_reader_of_its_share(open_place: Path) -> None:
    with looking(open_place / "lab", open_place, user="nobody") as files:
        (process,) = processes_of(open_place)
        for attack in ("kill -STOP {}", "kill -KILL {}", "renice 19 {}", "cat /proc/{}/environ", "ls /proc/{}/fd"):
            become = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            tried = subprocess.run([*become, "sh", "-c", attack.format(process.pid)], capture_output=True, text=True)
            assert tried.returncode != 0 and "ermi" in tried.stderr, tried
        assert answers(files)


def test_a_reader_whose_user_is_not_known_here_says_so(share: Path, tmp_path: Path, capfd: Any) -> None:
    with reading({"lab": (str(share), False)}, tmp_path / "readers", "no-such-user"):
        eventually(lambda: processes_of(tmp_path) == [])
    assert "share lab: there is no user 'no-such-user' on this host" in capfd.readouterr().err
