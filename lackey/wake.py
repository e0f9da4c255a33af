"""Waking the scheduler: an empty datagram on a Unix socket in the data directory. Losing one costs a poll's wait."""

import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "wake.sock"


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for a socket's path that fits: addresses end at 107 bytes (unix(7)), data directories may not."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def send(data_dir: Path) -> None:
    """Wake the scheduler of this data directory, if there is one. Never waits, never fails."""
    send_to(data_dir / NAME)


def send_to(path: Path) -> None:
    """Wake the scheduler that listens at `path`; the same otherwise."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        with short_path(path) as name:
            sender.sendto(b"", name)


def listen(data_dir: Path) -> socket.socket:
    """The socket at which to be woken, non-blocking. Replaces what an earlier scheduler left."""
    path = data_dir / NAME
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setblocking(False)
    with short_path(path) as name:
        listener.bind(name)
    path.chmod(0o660)  # the web service is in the same group
    return listener


def drain(listener: socket.socket) -> None:
    """Forget the wakes that have come."""
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.recv(16)
