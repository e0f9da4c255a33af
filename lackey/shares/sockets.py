"""The Unix sockets that readers listen at."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def _short(path: Path) -> Iterator[str]:
    # A socket's path ends at 107 bytes (unix(7)); that of a data directory may be longer.
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def listen(path: Path, backlog: int) -> socket.socket:
    """Listen at `path`, in place of whatever is there; nobody finds the new socket before it listens."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with _short(aside) as name:
        listener.bind(name)
    aside.chmod(0o660)  # the web service is in the same group
    listener.listen(backlog)
    aside.rename(path)
    return listener


def somebody_listens(path: Path) -> bool:
    """Whether a connection to `path` would be taken. Never waits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            with _short(path) as name:
                client.connect(name)
        except BlockingIOError:  # so many wait already that there is no place
            return True
        except OSError:
            return False
    return True
