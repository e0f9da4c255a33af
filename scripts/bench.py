"""Measures what lackey takes, each figure beside a reference in the same run, and prints the table of README.md.

A shared machine's times mean nothing by themselves: the rounds of lackey and of what it is measured against are
interleaved, each figure is the median of its rounds, and each ratio the median of theirs.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from scripts import bench_launches, bench_logs, bench_orders, bench_reports
from scripts.bench_figures import Report, machine, say
from scripts.bench_plan import Plan, Postgresql, postgresql

NOTES = (
    "Reports come by 16 connections, a start and a stop with 1 kB of log for each run, through uWSGI as the project"
    " ships it (two workers; no nginx in between) or `lackey serve`; each is on disk before it is answered.",
    "The trivial app reads the form and answers. Bare `sqlite3` and bare `psycopg` look up the token by its digest,"
    " update the run if its state allows, add an event and the log, in one durable transaction a request"
    " (`synchronous=FULL`, `synchronous_commit=on`).",
    "CPU is that of the server's processes alone, without the load generator; the scheduler and PostgreSQL are counted"
    " by themselves.",
    "With each sync 5 ms longer, as on an ordinary server's disk, a program that commits by itself can't get beyond"
    " 200 requests a second on SQLite, which has one writer; lackey commits together what comes together.",
    "Launches count from the first claim until the last end is on record. The bare program claims each run durably,"
    " makes its directory and log, spawns it, syncs its receipt and records its end durably; GNU parallel syncs"
    " nothing, task-spooler keeps nothing.",
    "An order counts from the request to the first line of the command. Idle are the scheduler with its helpers and"
    " uWSGI with two workers on one share, after those orders; memory is PSS, in which what is shared counts once.",
)


def main() -> int:
    """Measure it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller numbers: about two minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures, with each round, into FILE")
    asked = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _cut_short)
    report = Report(notes=list(NOTES))
    try:
        with _place() as place, postgresql(place.parent) as server:
            where = machine(place, _version(server))
            say(", ".join(f"{name} {value}" for name, value in where.items()))
            plan = _plan(place, server, asked.quick)
            for part in (
                bench_reports.measure,
                bench_reports.measure_slowly,
                bench_launches.measure,
                bench_orders.measure,
                bench_logs.measure,
            ):
                part(plan, report)
    except KeyboardInterrupt:
        say("cut short")
        return 130
    report.end()
    if asked.json is not None:
        report.write(asked.json, where)
    return 0


def _cut_short(*_: object) -> None:
    """End the servers; while that is done, another signal must not interrupt it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _plan(place: Path, server: Postgresql, quick: bool) -> Plan:
    if quick:
        return Plan(place, server, 2, 2, launches=100, orders=30, idle_seconds=20, log_bytes=200_000_000)
    return Plan(place, server, 5, 8, launches=500, orders=100, idle_seconds=120, log_bytes=1_000_000_000)


@contextmanager
def _place() -> Iterator[Path]:
    """A directory on a disk: /tmp is memory on many hosts."""
    place = Path(tempfile.mkdtemp(prefix="lackey-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    place.chmod(0o711)  # PostgreSQL runs as another user
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _version(server: Postgresql) -> str:
    url = server.create().replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        return str(connection.info.parameter_status("server_version"))


if __name__ == "__main__":
    sys.exit(main())
