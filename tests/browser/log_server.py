"""A page with a log view, and a server that answers for its log as lackey does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

STATIC = Path(__file__).parents[2] / "lackey" / "web" / "static"
PIECE = 1024 * 1024
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Run 7</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/static/log.css">
<script type="module" src="/static/log.js"></script></head>
<body><main><h1>Run 7</h1>
<section class="log" aria-label="Log" data-url="/run/7/log" data-live="1"><pre>the tail, from the server</pre>
<p><a href="/run/7/log" download="run-7.txt">Download the log</a></p></section></main></body></html>
"""
TYPES = {".js": "text/javascript", ".css": "text/css"}


class Log:
    """A log in a file, which may be sparse, and what was asked of it."""

    def __init__(self, file: Path) -> None:
        """An empty one."""
        self.file = file
        self.offsets: list[int] = []
        self.away = False
        self.complete = True
        file.touch()

    def write(self, text: bytes, at: int | None = None) -> None:
        """Add to the end, or make it text from some byte on."""
        with self.file.open("r+b") as file:
            file.seek(at if at is not None else self.size)
            file.write(text)

    def replace(self, text: bytes) -> None:
        """Make it another one."""
        self.file.write_bytes(text)

    @property
    def size(self) -> int:
        """How long it is now."""
        return os.stat(self.file).st_size

    def read(self, offset: int) -> bytes:
        """At most as much as is answered at once."""
        with self.file.open("rb") as file:
            file.seek(min(offset, self.size))
            return file.read(PIECE)


class LogServer:
    """Where the page is, and the log on it."""

    def __init__(self, url: str, log: Log) -> None:
        """The server runs."""
        self.url = url
        self.log = log


@contextmanager
def log_server(file: Path) -> Iterator[LogServer]:
    """A server on a free port of its own."""
    log = Log(file)

    class Handler(_Handler):
        served = log

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield LogServer(f"http://127.0.0.1:{server.server_port}/", log)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Log

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        static = STATIC / asked.path.removeprefix("/static/")
        if asked.path == "/run/7/log":
            self._log(parse_qs(asked.query))
        elif asked.path.startswith("/static/") and static.is_file():
            self._answer(200, TYPES[static.suffix], static.read_bytes())
        elif asked.path == "/":
            self._answer(200, "text/html; charset=utf-8", PAGE.encode())
        else:
            self._answer(404, "text/plain", b"")

    def _log(self, query: dict[str, list[str]]) -> None:
        if self.served.away:
            self._answer(503, "text/plain", b"the share is away")
            return
        offset = int(query.get("offset", ["0"])[0])
        self.served.offsets.append(offset)
        content = self.served.read(offset)
        headers = {
            "X-Log-Offset": str(offset),
            "X-Log-Size": str(max(self.served.size, offset + len(content)) if content else self.served.size),
            "X-Log-Complete": "true" if self.served.complete else "false",
        }
        self._answer(200, "text/plain; charset=utf-8", content, headers)

    def _answer(self, status: int, kind: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
