"""The Unix sockets that readers listen at."""

import os
import socket
from pathlib import Path

from lackey.wake import short_path


def listen(path: Path, backlog: int) -> socket.socket:
    """Listen at `path`, in place of whatever is there; nobody finds the new socket before it listens."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with short_path(aside) as name:
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
            with short_path(path) as name:
                client.connect(name)
        except BlockingIOError:  # so many wait already that there is no place
            return True
        except OSError:
            return False
    return True
