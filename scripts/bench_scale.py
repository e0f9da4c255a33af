"""Measures what many runs cost: a thousand to a million past ones, and a hundred thousand that wait, of each kind.

For each, on each database: the CPU time of a tick that starts nothing, of one in which ten end and ten start, and of
the longest one; the longest transaction that writes; a report's latency meanwhile; the CPU time of what people look at.
In milliseconds, and as ratios to the same at a thousand past runs. CPU time is Python's and the database server's.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, text

from lackey.services import Database
from lackey.services.runs import scheduling
from lackey.services.runs.scheduling import Wanted
from scripts.bench_answers import Visitor, url_of
from scripts.bench_pages import new_database
from scripts.bench_queues import MIXES, Mix, furnish, queue
from scripts.bench_reporter import reporting
from scripts.bench_rows import fill
from scripts.bench_scheduler import Scheduler

FEWEST = 1_000
AT_ONCE = 10
REPORTED = 20
ROUNDS = 9
SECONDS = 3.0
RULE = "|---"
# So long what waits for a run may take to be let go.
RELEASE_SECONDS = 20.0
# Whatever a list may be narrowed to.
ASKED = (
    *("q=tenth", "q=heat", "q=needle", "q=nothing+like+this", "state=active", "state=final", "state=failed"),
    *("state=failed,lost", "state=timed_out", "state=timed_out&project=1", "project=1", "project=1&state=failed"),
    *("application=1", "application=1&state=active", "by=anna", "by=nobody", "by=nobody&application=1"),
    *("until=2020-01-01T00:00:00Z", "since=2099-01-01T00:00:00Z", "q=tenth&state=timed_out"),
)
_WAITING = text("SELECT 1 FROM run WHERE ended_at IS NULL AND state = 'scheduled' AND launched LIMIT 1")
_BACKENDS = text("SELECT pid FROM pg_stat_activity WHERE datname = :name AND application_name = 'bench'")

Figures = dict[str, float]


def main() -> int:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(prog="scripts/bench --scale", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="how many past ones at most; a tenth of them wait")
    parser.add_argument("--on", choices=("sqlite", "postgresql"), help="this database alone")
    options = parser.parse_args()
    if options.runs < 10 * FEWEST:
        parser.error(f"--runs: at least {10 * FEWEST}")
    os.environ["PGAPPNAME"] = "bench"
    # So that servers and files go when it is ended early, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for kind in ("sqlite", "postgresql"):
        if options.on in (None, kind):
            measure_all(kind == "postgresql", options.runs)
    return 0


def measure_all(on_postgresql: bool, most: int) -> None:
    """A line for each situation; then what each page and list costs by the number of past runs."""
    name = "PostgreSQL" if on_postgresql else "SQLite"
    print(f"\n{name}: milliseconds of CPU (write, report: of time), and × the first line\n")
    first: Figures = {}
    looks: list[Figures] = []
    sizes, waiting = sorted({FEWEST, most // 10, most}), most // 10
    for size in sizes:
        with new_database(on_postgresql) as database:
            fill(database, size)
            furnish(database)
            first = line(f"{size:,} past runs", situation(database, size, None), first)
            looks.append(looked_at(database, all_lists(size)))
    for mix in MIXES:
        with new_database(on_postgresql) as database:
            fill(database, FEWEST)
            furnish(database)
            queue(database, mix, waiting)
            line(f"{waiting:,} {mix.name}", situation(database, FEWEST, mix), first)
    for name, least in looks[0].items():
        if name == next(iter(looks[0])):
            print(f"\n| with past runs | {' | '.join(f'{size:,}' for size in sizes)} |\n{RULE * (len(sizes) + 1)}|")
        more = "".join(f" | {look[name]:.1f} ×{look[name] / least:.1f}" for look in looks[1:])
        print(f"| `{name}` | {least:.1f}{more} |", flush=True)


def line(name: str, figures: Figures, first: Figures) -> Figures:
    """Print a line of a table, and its head before the first; the figures of the first line."""
    if not first:
        print(f"| | {' | '.join(figures)} |\n{RULE * (len(figures) + 1)}|")
    cells = [f"{figures[each]:.1f}" + (f" ×{figures[each] / first[each]:.1f}" if first else "") for each in figures]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return first or figures


class Cpu:
    """The CPU time spent in this process, and by the database's server for it."""

    def __init__(self, database: Database) -> None:
        """`database`: the one that is used."""
        self._url, self._is_counted = database.url, not database.is_sqlite
        self._asking = create_engine(self._url, connect_args={"application_name": "asks"} if self._is_counted else {})

    def spent(self, doing: Callable[[], Any]) -> float:
        """By doing this, in milliseconds."""
        before = self._by_server()
        begun = time.process_time()
        doing()
        taken = time.process_time() - begun
        return taken * 1000 + sum(spent - before.get(pid, spent) for pid, spent in self._by_server().items())

    def _by_server(self) -> dict[int, float]:
        if not self._is_counted:
            return {}
        with self._asking.connect() as connection:
            pids = list(connection.execute(_BACKENDS, {"name": self._url.database}).scalars())
        # Nanoseconds (the kernel's sched-stats.rst); /proc/<pid>/stat counts in hundredths of a second.
        return {pid: int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6 for pid in pids}


