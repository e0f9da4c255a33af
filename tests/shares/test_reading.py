"""What a real reader reads, lists and refuses, seen through its client."""

import json
import os
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lackey.files import FileMissing, FileRefused, ShareAway, ShareFiles
from tests.shares.seen import WITHIN_SECONDS, answers, eventually
from tests.swapping import swapped_with_link


@pytest.fixture
def ask(files: ShareFiles, tmp_path: Path) -> Callable[[bytes], dict[str, Any]]:
    """Send the reader any line, and get the header of its answer."""

    def ask(line: bytes) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as answer:
            connection.settimeout(WITHIN_SECONDS)
            connection.connect(str(tmp_path / "readers" / "lab.sock"))
            connection.sendall(line)
            header: dict[str, Any] = json.loads(answer.readline())
            return header

    return ask


def test_a_log_is_followed_piece_by_piece_while_it_grows(share: Path, files: ShareFiles) -> None:
    with (share / "log.txt").open("wb", buffering=0) as log:
        log.write(b"step 1\n")
        first = files.read("lab", "log.txt", 0, 100)
        log.write(b"step 2\n")
        second = files.read("lab", "log.txt", 7, 100)
    assert (first.content, first.size) == (b"step 1\n", 7)
    assert (second.content, second.size) == (b"step 2\n", 14)
    assert second.mtime == (share / "log.txt").stat().st_mtime


def test_a_file_that_grew_is_the_same_and_one_that_took_its_place_is_another(share: Path, files: ShareFiles) -> None:
    log = share / "log.txt"
    log.write_bytes(b"step 1\n")
    first = files.read("lab", "log.txt", 0, 0)
    with log.open("ab") as file:
        file.write(b"step 2\n")
    assert not files.read("lab", "log.txt", 0, 100).is_of_another_than(first)
    (share / "new").write_bytes(b"another, and a longer one\n")
    (share / "new").rename(log)
    second = files.read("lab", "log.txt", 0, 100)
    assert second.is_of_another_than(first)
    log.write_bytes(b"x" * second.size)
    assert files.read("lab", "log.txt", 0, 100).is_of_another_than(second)


def test_a_piece_ends_at_its_length_and_at_the_files_end(share: Path, files: ShareFiles) -> None:
    (share / "log.txt").write_bytes(bytes(range(256)) * 8192)
    assert files.read("lab", "log.txt", 3, 5).content == bytes([3, 4, 5, 6, 7])
    assert len(files.read("lab", "log.txt", 0, 1 << 20).content) == 1 << 20
    assert files.read("lab", "log.txt", (2 << 20) - 2, 100).content == bytes([254, 255])
    assert files.read("lab", "log.txt", 3 << 20, 100).content == b""
    assert files.read("lab", "log.txt", 0, 0).content == b""


def test_a_missing_file_and_a_missing_directory_are_said_to_be_missing(share: Path, files: ShareFiles) -> None:
    (share / "file").touch()
    for path in ("log.txt", "heat/log.txt", "file/log.txt"):
        with pytest.raises(FileMissing, match="on the share lab"):
            files.read("lab", path, 0, 10)
    with pytest.raises(FileMissing):
        files.listing("lab", "heat")


def test_links_that_stay_on_the_share_are_followed(share: Path, files: ShareFiles) -> None:
    (share / "scratch" / "7").mkdir(parents=True)
    (share / "scratch" / "7" / "log.txt").write_text("mine")
    (share / "heat").mkdir()
    (share / "heat" / "lackey-runs").symlink_to("../scratch")
    (share / "latest").symlink_to("heat")
    (share / "heat" / "log").symlink_to("lackey-runs/7/log.txt")
    for path in ("heat/lackey-runs/7/log.txt", "latest/lackey-runs/7/log.txt", "latest/log"):
        assert files.read("lab", path, 0, 10).content == b"mine"
    assert [entry.name for entry in files.listing("lab", "latest/lackey-runs/7").entries] == ["log.txt"]


