"""Start and stop reports, each on disk before it is answered: how many, how soon, at what cost."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy.engine import make_url

from scripts import bench_sides as sides
from scripts.bench_compiled import library
from scripts.bench_figures import Figure, Report, Target, say
from scripts.bench_plan import Plan, postgresql
from scripts.bench_processes import pss_bytes
from scripts.bench_sides import Reported, Side

IN_FLIGHT = 200
_TRIVIAL, _SQLITE, _PSYCOPG = "trivial Bottle app", "bare sqlite3", "bare psycopg"
# To look at the memory of many backends takes a while itself.
_LOOK_SECONDS = 0.5
_NONE = Target(0, at_most=True)
_SLOWER_MS = 5.0
_BACKENDS = """SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'
 AND pid <> pg_backend_pid()"""

Rounds = dict[str, list[Reported]]


def measure(plan: Plan, report: Report) -> None:
    """Reports to all of them, in turns; then many at once, to PostgreSQL."""
    with ExitStack() as held:
        enter, place = held.enter_context, plan.place
        say("reports: servers start")
        server = plan.postgresql
        theirs = server.create()
        all_sides = {
            _TRIVIAL: enter(sides.trivial(place / "trivial")),
            _SQLITE: enter(sides.bare_sqlite(place / "bare-sqlite")),
            "SQLite": enter(sides.lackey(place / "lackey-sqlite")),
            "serve": enter(sides.lackey(place / "lackey-serve", desk=True)),
            _PSYCOPG: enter(sides.bare_psycopg(place / "bare-psycopg", server.create(), server.group)),
            "PostgreSQL": enter(sides.lackey(place / "lackey-postgresql", theirs, server.group)),
        }
        rounds = in_turns(all_sides, plan, report)
        report.add(list(_sqlite_figures(rounds)))
        report.add(list(_serve_figures(rounds)))
        report.add(list(_postgresql_figures(rounds)))
        _many_at_once(all_sides["PostgreSQL"], theirs, plan, report)


def measure_slowly(plan: Plan, report: Report) -> None:
    """The same where a sync takes 5 ms longer."""
    slow = str(library("fsync", plan.place))
    with ExitStack() as held:
        enter, place = held.enter_context, plan.place
        server = enter(postgresql(place.parent, preloaded=slow))
        both = {
            _SQLITE: enter(sides.bare_sqlite(place / "slow-bare-sqlite", slow)),
            "SQLite": enter(sides.lackey(place / "slow-sqlite", preloaded=slow)),
            _PSYCOPG: enter(sides.bare_psycopg(place / "slow-bare-psycopg", server.create(), server.group)),
            "PostgreSQL": enter(sides.lackey(place / "slow-postgresql", server.create(), server.group)),
        }
        rounds = in_turns(both, plan, report)
    if fast := [name for name, taken in rounds.items() if min(one.answers.p50 for one in taken) < _SLOWER_MS]:
        raise SystemExit(f"bench: syncs were not slowed down for {', '.join(fast)}")
    for ours, other in (("SQLite", _SQLITE), ("PostgreSQL", _PSYCOPG)):
        name = f"start + stop, {ours}, fsync + 5 ms"
        report.add([_rates(name, rounds, ours, other, Target(800)), *_delays(name, rounds, ours, other)])


def in_turns(all_sides: dict[str, Side], plan: Plan, report: Report) -> Rounds:
    """What each came to in each round."""
    rounds: Rounds = {name: [] for name in all_sides}
    for number in range(plan.rounds):
        for name, side in all_sides.items():
            rounds[name].append(side.measure(plan.seconds))
        rates = ", ".join(f"{name} {taken[-1].answers.rate:.0f}/s" for name, taken in rounds.items())
        say(f"reports, round {number + 1} of {plan.rounds}: {rates}")
    for name, taken in rounds.items():
        if failed := sum(one.answers.failed for one in taken):
            answered = sum(one.answers.requests for one in taken)
            report.note(f"**Of {answered:,} reports to {name}, {failed:,} were not answered with 200.**")
    return rounds


def _sqlite_figures(rounds: Rounds) -> Iterator[Figure]:
    name = "start + stop, SQLite"
    yield _rates(name, rounds, "SQLite", _TRIVIAL, Target(0.20, of_ratio=True))
    yield _rates(name, rounds, "SQLite", _SQLITE, Target(0.55, of_ratio=True))
    yield from _costs(name, rounds, "SQLite", _SQLITE, Target(0.6, at_most=True))
    yield from _delays(name, rounds, "SQLite", _SQLITE, Target(3, at_most=True, of_ratio=True))


def _serve_figures(rounds: Rounds) -> Iterator[Figure]:
    name = "start + stop, `lackey serve`"
    yield _rates(name, rounds, "serve", _SQLITE)
    yield from _costs(name, rounds, "serve", _SQLITE)
    yield from _delays(name, rounds, "serve", _SQLITE)


def _postgresql_figures(rounds: Rounds) -> Iterator[Figure]:
    name = "start + stop, PostgreSQL"
    yield _rates(name, rounds, "PostgreSQL", _PSYCOPG, Target(0.5, of_ratio=True))
    yield from _costs(name, rounds, "PostgreSQL", _PSYCOPG)
    database = [[one.cpu_database for one in rounds[which]] for which in ("PostgreSQL", _PSYCOPG)]
    yield Figure(f"{name}: CPU of PostgreSQL", "ms a request", database[0], _PSYCOPG, database[1])
    yield from _delays(name, rounds, "PostgreSQL", _PSYCOPG, Target(3, at_most=True, of_ratio=True))


def _rates(name: str, rounds: Rounds, ours: str, other: str, target: Target | None = None) -> Figure:
    return Figure(name, "requests a second", *_both(rounds, ours, other, lambda one: one.answers.rate), target)


def _costs(name: str, rounds: Rounds, ours: str, other: str, target: Target | None = None) -> Iterator[Figure]:
    yield Figure(f"{name}: CPU", "ms a request", *_both(rounds, ours, other, lambda one: one.cpu), target)
    beside = [one.cpu_beside for one in rounds[ours]]
    yield Figure(f"{name}: CPU of the scheduler beside it", "ms a request", beside)


def _delays(name: str, rounds: Rounds, ours: str, other: str, target: Target | None = None) -> Iterator[Figure]:
    yield Figure(f"{name}: median", "ms", *_both(rounds, ours, other, lambda one: one.answers.p50))
    yield Figure(f"{name}: p99", "ms", *_both(rounds, ours, other, lambda one: one.answers.p99), target)


def _both(
    rounds: Rounds, ours: str, other: str, of: Callable[[Reported], float]
) -> tuple[list[float], str, list[float]]:
    return [of(one) for one in rounds[ours]], other, [of(one) for one in rounds[other]]


def _many_at_once(side: Side, url: str, plan: Plan, report: Report) -> None:
    """More than there are threads: they wait for one, and none is turned away."""
    with _backends(url) as peak:
        rates = [side.measure(plan.seconds, IN_FLIGHT, closing=True).answers for _ in range(plan.rounds)]
    name = f"{IN_FLIGHT} in flight, PostgreSQL"
    report.add(
        [
            Figure(name, "requests a second", [one.rate for one in rates]),
            Figure(f"{name}: p99", "ms", [one.p99 for one in rates]),
            Figure(f"{name}: not answered with 200", "in all", [sum(one.failed for one in rates)], target=_NONE),
            Figure(f"{name}: connections to the database", "at the peak", [peak.count]),
            Figure(f"{name}: memory of their backends", "MB PSS", [peak.pss / 1e6]),
        ]
    )


@dataclass
class Peak:
    """The most backends at once, and the most memory of theirs."""

    count: int = 0
    pss: int = 0

    def look(self, pids: Sequence[int]) -> None:
        """There are these at the moment."""
        self.count = max(self.count, len(pids))
        self.pss = max(self.pss, sum(map(pss_bytes, pids)))


@contextmanager
def _backends(url: str) -> Iterator[Peak]:
    """What serves this database's clients while the block lasts."""
    peak, over, plain = Peak(), threading.Event(), make_url(url).set(drivername="postgresql")

    def watch() -> None:
        with psycopg.connect(plain.render_as_string(), autocommit=True) as connection:
            while not over.wait(_LOOK_SECONDS):
                peak.look([pid for (pid,) in connection.execute(_BACKENDS, (plain.database,))])

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        over.set()
        watching.join()