class Writes:
    """How long transactions that write have lasted, from the lock to the end of the commit."""

    def __init__(self, database: Database) -> None:
        """Watches from now on."""
        self.longest, self._begun = 0.0, dict[int, float]()
        event.listen(database.writer, "begin", self._begin)
        # There is no event for the end of a commit, and on SQLite the connection is never given back.
        dialect = database.writer.dialect
        commit, roll_back = dialect.do_commit, dialect.do_rollback
        dialect.do_commit = lambda connection: self._end(commit, connection)  # type: ignore[method-assign, assignment]
        dialect.do_rollback = lambda connection: self._end(roll_back, connection)  # type: ignore[method-assign, assignment]

    def _begin(self, connection: Connection) -> None:
        self._begun[id(connection.connection.dbapi_connection)] = time.perf_counter()

    def _end(self, end: Callable[[Any], None], connection: Any) -> None:
        end(connection)
        if begun := self._begun.pop(id(getattr(connection, "dbapi_connection", connection)), None):
            self.longest = max(self.longest, (time.perf_counter() - begun) * 1000)


@dataclass
class Service:
    """A database at work: a scheduler, somebody who wants runs, and how long it all takes."""

    database: Database
    scheduler: Scheduler
    cpu: Cpu
    ticks: list[float] = field(default_factory=list)

    def tick(self) -> float:
        """One tick, once it is told what has ended; its CPU time."""
        self.scheduler.loop.wait(0)
        self.ticks.append(self.cpu.spent(self.scheduler.tick))
        return self.ticks[-1]

    def turn(self, but: int) -> float:
        """Some end, and as many are asked for; the CPU time of the ticks until they have started. `but` goes on."""
        self.scheduler.executor.end(AT_ONCE, but)
        for _ in range(AT_ONCE):
            scheduling.schedule(self.database, Wanted(application="free/few"), "ben", now())
        before, taken = self.scheduler.executor.started, 0.0
        for _ in range(5):
            taken += self.tick()
            if self.scheduler.executor.started >= before + AT_ONCE:
                return taken
        raise SystemExit(f"only {self.scheduler.executor.started - before} of {AT_ONCE} have started")