def test_nothing_is_read_through_a_link_that_leaves_the_share_wherever_it_stands(
    share: Path, files: ShareFiles, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    (share / "key").write_text("mine")
    (share / "at_the_end").symlink_to(tmp_path / "secret" / "key")
    (share / "on_the_way").symlink_to(tmp_path / "secret")
    (share / "up").symlink_to("../secret/key")
    (share / "up_and_back").symlink_to(f"../{share.name}/key")
    (share / "absolute").symlink_to(share / "key")
    (share / "chain").symlink_to("on_the_way")
    (share / "magic").symlink_to("/proc/self/root")
    for path in ("at_the_end", "on_the_way/key", "up", "up_and_back", "absolute", "chain/key", "magic/etc/passwd"):
        with pytest.raises(FileRefused, match="links are followed if they are relative and stay on it"):
            files.read("lab", path, 0, 10)
    with pytest.raises(FileRefused, match="outside the share"):
        files.listing("lab", "on_the_way")


def test_links_in_a_circle_and_links_to_nothing_are_said_to_be_so(share: Path, files: ShareFiles) -> None:
    (share / "one").symlink_to("other")
    (share / "other").symlink_to("one")
    (share / "nowhere").symlink_to("gone")
    with pytest.raises(FileRefused, match="in a circle"):
        files.read("lab", "one", 0, 10)
    with pytest.raises(FileMissing):
        files.read("lab", "nowhere", 0, 10)


def test_nothing_is_read_through_a_link_that_is_swapped_in_at_any_moment(
    share: Path, files: ShareFiles, tmp_path: Path
) -> None:
    for place, text in ((share / "heat", "mine"), (tmp_path / "secret", "secret")):
        place.mkdir()
        (place / "key").write_text(text)
    seen: Counter[bytes] = Counter()

    def both_ways() -> bool:
        try:
            seen[files.read("lab", "heat/key", 0, 10).content] += 1
        except FileRefused:
            seen[b"refused"] += 1
        return min(seen[b"mine"], seen[b"refused"]) >= 20

    with swapped_with_link(share / "heat", tmp_path / "secret"):
        eventually(both_ways)
    assert set(seen) == {b"mine", b"refused"}


@pytest.mark.parametrize("path", ["../key", "heat/../../key", "/etc/passwd", "..", "lo\0g", "x" * 300, "\ud800"])
def test_a_path_that_leaves_the_share_or_is_none_is_refused(share: Path, files: ShareFiles, path: str) -> None:
    (share / "heat").mkdir()
    (share.parent / "key").write_text("secret")
    with pytest.raises(FileRefused):
        files.read("lab", path, 0, 10)
    with pytest.raises(FileRefused):
        files.listing("lab", path)


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(share: Path, files: ShareFiles) -> None:
    os.mkfifo(share / "fifo")
    (share / "directory").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(share / "socket"))
        for name in ("fifo", "socket"):
            (share / f"to_{name}").symlink_to(name)
        for path in ("fifo", "directory", "socket", "", "to_fifo", "to_socket"):
            with pytest.raises(FileRefused):
                files.read("lab", path, 0, 10)
        for path in ("fifo", "socket"):
            with pytest.raises(FileRefused):
                files.listing("lab", path)


def test_a_listing_tells_names_sizes_and_kinds_in_order(share: Path, files: ShareFiles) -> None:
    (share / "heat").mkdir()
    (share / "heat" / "log.txt").write_bytes(b"12345")
    (share / "heat" / "frames").mkdir()
    (share / "heat" / "away").symlink_to("/nowhere")
    (share / "heat" / "latest").symlink_to("log.txt")
    (share / "heat" / "over").symlink_to("../over")
    (share / "heat" / "round").symlink_to("round")
    (share / "over").mkdir()
    os.mkfifo(share / "heat" / "pipe")
    listing = files.listing("lab", "heat")
    assert listing.complete
    assert [(entry.name, entry.kind) for entry in listing.entries] == [
        ("away", "link"),
        ("frames", "directory"),
        ("latest", "file"),
        ("log.txt", "file"),
        ("over", "directory"),
        ("pipe", "other"),
        ("round", "link"),
    ]
    assert [entry.size for entry in listing.entries[2:4]] == [5, 5]
    assert listing.entries[3].mtime == (share / "heat" / "log.txt").stat().st_mtime
    assert [entry.name for entry in files.listing("lab", "").entries] == ["heat", "over"]


