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
    "Reports: 16 connections, a start and a stop with 1 kB of log for each run, to uWSGI as the project ships it (two"
    " workers; no nginx in between) or to `lackey serve`; each is on disk before it is answered. The trivial app reads"
    " the form and answers. Bare `sqlite3` and bare `psycopg`, behind the same uWSGI, look up the token by its digest,"
    " update the run if its state allows, and add an event and the log, in one durable transaction a request"
    " (`synchronous=FULL`, `synchronous_commit=on`); nothing is indexed for a search. What bounds lackey is the CPU"
    " that its workers take.",
    "CPU: of the server's processes, without the load generator; the scheduler and PostgreSQL stand by themselves.",
    "fsync + 5 ms: each sync takes that much longer, as on an ordinary server's disk. SQLite has one writer, so who"
    " commits for each request gets to 200 a second at most; lackey commits together what comes together.",
    "Launches: from the first claim until the last end is on record. The bare program, two runs at a time, claims a run"
    " in a durable transaction, makes its directory and log, spawns it, syncs its receipt, and records its end in"
    " another durable transaction. GNU parallel syncs nothing, and task-spooler keeps nothing. What bounds lackey is"
    " the CPU of its scheduler and guards, and the marks that they sync.",
    "*run now*: from the request to the first line of the command, the scheduler idle before; the reference is the same"
    " command, started by a shell. Idle: uWSGI, the scheduler and all that they have started, on one share, after those"
    " orders; PSS counts once what is shared.",
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
            report.note(f"Measured with {', '.join(f'{name} {value}' for name, value in where.items())}.")
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
        return str(connection.info.parameter_status("server_version")).split()[0]


if __name__ == "__main__":
    sys.exit(main())
