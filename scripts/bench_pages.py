"""Measures what the pages read from a database with a million runs, each beside a bare `SELECT … WHERE id = ?`.

The rows are made by SQL. Printed are the median time of each reading and its ratio to that of one run by its id.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import text

from lackey.domain.run import ACTIVE, FINAL, TROUBLED, RunState
from lackey.services import Database, catalogue, listing, overview, reading, viewing
from lackey.services.listing import Order
from lackey.services.reading import Search
from lackey.store import schema
from tests.postgres import cluster

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 15

# Half of the runs are of one application, the others spread over many; some hundred kinds of ends; some of all states.
STATE = """CASE WHEN n > :runs - 20 THEN 'running' WHEN n > :runs - 3000 THEN 'queued'
 WHEN n > :runs - 5000 THEN 'scheduled' WHEN n % 1000 = 7 THEN 'lost' WHEN n % 50 = 3 THEN 'failed'
 WHEN n % 97 = 5 THEN 'cancelled' ELSE 'succeeded' END"""
AT = "(:now - (:runs - n) * 10000000)"
ENDED = f"CASE WHEN n <= :runs - 5000 THEN {AT} + (n * 7919) % 3600000000 END"
RUN = {
    **dict.fromkeys(("uid", "name", "project", "application"), "'heat'"),
    **dict.fromkeys(("parameters", "environment", "evidence"), 'CAST(\'{"n": "64"}\' AS json)'),
    **dict.fromkeys(("after", "marks"), "CAST('[]' AS json)"),
    **dict.fromkeys(("retries", "log_size", "stop_log_size", "revision"), "0"),
    **dict.fromkeys(("held", "ticket_open"), "false"),
    **dict.fromkeys(("launched", "log_kept"), "true"),
    **dict.fromkeys(("ended_at", "settled_at"), ENDED),
    "project_id": "CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % 20 END",
    "application_id": "CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % 200 END",
    "state": STATE,
    "reason": "'waits for a free slot'",
    "by": "CASE WHEN n % 5000 = 0 THEN 'rare' ELSE 'anna' END",
    "command": "'./heat ' || n",
    "share": "'lab'",
    "directory": "'heat/explicit'",
    "workdir": "'application'",
    "executor": "'local'",
    "priority": "n % 3",
    "created_at": AT,
    "scheduled_at": f"{AT} + CASE WHEN n > :runs - 5000 AND n <= :runs - 3000 THEN 86400000000 ELSE 0 END",
    "started_at": f"CASE WHEN n <= :runs - 5000 OR n > :runs - 20 THEN {AT} END",
}
PROJECT = {"name": "'p' || n", **dict.fromkeys(("title", "description"), "''"), "share": "'lab'"}
PROJECT |= {"directory": "'heat'", "created_at": "0"}
APPLICATION = {"project_id": "1 + n % 20", "name": "'a' || n", **dict.fromkeys(("description", "directory"), "''")}
APPLICATION |= {"command": "'x'", "parameters": RUN["after"], "environment": "CAST('{}' AS json)"}
APPLICATION |= {"executor": "'local'", "retries": "0", "workdir": "'application'", "created_at": "0"}
EVENT = {"run_id": "n", "at": AT, **dict.fromkeys(("kind", "by", "text"), "'made'"), "details": RUN["evidence"]}
METRIC = {"run_id": "1 + n / 1000", "name": "'residual'", "place": "'step ' || n", "step": "n", "ts": "n"}
METRIC |= {"value": "1.0 / (1 + n)"}
WORDS = "'heat ' || n || CASE WHEN n % 10 = 0 THEN ' tenth' ELSE '' END || CASE WHEN n = 7 THEN ' needle' ELSE '' END"


def main() -> int:
    """Fill a database, measure, print."""
    parser = argparse.ArgumentParser(prog="scripts/bench --pages", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="how many (at least 10,000)")
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL; else on SQLite")
    options = parser.parse_args()
    if options.runs < 10_000:
        parser.error("--runs: at least 10,000")
    with new_database(options.postgresql) as database:
        fill(database, options.runs)
        measure(database, options.runs)
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


def fill(database: Database, runs: int) -> None:
    """Make the rows."""
    lite = database.is_sqlite
    words = {"rowid": "n", "words": WORDS} if lite else {"id": "n", "words": f"to_tsvector('simple', {WORDS})"}
    tables = (("project", PROJECT, 20), ("application", APPLICATION, 200), ("run", RUN, runs), ("event", EVENT, runs))
    given = {"runs": runs, "now": int(time.time() * 1e6)}
    with database.writer.begin() as connection:
        for table, columns, count in (*tables, ("metric", METRIC, 20_000), ("indexed_text", {"run_id": "n"}, runs)):
            connection.execute(text(insert_series(table, columns, count, lite)).bindparams(**used(columns, given)))
        connection.execute(text(insert_series("run_words", words, runs, lite)))
    if not lite:
        with database.reader.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))


def used(columns: dict[str, str], given: dict[str, int]) -> dict[str, int]:
    """Those of `given` that the columns mention."""
    return {name: value for name, value in given.items() if any(f":{name}" in each for each in columns.values())}


def insert_series(table: str, columns: dict[str, str], count: int, lite: bool) -> str:
    """An INSERT of a row for each n from 1 to `count`."""
    counted = f"SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {count}"
    series = f"WITH RECURSIVE series(n) AS ({counted})"
    if not lite:
        series = f"WITH series(n) AS (SELECT generate_series(CAST(1 AS bigint), {count}))"
    values = ", ".join(columns.values())
    if lite:
        values = values.replace("AS json)", "AS text)")
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) {series} SELECT {values} FROM series"


def measure(database: Database, runs: int) -> None:
    """Print a line for each reading."""
    bare = median_seconds(lambda: reading.run(database, runs // 2))
    print(f"{bare * 1000:8.2f} ms  one run by its id")
    for name, read in readings(database, runs):
        seconds = median_seconds(read)
        print(f"{seconds * 1000:8.2f} ms  {name}: × {seconds / bare:.0f}", flush=True)


def median_seconds(read: Callable[[], Any]) -> float:
    """How long it takes, once it was done."""
    read()
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        read()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def readings(database: Database, runs: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What the pages ask for, and the lists that are hardest to give."""
    now = datetime.now(UTC)
    yield "now", lambda: overview.overview(database, now)
    yield "now, unchanged", lambda: overview.fingerprint(database, now)
    yield "an application at a glance", lambda: overview.glance(database, 1)
    yield "a run's neighbours", lambda: viewing.neighbours(database, reading.run(database, runs // 2))
    yield "20 runs side by side, 1,000 points each", lambda: viewing.side_by_side(database, range(1, 21))
    yield "a curve", lambda: viewing.curves(database, 2, ["residual"])
    yield "what removing a project takes along", lambda: catalogue.removal_of_project(database, 1)
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
