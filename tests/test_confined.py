"""Nothing outside the directory is opened, whatever is planted in it."""

import errno
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lackey.confined import open_beneath, open_root
from tests.swapping import swapped_with_link
from tests.waiting import wait_until


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret").write_text("secret")
    return place


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Iterator[int]:
    share = tmp_path / "share"
    (share / "inner").mkdir(parents=True)
    (share / "inner" / "file").write_text("inside")
    (share / "out").symlink_to(outside)
    (share / "up").symlink_to("../outside")
    (share / "secret").symlink_to(outside / "secret")
    (share / "in").symlink_to("inner")
    (share / "magic").symlink_to("/proc/self/root")
    (share / "chain").symlink_to("inner/next")
    (share / "inner" / "next").symlink_to("../up")
    (share / "round").symlink_to("inner/about")
    (share / "inner" / "about").symlink_to("../round")
    descriptor = open_root(str(share))
    yield descriptor
    os.close(descriptor)


def read(root: int, path: str, *, links: bool = False) -> str:
    with open(open_beneath(root, path, os.O_RDONLY, links=links), encoding="utf-8") as file:
        return file.read()


def refusal(root: int, path: str, *, links: bool = False, flags: int = os.O_RDONLY) -> int | None:
    with pytest.raises(OSError) as refused:
        os.close(open_beneath(root, path, flags, links=links))
    assert refused.value.filename == path
    return refused.value.errno


def test_a_file_beneath_is_opened(root: int) -> None:
    assert read(root, "inner/file") == "inside"


@pytest.mark.parametrize("links", [False, True])
@pytest.mark.parametrize("path", ["../outside/secret", "inner/../../outside/secret", "/etc/passwd"])
def test_a_path_that_climbs_out_is_refused(root: int, path: str, links: bool) -> None:
    assert refusal(root, path, links=links) == errno.EXDEV


@pytest.mark.parametrize("path", ["out/secret", "up/secret", "secret", "in/file", "magic/etc/passwd", "chain/secret"])
def test_no_link_is_followed_unasked(root: int, path: str) -> None:
    assert refusal(root, path) == errno.ELOOP


@pytest.mark.parametrize("path", ["out/secret", "up/secret", "secret", "magic/etc/passwd", "chain/secret"])
def test_a_link_that_leads_out_is_never_followed(root: int, path: str) -> None:
    assert refusal(root, path, links=True) == errno.EXDEV


def test_a_link_that_stays_beneath_is_followed_on_request(root: int) -> None:
    assert read(root, "in/file", links=True) == "inside"


def test_links_that_lead_round_in_a_ring_are_an_error(root: int) -> None:
    assert refusal(root, "round/file", links=True) == errno.ELOOP


@pytest.mark.parametrize(("links", "refused"), [(False, errno.ELOOP), (True, errno.EXDEV)])
def test_a_link_that_is_swapped_in_at_any_moment_leads_nowhere(
    root: int, tmp_path: Path, outside: Path, links: bool, refused: int
) -> None:
    (tmp_path / "share" / "inner" / "secret").write_text("mine")
    seen: Counter[str | int | None] = Counter()

    def both_ways() -> bool:
        try:
            seen[read(root, "inner/secret", links=links)] += 1
        except OSError as error:
            seen[error.errno] += 1
        return min(seen["mine"], seen[refused]) >= 50

    with swapped_with_link(tmp_path / "share" / "inner", outside):
        wait_until(both_ways)
    assert set(seen) == {"mine", refused}


def test_a_file_is_not_created_through_a_link(root: int, tmp_path: Path) -> None:
    (tmp_path / "share" / "log").symlink_to(tmp_path / "outside" / "log")
    assert refusal(root, "log", flags=os.O_WRONLY | os.O_CREAT) == errno.ELOOP
    assert not (tmp_path / "outside" / "log").exists()


def test_a_created_file_has_the_mode_asked_for(root: int, tmp_path: Path) -> None:
    os.close(open_beneath(root, "made", os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600))
    assert (tmp_path / "share" / "made").stat().st_mode & 0o777 == 0o600


def test_a_nul_in_the_path_is_an_error_and_does_not_cut_it_short(root: int) -> None:
    assert refusal(root, "inner/file\0.txt") == errno.EINVAL


def test_what_is_not_there_is_named(root: int) -> None:
    assert refusal(root, "missing") == errno.ENOENT


def test_programs_started_meanwhile_do_not_inherit_the_descriptor(root: int) -> None:
    descriptor = open_beneath(root, "inner/file", os.O_RDONLY)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_a_root_must_be_a_directory_that_is_there(tmp_path: Path, outside: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_root(str(tmp_path / "missing"))
    with pytest.raises(NotADirectoryError):
        open_root(str(outside / "secret"))
