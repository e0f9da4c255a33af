"""The server of `lackey serve`: Bottle's own, which is the standard library's, with a thread for each connection.

It speaks HTTP/1.0: each answer ends its connection. For more than a desk's worth of users there is uWSGI (`deploy/`).
"""

import contextlib
import errno
import logging
import os
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import bottle

from lackey.web.connections import Connections, most_connections

log = logging.getLogger(__name__)

_DRAINED_AT_MOST = 16 << 20
_DRAIN_SECONDS = 2.0
_IDLE_SECONDS = 60.0
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NO_ROOM_SECONDS = 0.1
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 5\r\n\r\n"
# Bottle's word for: a file of the program has changed, start me again.
_RELOAD = 3


class _Handler(WSGIRequestHandler):
    timeout = _IDLE_SECONDS
    # Stays empty when the first line is no request.
    path = ""

    def address_string(self) -> str:
        """The client's address, without asking any name server."""
        return str(self.client_address[0])

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """One line a request, without its query. Who only reads, and may, is passed over: pages and tables poll."""
        quiet = not self.path or (self.command in ("GET", "HEAD") and str(code).startswith(("2", "3")))
        method, target = (
            text.encode("unicode_escape").decode() for text in (str(self.command), self.path.partition("?")[0])
        )
        log.log(logging.DEBUG if quiet else logging.INFO, "%s %s %s %s", self.address_string(), method, target, code)

    def parse_request(self) -> bool:
        """Read the head of a request; whether it is one. How long its body is has to be said once, and in one way."""
        if not super().parse_request():
            return False
        if isinstance(self.server, _Server):
            self.server.connections.asked(self.connection)
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) + len(self.headers.get_all("Transfer-Encoding", [])) > 1:
            self.send_error(400, "Content-Length or Transfer-Encoding, and once")
            return False
        return True

    def get_environ(self) -> dict[str, Any]:
        """As wsgiref has it, but that a body without a type is not said to be text/plain."""
        return {**super().get_environ(), "CONTENT_TYPE": self.headers.get("Content-Type", "")}

    def log_error(self, format: str, *args: Any) -> None:
        """What is no HTTP is not repeated: it could hold anything."""
        log.info("%s sent what is no request, or nothing", self.address_string())


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *given: Any) -> None:
        self.connections = Connections(most_connections())
        super().__init__(*given)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection. Without a descriptor to spare, an idle one is let go, and it is tried again later."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _NO_ROOM:
                log.warning("no connection can be accepted now: %s", error.strerror)
                self.connections.make_room()
                time.sleep(_NO_ROOM_SECONDS)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, if there is room; else say at once that there is none."""
        if self.connections.let_in(request):
            super().process_request(request, client_address)
            return
        with contextlib.suppress(OSError):
            request.settimeout(0)
            request.send(_BUSY)
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """Close the connection."""
        self.connections.closed(request)
        super().close_request(request)

    def server_bind(self) -> None:
        """Bind, without asking a name server who we are, as the standard library would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def shutdown_request(self, request: Any) -> None:
        """Close the connection so that an early answer arrives.

        Closing a socket with unread bytes in it resets the connection (RFC 9112, 9.6), and a client that still sends
        its body would never see why it was refused. So the body is read to its end, within bounds.
        """
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            _drain(request)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or says nothing for a minute, is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            log.exception("the connection from %s broke", client_address[0])


class _ServerOverIPv6(_Server):
    address_family = socket.AF_INET6


def _drain(connection: socket.socket) -> None:
    deadline = time.monotonic() + _DRAIN_SECONDS
    drained = 0
    while drained < _DRAINED_AT_MOST and (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        received = len(connection.recv(1 << 16))
        if not received:
            break
        drained += received


class DevelopmentServer(bottle.ServerAdapter):  # type: ignore[misc]
    """Listens from the moment it is made; raises OSError when it can't. A port of 0 takes a free one."""

    def __init__(self, host: str, port: int) -> None:
        """`host`: a name or address, IPv6 ones without brackets."""
        kind = _ServerOverIPv6 if ":" in host else _Server
        self._server = kind((host, port), _Handler)
        super().__init__(host=host, port=int(self._server.server_address[1]))

    @property
    def url(self) -> str:
        """How a client on this host reaches it."""
        host = "localhost" if self.host in ("0.0.0.0", "::", "") else str(self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def run(self, handler: Callable[..., Any]) -> None:
        """Answer until KeyboardInterrupt."""
        self._server.set_app(handler)
        try:
            self._server.serve_forever()
        finally:
            self._server.server_close()


def serve(application: bottle.Bottle, server: DevelopmentServer, reload: bool) -> None:
    """Serve until KeyboardInterrupt; with `reload` (see `watch`) raise SystemExit, too, when the code has changed."""
    if reload:
        # Bottle interrupts us with it, and a shell that starts a program in the background has it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    bottle.run(app=application, server=server, quiet=True, reloader=reload)


def is_watched() -> bool:
    """Whether this process was started by `watch`."""
    return "BOTTLE_CHILD" in os.environ


def watch(command: Sequence[str]) -> int:
    """Run `command` again and again, each time its code has changed; its exit code when it ends for another reason.

    The file and the two names are how Bottle's reloader knows that we are alive. We stand in for its outer half, which
    does not wait for its child at the end.
    """
    with tempfile.NamedTemporaryFile(prefix="lackey-reload-") as sign_of_life:
        environment = os.environ | {"BOTTLE_CHILD": "true", "BOTTLE_LOCKFILE": sign_of_life.name}
        while True:
            child = subprocess.Popen(command, env=environment)
            try:
                while child.poll() is None:
                    os.utime(sign_of_life.name)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        child.wait(1.0)
            except KeyboardInterrupt:
                child.terminate()
                return child.wait()
            if child.returncode != _RELOAD:
                return child.returncode
