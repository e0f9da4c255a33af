"""A server that is not lackey, or lies: it answers what a test says, and remembers what it was asked with."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stranger(BaseHTTPRequestHandler):
    """Answers what it is told to, and remembers what it was asked with. A status of 0: it breaks the connection."""

    answers: list[tuple[int, dict[str, str], bytes]] = []
    asked: list[tuple[str, str | None]] = []
    names: list[str | None] = []
    paths: list[str] = []

    def do_GET(self) -> None:
        self.asked.append((self.command, self.headers.get("Authorization")))
        self.names.append(self.headers.get("Idempotency-Key"))
        self.paths.append(self.path)
        status, headers, body = self.answers.pop(0)
        if not status:
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nobody wants to know."""


@contextmanager
def strange_service() -> Iterator[str]:
    """The URL of such a server, as long as the block lasts."""
    Stranger.answers, Stranger.asked, Stranger.names, Stranger.paths = [], [], [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
