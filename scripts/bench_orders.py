"""A service at its desk: how soon an order by HTTP runs, and what it takes when there is nothing to do."""

import json
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from lackey.services.admin import keys
from scripts.bench_compiled import program
from scripts.bench_figures import Figure, Report, Target, percentile, say
from scripts.bench_plan import Plan
from scripts.bench_processes import Group
from scripts.bench_servers import Installation, installation, scheduler, uwsgi

_SPAWN = "spawn of the same command"
_LOOK_SECONDS = 0.02
_RUN_SECONDS = 30.0
_BETWEEN_SECONDS = 0.15
_SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Desk:
    """uWSGI and a scheduler, and somebody who gives orders."""

    place: Installation
    groups: tuple[Group, Group]
    connection: HTTPConnection
    key: str

    def order(self, application: str) -> float:
        """Run it now; how many milliseconds passed until it ran."""
        begun = time.time()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        self.connection.request("POST", "/api/run", json.dumps({"application": application}), headers)
        answer = self.connection.getresponse()
        said = answer.read()
        if answer.status != HTTPStatus.CREATED:
            raise SystemExit(f"bench: an order was answered with {answer.status}: {said.decode()}")
        directory = self.place.share / application.split("/")[0] / "lackey-runs" / str(json.loads(said)["id"])
        return (_stamp(directory / "log.txt") - begun) * 1000

    def cpu_seconds(self) -> float:
        """Of all its processes."""
        return sum(each.cpu_seconds() for each in self.groups)

    def pss_bytes(self) -> int:
        """Of all its processes; what several share is counted once."""
        return sum(each.pss_bytes() for each in self.groups)


@contextmanager
def desk(place: Path) -> Iterator[Desk]:
    """A fresh one, on SQLite."""
    with installation(place) as made, scheduler(made) as beside, uwsgi(place, **made.environment) as server:
        _, key = keys.create(made.database, "bench", "run", datetime.now(UTC))
        for each in (server.group, beside):
            each.settle()
        connection = HTTPConnection(server.url.removeprefix("http://"))
        yield Desk(made, (server.group, beside), connection, key)
        connection.close()


def measure(plan: Plan, report: Report) -> None:
    """Single orders, each beside a spawn; then nothing for a while."""
    with desk(plan.place / "desk") as at:
        command = str(program("stamp", plan.place))
        application = at.place.add_application("stamp", command)
        at.order(application)
        say(f"orders: {plan.orders}, one by one")
        taken, spawned = [], []
        for _ in range(plan.orders):
            # Not in step with anything that the scheduler does now and then.
            time.sleep(_BETWEEN_SECONDS * (1 + random.random()))
            taken.append(at.order(application))
            spawned.append(_spawn(command, plan.place / "stamp.txt"))
        report.add(list(_order_figures(taken, spawned)))
        _be_idle(at, plan, report)


def _order_figures(taken: list[float], spawned: list[float]) -> Iterator[Figure]:
    name = "*run now* by HTTP → the process runs"
    yield Figure(f"{name}: median", "ms", [median(taken)], _SPAWN, [median(spawned)], Target(10, at_most=True))
    p99 = [[percentile(each, 0.99)] for each in (taken, spawned)]
    yield Figure(f"{name}: p99", "ms", p99[0], _SPAWN, p99[1], Target(30, at_most=True))


def _be_idle(at: Desk, plan: Plan, report: Report) -> None:
    say(f"idle for {plan.idle_seconds:.0f} s")
    time.sleep(_SETTLE_SECONDS)
    before = at.cpu_seconds()
    time.sleep(plan.idle_seconds)
    percent = (at.cpu_seconds() - before) / plan.idle_seconds * 100
    name = "idle scheduler + 2 web workers"
    cpu = Figure(f"{name}: CPU", "% of a core", [percent], target=Target(0.3, at_most=True))
    memory = Figure(f"{name}: memory", "MB PSS", [at.pss_bytes() / 1e6], target=Target(160, at_most=True))
    report.add([cpu, memory])


def _spawn(command: str, into: Path) -> float:
    begun = time.time()
    with into.open("wb") as log:
        subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=log, check=True)
    return (_stamp(into) - begun) * 1000


def _stamp(file: Path) -> float:
    """When the command began, once it has said so."""
    deadline = time.monotonic() + _RUN_SECONDS
    while time.monotonic() < deadline:
        if file.exists() and (said := file.read_text()).endswith("\n"):
            return float(said)
        time.sleep(_LOOK_SECONDS)
    raise SystemExit(f"bench: nothing came into {file} within {_RUN_SECONDS:.0f} s")
