"""Measures what the pages cost with a million runs: what they read, and whole answers, each with what it may cost.

The rows are made by SQL. Printed are the median and the least time of each, and of a reading its ratio to a bare
`SELECT … WHERE id = ?`. A whole answer is that of the WSGI application to somebody who has signed in, from the cookie
to the last byte of HTML.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from lackey.domain.run import ACTIVE, FINAL, TROUBLED, RunState
from lackey.services import Database
from lackey.services.catalogue import removing
from lackey.services.runs import listing, overview, queries, viewing
from lackey.services.runs.listing import Order
from lackey.services.runs.queries import Search
from lackey.store import schema
from scripts.bench_answers import Visitor, of_a_sweep, pages
from scripts.bench_queues import furnish, make_sweep
from scripts.bench_rows import UNENDED, fill
from tests.postgres import cluster

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 15
PAGE_MS = 50


def main() -> int:
    """Fill a database, measure, print."""
    parser = argparse.ArgumentParser(prog="scripts/bench --pages", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="how many (at least 10,000)")
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL; else on SQLite")
    options = parser.parse_args()
    if options.runs < 10_000:
        parser.error("--runs: at least 10,000")
    with new_database(options.postgresql) as database:
        fill(database, options.runs, UNENDED)
        measure(database, options.runs)
        measure_answers(database, pages(options.runs))
        furnish(database)
        sweep = make_sweep(database, "sweep/many", options.runs // 10)
        measure_answers(database, of_a_sweep(sweep.id))
    return 0


@contextmanager
def new_database(on_postgresql: bool) -> Iterator[Database]:
    """A database with the schema, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lackey-bench-", dir=ROOT / ".venv") as directory:
        if on_postgresql:
            with cluster() as server, opened(server.create()) as database:
                yield database
        else:
            with opened(f"sqlite:///{directory}/lackey.sqlite3") as database:
                yield database


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """The database of this URL, with the schema."""
    database = Database(url)
    schema.upgrade(database)
    try:
        yield database
    finally:
        database.close()


def measure(database: Database, runs: int) -> None:
    """Print a line for each reading."""
    bare, _ = milliseconds(lambda: queries.run(database, runs // 2))
    print(f"{bare:8.2f} ms  one run by its id")
    for name, read in readings(database, runs):
        median, least = milliseconds(read)
        print(f"{median:8.2f} ms, at least {least:6.2f}  {name}: × {median / bare:.0f}", flush=True)


def measure_answers(database: Database, asked: Iterable[tuple[str, str]]) -> None:
    """Print a line for each page."""
    visitor = Visitor(database)
    print(f"whole answers, which may take {PAGE_MS} ms")
    for name, path in asked:
        print(line_of(visitor, path, name), flush=True)
        if path == "/":
            print(line_of(visitor, path, f"{name}, unchanged", visitor.ask(path).etag), flush=True)


def line_of(visitor: Visitor, path: str, name: str, known: str = "") -> str:
    """The time that an answer takes, whether that is too long, and the answer's size."""
    answer = visitor.ask(path, known)
    median, least = milliseconds(lambda: visitor.ask(path, known))
    took = f"{median:8.2f} ms, at least {least:6.2f}  {'TOO LONG' if median > PAGE_MS else '':8}"
    return f"{took}  {answer.status}  {len(answer.body) / 1000:4.0f} kB  {name}"


def milliseconds(read: Callable[[], Any]) -> tuple[float, float]:
    """How long it takes, once it was done: the median and the least."""
    read()
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        read()
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken), min(taken)


def readings(database: Database, runs: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What the pages ask for, and the lists that are hardest to give."""
    now = datetime.now(UTC)
    yield "now", lambda: overview.overview(database, now)
    yield "now, unchanged", lambda: overview.fingerprint(database, now)
    yield "an application at a glance", lambda: overview.glance(database, 1)
    yield "a run's neighbours", lambda: viewing.neighbours(database, queries.run(database, runs // 2))
    yield "20 runs side by side, 1,000 points each", lambda: viewing.side_by_side(database, range(1, 21))
    yield "a curve", lambda: viewing.curves(database, 2, ["residual"])
    yield "what removing a project takes along", lambda: removing.removal_of_project(database, 1)
    yield "what removing an application takes along", lambda: removing.removal_of_application(database, 1)
    searches = {
        "all": Search(),
        "of an application": Search(application=1),
        "of one with few": Search(application=5),
        "by somebody with few": Search(by="rare"),
        "by nobody, of an application": Search(by="nobody", application=1),
        "final": Search(states=FINAL),
        "active": Search(states=ACTIVE),
        "troubled": Search(states=TROUBLED),
        "timed out, of which there are none": Search(states=frozenset({RunState.TIMED_OUT}), project=1),
        "long ago": Search(until=now - timedelta(days=100)),
        "with a rare word": Search(words="needle"),
        "with a word that all have": Search(words="heat"),
        "with a word that a tenth has": Search(words="tenth"),
    }
    for name, search in searches.items():
        for order in Order:
            yield f"runs by {order}, {name}", partial(listing.page, database, search, None, 50, order)


if __name__ == "__main__":
    sys.exit(main())