def situation(database: Database, past: int, mix: Mix | None) -> Figures:
    """All that is measured."""
    awaited = past + 1
    with tempfile.TemporaryDirectory(prefix="lackey-bench-") as directory:
        scheduler = Scheduler(database, Path(directory))
        scheduler.shares.gone = mix.away if mix else {}
        service, writes = Service(database, scheduler, Cpu(database)), Writes(database)
        try:
            for _ in range(2):
                service.tick()
            service.turn(awaited)
            figures = {"tick": median(service.tick), "ten started": median(lambda: service.turn(awaited))}
            with reporting(url_of(database), dict(reported(database))) as latencies:
                if mix and mix.on:
                    scheduler.executor.end_run(awaited)
                be_busy(service, awaited, is_over=lambda: not (mix and mix.is_let_go and waits(database)))
        finally:
            scheduler.close()
    figures |= {"longest tick": max(service.ticks), "longest write": writes.longest, "report": latencies.median}
    if latencies.refused:
        print(f"{latencies.refused} of {len(latencies.taken)} reports were refused", flush=True)
    return figures | looked_at(database, at_a_glance(past))


def be_busy(service: Service, but: int, is_over: Callable[[], bool]) -> None:
    """Let runs start and end for a while, until it is over."""
    begun = time.monotonic()
    while time.monotonic() < begun + SECONDS or (not is_over() and time.monotonic() < begun + RELEASE_SECONDS):
        service.turn(but)
        time.sleep(0.05)


def reported(database: Database) -> Iterator[tuple[int, str]]:
    """New runs that nothing launches, each with its token."""
    for number in range(REPORTED):
        run, token = scheduling.schedule(database, Wanted(name=f"reported {number}", launch=False), "ben", now())
        yield run.id, token


def waits(database: Database) -> bool:
    """Whether a run that lackey is to start waits for something else than its turn."""
    with database.read() as connection:
        return connection.execute(_WAITING).scalar_one_or_none() is not None


def now() -> datetime:
    return datetime.now(UTC)


def median(measure: Callable[[], float]) -> float:
    """Of so many measurements, or of those that there was time for."""
    begun, taken = time.monotonic(), [measure()]
    while len(taken) < ROUNDS and time.monotonic() < begun + SECONDS:
        taken.append(measure())
    return statistics.median(taken)


def looked_at(database: Database, asked: Iterable[tuple[str, str]]) -> Figures:
    """The CPU time of each answer; of Now that of another look as well, at which nothing has changed."""
    visitor, cpu = Visitor(database), Cpu(database)
    figures: Figures = {}
    for name, path in asked:
        look = Look(visitor, path)
        look.anew()  # templates are compiled
        figures[name] = median(partial(cpu.spent, look.anew))
        if path == "/":
            figures[f"{name} again"] = median(partial(look.unchanged, cpu))
    return figures


@dataclass
class Look:
    """Somebody who looks at one page."""

    visitor: Visitor
    path: str
    known: str = ""
    status: int = 0

    def anew(self) -> None:
        """For the first time."""
        self._ask("")

    def unchanged(self, cpu: Cpu) -> float:
        """Once more, when nothing has changed; its CPU time."""
        while True:
            taken = cpu.spent(lambda: self._ask(self.known))
            if self.status == 304:
                return taken

    def _ask(self, known: str) -> None:
        answer = self.visitor.ask(self.path, known)
        if answer.status not in (200, 304):
            raise SystemExit(f"{self.path}: {answer.status}\n{answer.body.decode()}")
        self.known, self.status = answer.etag, answer.status


def at_a_glance(past: int) -> Iterator[tuple[str, str]]:
    """What people look at most, each with its address."""
    yield "Now", "/"
    yield "list", "/run"
    yield "a run", f"/run/{past // 2 + 1}"
    yield "search", "/run?q=tenth"


def all_lists(past: int) -> Iterator[tuple[str, str]]:
    """These, and all ways to list."""
    yield from at_a_glance(past)
    for path in ("/run", "/api/run"):
        for asked in ASKED:
            yield f"{path}?{asked}", f"{path}?{asked}"
    for path in ("/api/run", "/api/run/active", "/api/run/running", "/api/run/jobs", "/application/1", "/project"):
        yield path, path
    yield "/project/1", "/project/1"
    yield "/service", "/service"


if __name__ == "__main__":
    sys.exit(main())