def test_a_name_that_is_no_utf8_is_listed_and_can_be_read(share: Path, files: ShareFiles) -> None:
    Path(os.fsdecode(os.fsencode(share) + b"/\xff\xfe.log")).write_text("found")
    (entry,) = files.listing("lab", "").entries
    assert os.fsencode(entry.name) == b"\xff\xfe.log"
    assert files.read("lab", entry.name, 0, 10).content == b"found"


def test_a_listing_of_a_thousand_is_complete_and_one_of_more_says_that_it_is_not(
    share: Path, files: ShareFiles
) -> None:
    for number in range(1000):
        (share / (f"{number:04}" + "\udcff" * 200)).touch()
    listing = files.listing("lab", "")
    assert (len(listing.entries), listing.complete) == (1000, True)
    (share / "one more").touch()
    listing = files.listing("lab", "")
    assert (len(listing.entries), listing.complete) == (1000, False)


def test_a_large_directory_is_listed_in_order_part_by_part(share: Path, files: ShareFiles) -> None:
    names = [f"{number:04}\udcff" for number in range(2500)]
    for name in reversed(names):
        (share / name).touch()
    parts, after = [], None
    for _ in range(5):
        listing = files.listing("lab", "", after)
        parts.append([entry.name for entry in listing.entries])
        if listing.next is None:
            break
        after = listing.next
    assert [len(part) for part in parts] == [1000, 1000, 500]
    assert sum(parts, []) == names and listing.complete


def test_what_is_a_link_is_known_whatever_it_leads_to(share: Path, files: ShareFiles) -> None:
    (share / "file").touch()
    (share / "link").symlink_to("file")
    (share / "loop").symlink_to(".")
    listing = files.listing("lab", "")
    assert [entry.kind for entry in listing.entries] == ["file", "file", "directory"]
    assert listing.links == {"link", "loop"}


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"17\n",
        b"[" * 60000 + b"\n",
        b'{"op": "remove", "path": "log.txt"}\n',
        b'{"op": ["read"]}\n',
        b'{"op": "read"}\n',
        b'{"op": "read", "path": 3, "offset": 0, "length": 1}\n',
        b'{"op": "read", "path": "log.txt", "offset": -1, "length": 1}\n',
        b'{"op": "read", "path": "log.txt", "offset": 0, "length": -1}\n',
        b'{"op": "read", "path": "log.txt", "offset": 0, "length": 1048577}\n',
        b'{"op": "read", "path": "log.txt", "offset": 99999999999999999999, "length": 1}\n',
        b'{"op": "read", "path": "log.txt", "offset": 0.5, "length": 1}\n',
        b'{"op": "read", "path": "log.txt", "offset": true, "length": 1}\n',
        b'{"op": "read", "path": "log.txt", "offset": 1e999, "length": 1}\n',
        b'{"op": "list", "path": null}\n',
        b'{"op": "probe", "x": "' + b"x" * 70000 + b'"}\n',
    ],
)
def test_a_request_that_makes_no_sense_gets_an_error_and_ends_nothing(
    share: Path, files: ShareFiles, ask: Callable[[bytes], dict[str, Any]], line: bytes
) -> None:
    (share / "log.txt").write_text("hello")
    answer = ask(line)
    assert (answer["ok"], answer["error"]) == (False, "refused")
    assert files.read("lab", "log.txt", 0, 10).content == b"hello"


def test_a_client_that_says_nothing_keeps_nobody_waiting(share: Path, files: ShareFiles, tmp_path: Path) -> None:
    (share / "log.txt").write_text("hello")
    idle = [socket.socket(socket.AF_UNIX) for _ in range(10)]
    try:
        for client in idle:
            client.connect(str(tmp_path / "readers" / "lab.sock"))
            client.sendall(b'{"op": "re')
        assert files.read("lab", "log.txt", 0, 10).content == b"hello"
    finally:
        for client in idle:
            client.close()


def test_when_a_reader_has_too_many_clients_the_next_hears_so_at_once(files: ShareFiles, tmp_path: Path) -> None:
    idle = [socket.socket(socket.AF_UNIX) for _ in range(270)]
    try:
        for client in idle:
            client.connect(str(tmp_path / "readers" / "lab.sock"))
        with pytest.raises(ShareAway, match="has 256 clients already"):
            files.probe("lab")
    finally:
        for client in idle:
            client.close()
    eventually(lambda: answers(files))
