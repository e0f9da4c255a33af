"""What the tests of readers see them by."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from lackey.files import ShareAway, ShareFiles
from lackey.shares.readers import Readers

WITHIN_SECONDS = 20.0


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it is so, and fail if that takes too long."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def answers(files: ShareFiles, share: str = "lab") -> bool:
    """Whether the share's reader says that the share is there."""
    try:
        files.probe(share)
    except ShareAway:
        return False
    return True


def processes_of(directory: Path) -> list[psutil.Process]:
    """The readers whose sockets lie in `directory`."""
    found = []
    for process in psutil.process_iter():
        try:
            if "lackey.shares" in process.cmdline() and any(str(directory) in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@contextmanager
def reading(shares: dict[str, tuple[str, bool]], directory: Path, user: str | None = None) -> Iterator[Readers]:
    """Readers that are started, and stopped in the end."""
    readers = Readers(shares, directory, user)
    readers.start()
    try:
        yield readers
    finally:
        readers.stop()
