"""Somebody who reports, in a process of their own: how long the web service takes to answer while others are busy."""

import io
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any
from wsgiref.util import setup_testing_defaults

from scripts.bench_answers import application

_PAUSE_SECONDS = 0.01


@dataclass
class Latencies:
    """How long answers took, in milliseconds, once they are in; how many were refused."""

    taken: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def median(self) -> float:
        """Of all that were answered, in whatever way."""
        return statistics.median(self.taken)


@contextmanager
def reporting(url: str, tokens: dict[int, str]) -> Iterator[Latencies]:
    """Progress is reported to these runs in turn, in a process of its own, until the block ends."""
    latencies, context = Latencies(), multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    reporter = context.Process(target=_report, args=(url, tokens, theirs), daemon=True)
    reporter.start()
    ours.recv()
    try:
        yield latencies
    finally:
        ours.send("enough")
        latencies.taken, latencies.refused = ours.recv()
        reporter.join()


def _report(url: str, tokens: dict[int, str], told: Connection) -> None:
    # What PostgreSQL does for these reports is not the scheduler's.
    os.environ["PGAPPNAME"] = "reports"
    app, taken, refused, number = application(url), [], 0, 0
    runs = list(tokens.items())
    while not told.poll():
        run_id, token = runs[number % len(runs)]
        body = json.dumps({"token": token, "done": number, "total": 1_000_000}).encode()
        begun = time.perf_counter()
        status = _put(app, f"/api/run/progress/{run_id}", body)
        # The first ones open connections.
        if number == len(runs):
            told.send("ready")
        if number > len(runs):
            taken.append((time.perf_counter() - begun) * 1000)
            refused += status != "200 OK"
        number += 1
        time.sleep(_PAUSE_SECONDS)
    told.send((taken, refused))


def _put(app: Any, path: str, body: bytes) -> str:
    environ: dict[str, Any] = {"REQUEST_METHOD": "PUT", "PATH_INFO": path, "CONTENT_TYPE": "application/json"}
    environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO()}
    setup_testing_defaults(environ)
    begun: list[Any] = []
    b"".join(app(environ, lambda *answer: begun.extend(answer)))
    return str(begun[0])
