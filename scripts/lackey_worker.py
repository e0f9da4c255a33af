"""What a worker of uWSGI does beside answering: it says that it is well, and keeps threads free for those who come.

uWSGI's `harakiri` has one timer for all threads of a worker: any request that ends clears it, so it spares what hangs
and ends what works. In its place each worker says once a second, in memory that uWSGI's processes share, that it is
well; `lackey_watch` has one replaced that no longer does. It does not if it is stopped, if something holds Python's
lock, or if each of its threads has held a request for a minute without taking or giving a byte: by then nginx has
answered all of them in its place.
"""

import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

# The process and how often it has said that it is well: one for each worker, at its number.
WELL = struct.Struct("=QQ")
BETWEEN_SECONDS = 1.0
# uwsgi_read_timeout of nginx's site.
_HELD_SECONDS = 60.0
# uwsgi_max_temp_file_size of nginx's site: what is larger holds a thread for as long as its client takes.
_PASSED_ON_BYTES = 1 << 30
_PIECE = 1 << 20
_BUSY = (
    b'{"type":"urn:lackey:problem:unavailable","title":"Service Unavailable","status":503,'
    b'"detail":"as many large files are being fetched as may be at once; try again"}'
)
_BUSY_HEADERS = [
    ("Content-Type", "application/problem+json"),
    ("Content-Length", str(len(_BUSY))),
    ("Retry-After", "30"),
]

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Worker:
    """The application with an eye on each thread of the worker's, of which there are `threads`."""

    def __init__(self, application: Application, threads: int) -> None:
        self._application = application
        self._threads = threads
        # When each thread that holds a request last took or gave a byte (time.monotonic).
        self._moved: dict[int, float] = {}
        self._large = threading.BoundedSemaphore(max(1, threads // 2))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """As WSGI has it. At most half of the threads pass on what nginx has no room for; beyond, the answer is 503."""
        self.move()
        body = environ["wsgi.input"] = _Body(environ["wsgi.input"], self.move)
        started: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            pieces = self._application(environ, lambda status, headers, error=None: started.append((status, headers)))
            body.drain()
        except BaseException:
            self.leave()
            raise
        status, headers = started[-1]
        answer = _Answer(pieces, self, self._large if _length(headers) > _PASSED_ON_BYTES else None)
        if not answer.may_begin:
            answer.close()
            start_response("503 Service Unavailable", _BUSY_HEADERS)
            return [_BUSY]
        start_response(status, headers)
        return answer

    def move(self) -> None:
        """This thread holds a request, and has just taken or given a byte."""
        self._moved[threading.get_ident()] = time.monotonic()

    def leave(self) -> None:
        """This thread is done with its request."""
        self._moved.pop(threading.get_ident(), None)

    def is_well(self) -> bool:
        """Whether a thread is free, or moves."""
        held = list(self._moved.values())
        return len(held) < self._threads or time.monotonic() - max(held) < _HELD_SECONDS

    def say_well(self, shared: memoryview, number: int) -> None:
        """Say at this worker's number in the shared memory that it is well, for as long as it is; in a thread."""
        threading.Thread(target=self._say_well, args=(shared, number), name="well", daemon=True).start()

    def _say_well(self, shared: memoryview, number: int) -> None:
        times = 0
        while True:
            if self.is_well():
                times += 1
                WELL.pack_into(shared, number * WELL.size, os.getpid(), times)
            time.sleep(BETWEEN_SECONDS)


class _Body:
    """What the client sends; whoever reads it moves."""

    def __init__(self, source: Any, move: Callable[[], None]) -> None:
        self._source = source
        self._move = move

    def read(self, size: int = 0) -> bytes:
        piece: bytes = self._source.read(size)
        self._move()
        return piece

    def readline(self, size: int = 0) -> bytes:
        line: bytes = self._source.readline(size)
        self._move()
        return line

    def drain(self) -> None:
        """Read what the application has left: nginx, which has all of it, would find a closed socket, and not look for
        the answer."""
        try:
            while self.read(_PIECE):
                pass
        except OSError:
            return  # it is gone


class _Answer:
    """What the client is given; each piece that it takes moves. Without `large` it is one that nginx has room for."""

    def __init__(self, pieces: Iterable[bytes], worker: Worker, large: threading.BoundedSemaphore | None) -> None:
        self._pieces = pieces
        self._iterator = iter(pieces)
        self._worker = worker
        self._large = large
        self.may_begin = large is None or large.acquire(blocking=False)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._worker.move()
        return next(self._iterator)

    def close(self) -> None:
        """Called by uWSGI, whatever came of it."""
        try:
            if close := getattr(self._pieces, "close", None):
                close()
        finally:
            if self._large is not None and self.may_begin:
                self._large.release()
            self._worker.leave()


def _length(headers: list[tuple[str, str]]) -> int:
    return int(next((value for name, value in headers if name.lower() == "content-length"), 0))
