"""Reloads while simulations run and report: nobody notices, but by the code that is new."""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.real.emperor import SCHEDULER, WEB
from tests.real.simulations import SLOTS, Simulations
from tests.real.site import Client, Site, deployed
from tests.stage import until

TIMES = 20
CLIENTS = 4
REPORTS: dict[str, dict[str, str]] = {
    "start": {},
    "progress": {"fraction": "0.5"},
    "metric": {"name": "residual", "value": "0.1", "step": "1"},
    "stop": {},
}


@dataclass
class Load:
    """Scripts that make runs and report to them, one after the other, each from an address of its own."""

    site: Site
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    done: list[int] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self, number: int) -> None:
        """Be one of the scripts until it is enough."""
        maker = self.site.client(key=self.site.key)
        reporter = self.site.client(f"127.0.0.{number + 2}")
        while not self._ending.is_set():
            run = self._asked(maker, "POST", "/api/run", {"launch": "false", "name": "load"})
            for verb, said in REPORTS.items():
                fields = {"token": run["token"], **said}
                self._asked(reporter, "PUT", f"/api/run/{verb}/{run['id']}", fields)
            self.done.append(run["id"])
            self._ending.wait(0.05)

    def _asked(self, client: Client, method: str, path: str, fields: dict[str, Any]) -> Any:
        begun = time.monotonic()
        answer = client.ask(method, path, fields)
        with self._lock:
            self.statuses[answer.status] += 1
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - begun)
        return answer.json

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block it is there, and it goes well."""
        scripts = [threading.Thread(target=self.report, args=(number,)) for number in range(CLIENTS)]
        for script in scripts:
            script.start()
        try:
            yield
        finally:
            self._ending.set()
            for script in scripts:
                script.join(60)

    def check(self) -> None:
        """No request has failed, and each run has what was reported to it, once."""
        made = len(self.done)
        assert self.statuses == {201: made, 200: len(REPORTS) * made}
        assert self._kept("SELECT state FROM run WHERE name = 'load'") == [("succeeded",)] * made
        of_run = "FROM {} JOIN run ON run.id = run_id WHERE run.name = 'load'"
        assert self._kept("SELECT count(*) " + of_run.format("metric")) == [(made,)]
        kinds = dict(self._kept("SELECT kind, count(*) " + of_run.format("event") + " GROUP BY kind"))
        assert set(kinds.values()) == {made}, kinds

    def _kept(self, query: str) -> list[Any]:
        file = self.site.host.settings.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as reading:
            return reading.execute(query).fetchall()


@pytest.fixture
def site() -> Iterator[Site]:
    with deployed(None, SCHEDULER, **SLOTS) as site:
        yield site


def reload_under_load(site: Site, reload: Callable[[], None], report: Callable[[str, object], None]) -> None:
    """Reload again and again while simulations run and others report."""
    simulations, load = Simulations.running(site), Load(site)
    with load.applied():
        for _ in range(TIMES):
            before = len(load.done)
            reload()
            until(lambda: len(load.done) > before, "a report after the reload")  # noqa: B023
    report("slowest request, seconds", round(load.slowest_seconds, 3))
    report("requests", load.statuses.total())
    load.check()
    simulations.check()
    site.emperor.stop()


def test_no_request_fails_and_no_report_is_lost_while_workers_are_replaced_one_by_one(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    reload_under_load(site, site.emperor.chain_reload, record_property)


def test_no_request_fails_and_no_report_or_simulation_is_lost_while_both_vassals_are_touched(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    def touch_both() -> None:
        loaded = site.emperor.said.count("WSGI app 0")
        scheduling = site.emperor.said.count("claims runs")
        site.emperor.touch(WEB)
        site.emperor.touch(SCHEDULER)
        # Both workers: uWSGI does not hear of a reload in one that was forked and has not begun yet, and would wait for
        # it for as long as the test does.
        site.emperor.until_said("WSGI app 0", loaded + 2)
        site.emperor.until_said("claims runs", scheduling + 1)

    site.emperor.until_said("WSGI app 0", 2)
    reload_under_load(site, touch_both, record_property)
