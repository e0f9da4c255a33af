"""Launches: short runs that all wait, two at a time, by lackey and by what else there is.

Of other tools those that the system's packages have; huey would take an environment of its own.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from lackey.services import Database
from lackey.services.runs import scheduling
from scripts.bench_figures import Figure, Report, Target, say
from scripts.bench_plan import Plan
from scripts.bench_processes import Group, group, running
from scripts.bench_servers import ROOT, SLOTS, Installation, installation, scheduler

_BARE, _PARALLEL, _SPOOLER = "bare program, durable", "GNU parallel --joblog", "task-spooler"
_POSTGRESQL = "lackey on PostgreSQL"
_LOOK_SECONDS = 0.02
_LEFT = text("SELECT count(*) FROM run WHERE ticket_open OR ended_at IS NULL")
_BEGUN = text("SELECT min(claimed_at) FROM run")
_GOOD = text("SELECT count(*) FROM run WHERE state = 'succeeded'")

# Runs a second, and CPU milliseconds a run.
Launched = tuple[float, float]
Way = Callable[[Path, int], Launched]


def measure(plan: Plan, report: Report) -> None:
    """Each in turn."""
    ways: dict[str, Way] = {
        "lackey": lambda place, count: _by_lackey(place, count, None),
        _POSTGRESQL: lambda place, count: _by_lackey(place, count, plan.postgresql.create()),
        _BARE: _by_bare,
    }
    others: dict[str, tuple[str, Way]] = {_PARALLEL: ("parallel", _by_parallel), _SPOOLER: ("tsp", _by_spooler)}
    for name, (program, way) in others.items():
        if _is_there(program):
            ways[name] = way
        else:
            report.note(f"{name} is not there, so nothing is measured against it.")
    rounds: dict[str, list[Launched]] = {name: [] for name in ways}
    for number in range(plan.rounds):
        for name, way in ways.items():
            place = plan.place / "launches"
            place.mkdir()
            rounds[name].append(way(place, plan.launches))
            shutil.rmtree(place)
        rates = ", ".join(f"{name} {taken[-1][0]:.0f}/s" for name, taken in rounds.items())
        say(f"launches, round {number + 1} of {plan.rounds}: {rates}")
    report.add(list(_figures(rounds)))


def _is_there(program: str) -> bool:
    """Whether this host has it; some have another program of the name `parallel`."""
    if shutil.which(program) is None:
        return False
    said = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stdout
    return "GNU parallel" in said or "Task Spooler" in said


def _figures(rounds: dict[str, list[Launched]]) -> Iterator[Figure]:
    name, targets = "`/bin/true`, two slots", {_BARE: Target(0.5, of_ratio=True), _PARALLEL: Target(1, of_ratio=True)}
    rates = {which: [rate for rate, _ in taken] for which, taken in rounds.items()}
    cpu = {which: [spent for _, spent in taken] for which, taken in rounds.items()}
    for which in (_BARE, _PARALLEL, _SPOOLER):
        if which in rates:
            yield Figure(name, "runs a second", rates["lackey"], which, rates[which], targets.get(which))
    yield Figure(f"{name}: CPU of scheduler, guards and commands", "ms a run", cpu["lackey"], _BARE, cpu[_BARE])
    yield Figure(f"{name}, PostgreSQL", "runs a second", rates[_POSTGRESQL], _BARE, rates[_BARE])


def _by_lackey(place: Path, count: int, url: str | None) -> Launched:
    """From the first claim until the last end is on record."""
    with installation(place / "lackey", url) as made:
        application = made.add_application("bench", "/bin/true")
        for _ in range(count):
            wanted = scheduling.Wanted(application=application)
            scheduling.schedule(made.database, wanted, "bench", datetime.now(UTC))
        with scheduler(made) as members:
            return _until_ended(made, members, count)


def _until_ended(made: Installation, members: Group, count: int) -> Launched:
    # What it takes to start is no launch's.
    _until(members, made, lambda: _asked(made.database, _BEGUN) is not None)
    before, begun = members.cpu_seconds(), int(_asked(made.database, _BEGUN) or 0) / 1e6
    _until(members, made, lambda: not _asked(made.database, _LEFT))
    seconds, spent = time.time() - begun, members.cpu_seconds() - before
    if (good := _asked(made.database, _GOOD)) != count:
        raise SystemExit(f"bench: of {count} runs {good} have succeeded")
    return count / seconds, spent * 1000 / count


def _until(members: Group, made: Installation, condition: Callable[[], bool]) -> None:
    while not condition():
        if not members.pids():
            raise SystemExit(f"bench: the scheduler has ended:\n{(made.place / 'scheduler.log').read_text()}")
        time.sleep(_LOOK_SECONDS)


def _asked(database: Database, question: object) -> int | None:
    with database.read() as connection:
        answer: int | None = connection.execute(question).scalar()  # type: ignore[call-overload]
        return answer


def _by_bare(place: Path, count: int) -> Launched:
    """As it says itself (`bench_bare_launches`)."""
    command = [sys.executable, "-m", "scripts.bench_bare_launches", str(place), str(count)]
    with group("bare") as members:
        said = _finished(command, members, place, ROOT)
        return count / float(said), members.cpu_seconds() * 1000 / count


def _by_parallel(place: Path, count: int) -> Launched:
    """From the first start to the last end, as its log of jobs says. It syncs nothing."""
    command = f"seq {count} | parallel --will-cite -n0 -j{SLOTS} --joblog {place}/jobs /bin/true"
    with group("parallel") as members:
        _finished(["/bin/sh", "-c", command], members, place, place, HOME=str(place))
        spent = members.cpu_seconds()
    jobs = [line.split("\t")[2:4] for line in (place / "jobs").read_text().splitlines()[1:]]
    begun, ended = min(float(at) for at, _ in jobs), max(float(at) + float(lasted) for at, lasted in jobs)
    return count / (ended - begun), spent * 1000 / count


def _by_spooler(place: Path, count: int) -> Launched:
    """From the moment at which the jobs before them end to the end of the last one. It keeps nothing."""
    blocked = f"until [ -e {place}/go ]; do sleep 0.005; done"
    jobs = f"tsp -S {SLOTS}; for i in $(seq {SLOTS}); do tsp -n sh -c '{blocked}'; done >/dev/null"
    jobs += f"; for i in $(seq {count}); do tsp -n /bin/true; done >/dev/null"
    told = {"TS_SOCKET": f"{place}/tsp", "TMPDIR": str(place), "TS_MAXFINISHED": "10"}
    with group("spooler") as members:
        _finished(["/bin/sh", "-c", jobs], members, place, place, **told)
        before, begun = members.cpu_seconds(), time.monotonic()
        (place / "go").touch()
        _finished(["tsp", "-w"], members, place, place, **told)
        return count / (time.monotonic() - begun), (members.cpu_seconds() - before) * 1000 / count


def _finished(command: list[str], members: Group, place: Path, directory: Path, **environment: str) -> str:
    """What the command says, once it has ended well."""
    log = place / "said"
    log.unlink(missing_ok=True)
    with running(command, members, log, directory, **environment) as process:
        code = process.wait()
    if code != 0:
        raise SystemExit(f"bench: {' '.join(command)} failed:\n{log.read_text()}")
    return log.read_text()
