"""A place for the tests of the services: a database, a clock, an application, and a scheduler's deeds in one word."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from lackey.domain.application import Application
from lackey.domain.dependencies import Dependency
from lackey.domain.evidence import Observed, Stop
from lackey.domain.paths import Share
from lackey.domain.resources import Capacity
from lackey.domain.run import Event, Run, RunState
from lackey.services.admin import health
from lackey.services.catalogue import changing
from lackey.services.dispatch import claiming, launching
from lackey.services.dispatch.claiming import Claim, Site
from lackey.services.dispatch.launching import Begun, Closing
from lackey.services.runs import listing, reporting, scheduling
from lackey.services.runs.queries import Search
from lackey.services.runs.reporting import ReportedLog
from lackey.services.runs.scheduling import Wanted
from lackey.services.runs.waiting import WaitReasons
from lackey.store import events, runs
from lackey.store.database import Database
from tests.clock import Clock
from tests.store.rows import all_runs

SHARES = {"lab": Share("lab", "/srv/lab", r"\\fileserver\lab"), "store": Share("store", "/srv/store")}
LOG_LIMIT = 1 << 20

PROJECT: dict[str, Any] = {"name": "heat", "title": "", "description": "", "share": "lab", "directory": "heat"}
APPLICATION: dict[str, Any] = {
    **dict.fromkeys(("time_limit", "start_grace", "silence", "max_running", "cpus", "memory", "shell")),
    "project": "heat",
    "name": "explicit",
    "description": "",
    "directory": "explicit",
    "command": "./heat {n}",
    "parameters": [{"name": "n", "default": "64"}],
    "environment": {"OMP": "2"},
    "executor": "local",
    "retries": 0,
    "workdir": "application",
}


class Lab:
    """One installation, without processes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """The project `heat` and the application `heat/explicit` are made."""
        self.database, self.clock = database, clock
        changing.add_project(database, PROJECT, SHARES, clock())
        self.add_application()

    def add_application(self, **values: Any) -> Application:
        """An application of the project `heat`, which differs from the usual in `values`."""
        return changing.add_application(self.database, {**APPLICATION, **values}, SHARES, self.clock())

    def found(self, words: str) -> list[Run]:
        """What somebody finds who looks for these words."""
        return listing.page(self.database, Search(words=words), None, 100).runs

    def schedule(self, application: str | None = "heat/explicit", at: datetime | None = None, **wanted: Any) -> Run:
        """A run that anna asked for."""
        after = [Dependency(one) if isinstance(one, int) else one for one in wanted.pop("after", ())]
        asked = Wanted(application, at=at, after=tuple(after), **wanted)
        return scheduling.schedule(self.database, asked, "anna", self.clock())[0]

    def reported(self, **instead: Any) -> Run:
        """A run of somebody's own script."""
        return self.schedule(None, name="script", launch=False, instead=instead)

    def run(self, run_id: int) -> Run:
        """The run as it is now."""
        with self.database.read() as connection:
            return runs.get(connection, run_id)

    def state(self, run_id: int) -> RunState:
        """The run's state now."""
        return self.run(run_id).state

    def says(self, run_id: int) -> str | None:
        """Why the run is as it is, as a user sees it."""
        return WaitReasons(self.database, self.clock()).reason_of(self.run(run_id))

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""
        with self.database.read() as connection:
            return all_runs(connection)[::-1]

    def history(self, run_id: int) -> list[Event]:
        """The run's events, the oldest first."""
        with self.database.read() as connection:
            return [event for _, event in events.of_run(connection, run_id, None, 1000)][::-1]

    def kinds(self, run_id: int) -> list[str]:
        """The kinds of the run's events, the oldest first."""
        return [event.kind for event in self.history(run_id)]

    def start(self, run_id: int, ts: float | None = None, host: str | None = None) -> Run:
        """The run reports its start."""
        return reporting.start(self.database, run_id, ts, host, self.clock())

    def stop(
        self,
        run_id: int,
        code: int | None = None,
        ts: float | None = None,
        log: bytes | None = None,
        host: str | None = None,
    ) -> Run:
        """The run reports its end."""
        told = None if log is None else ReportedLog(log, b"", len(log))
        stopped = Stop(code, ts, self.clock.ts)
        return reporting.stop(self.database, run_id, stopped, host, told, LOG_LIMIT, self.clock())

    def claim(self, slots: int = 100, host: str = "h1", away: dict[str, str] | None = None, **more: Any) -> list[Claim]:
        """A scheduler on `host` claims what may start. `more`: what the host has beside slots."""
        site = Site(host, "", Capacity(**{"cpus": 1000, "slots": slots, **more}))
        return claiming.claim(self.database, site, away or {}, (), self.clock())

    def reason(self, run_id: int) -> str | None:
        """Why the run is as it is, as it is shown."""
        return WaitReasons(self.database, self.clock()).reason_of(self.run(run_id))

    def beat(self, slots: int | None = 100, host: str = "h1", leads: bool = True, **more: Any) -> None:
        """The scheduler on `host` says that it is there. `more`: what the host has beside slots."""
        capacity = Capacity(**{"cpus": 1000, "slots": slots, **more})
        health.beat(self.database, host, self.clock(), leads, self.clock(), capacity)

    def launched(self, **wanted: Any) -> Claim:
        """A run that was claimed and whose command runs."""
        run = self.schedule(**wanted)
        (claim,) = [claim for claim in self.claim() if claim.run.id == run.id]
        self.begin(claim)
        return replace(claim, run=self.run(run.id))

    def begin(self, claim: Claim) -> None:
        """The command runs."""
        begun = Begun(claim.ticket, "4711", f"heat/explicit/lackey-runs/{claim.run.id}", self.clock.ts)
        launching.started(self.database, [begun], self.clock())

    def end(self, claim: Claim, code: int | None = 0, signal: int | None = None, **more: Any) -> Run:
        """The process leaves its receipt, and it is recorded."""
        observed = Observed(self.clock.ts - 1, self.clock.ts, code, signal, more.pop("reason", None))
        ending = Closing(**{"ticket": claim.ticket, "run_uid": claim.run.uid, "observed": observed, **more})
        launching.ended(self.database, [ending], self.clock())
        return self.run(claim.run.id)
