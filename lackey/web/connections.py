"""The connections of the development server: so many at most, and those that ask nothing are let go first."""

import contextlib
import logging
import resource
import socket
import threading

from lackey.domain.limits import SERVE_CONNECTIONS

log = logging.getLogger(__name__)

# Each connection may need as many descriptors: its own, the database's, a share's reader's.
_DESCRIPTORS_EACH = 3


def most_connections() -> int:
    """How many there may be: fewer than the limit where the process may not open enough files (setrlimit(2))."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return SERVE_CONNECTIONS if soft < 0 else max(4, min(SERVE_CONNECTIONS, soft // _DESCRIPTORS_EACH))


class Connections:
    """Those that are open. Safe for threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        # Those from which no whole request has come yet, the oldest first.
        self._idle: dict[socket.socket, None] = {}

    def let_in(self, connection: socket.socket) -> bool:
        """Take a new one in, in place of the one that has been idle for longest if need be; False: all are at work."""
        with self._lock:
            if len(self._open) >= self._most and not self._let_go():
                return False
            self._open.add(connection)
            self._idle[connection] = None
            return True

    def asked(self, connection: socket.socket) -> None:
        """A request has come from it."""
        with self._lock:
            self._idle.pop(connection, None)

    def closed(self, connection: socket.socket) -> None:
        """It is there no more."""
        with self._lock:
            self._idle.pop(connection, None)
            self._open.discard(connection)

    def make_room(self) -> bool:
        """Let the one go that has been idle for longest; whether there was one."""
        with self._lock:
            return self._let_go()

    def _let_go(self) -> bool:
        oldest = next(iter(self._idle), None)
        if oldest is None:
            return False
        del self._idle[oldest]
        self._open.discard(oldest)
        # Its thread sees the end of what is sent, and closes it.
        with contextlib.suppress(OSError):
            oldest.shutdown(socket.SHUT_RDWR)
        return True
