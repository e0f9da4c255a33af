"""Who is reported to: lackey in each way that it is served, and what it is measured against, behind the same uWSGI."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from scripts import bench_bare_psycopg, bench_bare_sqlite
from scripts.bench_load import CONNECTIONS, Answers, report
from scripts.bench_processes import Group
from scripts.bench_runs import Maker, lackeys_runs, listed, no_runs, plain_runs
from scripts.bench_servers import Server, installation, scheduler, served, uwsgi

_FIRST_RUNS = 1024
_WARM_SECONDS = 1.0
# More runs are made than were reported in the last round, for it may have been a slow one.
_SPARE = 2.0


@dataclass(frozen=True)
class Reported:
    """What reports to one side came to in a round; CPU times in milliseconds a request."""

    answers: Answers
    cpu: float
    cpu_beside: float
    cpu_database: float


class Side:
    """One server that is reported to."""

    def __init__(
        self, server: Server, make: Maker, file: Path, beside: Group | None = None, database: Group | None = None
    ) -> None:
        """`file`: where its runs are listed. `beside`: its scheduler; `database`: PostgreSQL. It is warmed up."""
        self.server, self._make, self._file = server, make, file
        self._groups = (server.group, beside, database)
        self._wanted = float(_FIRST_RUNS)
        for each in (server.group, beside):
            if each:
                each.settle()
        self.measure(_WARM_SECONDS)

    def measure(self, seconds: float, connections: int = CONNECTIONS, closing: bool = False) -> Reported:
        """Report to it for so many seconds."""
        runs = listed(self._file, max(_FIRST_RUNS, int(self._wanted * seconds)), self._make)
        before = [each.cpu_seconds() if each else 0.0 for each in self._groups]
        answers = report(self.server.url, runs, seconds, connections, closing)
        after = [each.cpu_seconds() if each else 0.0 for each in self._groups]
        self._wanted = answers.rate / 2 * _SPARE
        spent = [(late - early) * 1000 / answers.requests for early, late in zip(before, after, strict=True)]
        return Reported(answers, *spent)


@contextmanager
def trivial(place: Path) -> Iterator[Side]:
    """An application that keeps nothing."""
    place.mkdir()
    with uwsgi(place, "scripts.bench_trivial") as server:
        yield Side(server, no_runs, place / "runs")


@contextmanager
def bare_sqlite(place: Path, preloaded: str = "") -> Iterator[Side]:
    """The plain program on SQLite. `preloaded`: a library that comes before the C library."""
    place.mkdir()
    file = str(place / "bare.sqlite3")
    connection = bench_bare_sqlite.connect(file)
    connection.executescript(bench_bare_sqlite.SCHEMA)
    with uwsgi(place, "scripts.bench_bare_sqlite", BENCH_DATABASE=file, LD_PRELOAD=preloaded) as server:
        yield Side(server, plain_runs(connection), place / "runs")
    connection.close()


@contextmanager
def bare_psycopg(place: Path, url: str, database: Group) -> Iterator[Side]:
    """The plain program on PostgreSQL."""
    place.mkdir()
    plain = make_url(url).set(drivername="postgresql").render_as_string()
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(bench_bare_psycopg.SCHEMA)
        with uwsgi(place, "scripts.bench_bare_psycopg", BENCH_DATABASE=plain) as server:
            yield Side(server, plain_runs(connection.cursor()), place / "runs", database=database)


@contextmanager
def lackey(
    place: Path, url: str | None = None, database: Group | None = None, desk: bool = False, preloaded: str = ""
) -> Iterator[Side]:
    """lackey with its scheduler, on SQLite or in this database; `desk`: by `lackey serve`, else behind uWSGI."""
    with ExitStack() as held:
        made = held.enter_context(installation(place, url))
        beside = held.enter_context(scheduler(made))
        server = held.enter_context(served(made) if desk else uwsgi(place, **made.environment, LD_PRELOAD=preloaded))
        yield Side(server, lackeys_runs(made.database), place / "runs", beside, database)
