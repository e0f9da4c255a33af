"""The client against readers that fail in every way; `test_shares.py` has the real ones."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lackey.files import FileMissing, FileRefused, ShareAway, ShareFiles

Speak = Callable[[socket.socket], None]
Start = Callable[..., ShareFiles]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Start]:
    """Start a false reader of the share `lab`, which speaks as it is told to each client, and get a client for it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "lab.sock"))
    listener.listen()
    threads = []

    def start(speak: Speak, deadline_seconds: float = 20.0) -> ShareFiles:
        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                speak(connection)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return ShareFiles(tmp_path, deadline_seconds)

    yield start
    for thread in threads:
        thread.join(10)
    listener.close()


def say(answer: object, content: bytes = b"") -> Speak:
    return lambda connection: connection.sendall(json.dumps(answer).encode() + b"\n" + content)


def until_the_client_leaves(piece: bytes) -> Speak:
    def speak(connection: socket.socket) -> None:
        connection.settimeout(0.01)
        while True:
            try:
                connection.sendall(piece)
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    return speak


def test_an_answer_that_never_comes_ends_with_the_deadline(reader: Start) -> None:
    with pytest.raises(ShareAway, match=r"'lab' did not answer within 0\.2 s"):
        reader(until_the_client_leaves(b""), 0.2).probe("lab")


def test_an_answer_that_drips_does_not_stretch_the_deadline(reader: Start) -> None:
    with pytest.raises(ShareAway, match="did not answer within"):
        reader(until_the_client_leaves(b" "), 0.2).probe("lab")


def test_content_that_drips_does_not_stretch_the_deadline(reader: Start) -> None:
    def speak(connection: socket.socket) -> None:
        say({"ok": True, "size": 1 << 20, "mtime": 1.0, "length": 1 << 20})(connection)
        until_the_client_leaves(b"x")(connection)

    with pytest.raises(ShareAway, match="did not answer within"):
        reader(speak, 0.2).read("lab", "log.txt", 0, 1 << 20)


@pytest.mark.parametrize(
    "speak",
    [
        pytest.param(lambda connection: None, id="nothing"),
        pytest.param(lambda connection: connection.sendall(b'{"ok": tr'), id="half a line"),
        pytest.param(lambda connection: connection.sendall(b"hello\n"), id="no JSON"),
        pytest.param(say({"ok": True, "size": 9, "mtime": 1.0, "length": 9}, b"half"), id="too little content"),
        pytest.param(lambda connection: until_the_client_leaves(b"x" * (1 << 20))(connection), id="a line without end"),
    ],
)
def test_an_answer_that_breaks_off_or_makes_no_sense_means_that_the_share_is_away(reader: Start, speak: Speak) -> None:
    with pytest.raises(ShareAway, match="Nothing reads the share 'lab'"):
        reader(speak).read("lab", "log.txt", 0, 10)


@pytest.mark.parametrize(
    ("error", "raised"),
    [("missing", FileMissing), ("refused", FileRefused), ("away", ShareAway), ("failed", ShareAway)],
)
def test_each_error_comes_with_the_readers_own_sentence(reader: Start, error: str, raised: type[Exception]) -> None:
    with pytest.raises(raised, match="^The dog ate it.$"):
        reader(say({"ok": False, "error": error, "why": "The dog ate it."})).read("lab", "log.txt", 0, 10)


def test_without_a_reader_the_share_is_away(tmp_path: Path) -> None:
    with pytest.raises(ShareAway, match="Nothing reads the share 'lab'"):
        ShareFiles(tmp_path).probe("lab")


def test_with_a_reader_that_has_ended_the_share_is_away(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "lab.sock"))
        listener.listen()
    with pytest.raises(ShareAway, match="Nothing reads the share 'lab'"):
        ShareFiles(tmp_path).probe("lab")


def test_a_reader_that_too_many_wait_for_means_that_the_share_is_away(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        listener.bind(str(tmp_path / "lab.sock"))
        listener.listen(0)
        other.connect(str(tmp_path / "lab.sock"))
        with pytest.raises(ShareAway, match="did not answer within"):
            ShareFiles(tmp_path, deadline_seconds=0.2).probe("lab")


@pytest.mark.parametrize("name", ["../elsewhere/lab", "lab\0", "", "é" * 200, "\udcff"])
def test_a_name_that_is_no_shares_reaches_no_other_socket(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "readers").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "elsewhere" / "lab.sock"))
        listener.listen()
        with pytest.raises(ShareAway):
            ShareFiles(tmp_path / "readers", deadline_seconds=0.2).probe(name)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
