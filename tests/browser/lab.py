"""A lab whose service is at work: `lackey serve` with a scheduler, projects on the share, and runs in every state."""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from lackey.services import Database
from lackey.services.schedules import changing
from tests.cli.desk import Service, serving, start, wait_for

_SETTINGS = r"""
[[share]]
name = "lab"
path = "var/share"
unc = '\\fileserver\lab'
drive = "L:"
[executor.local]
cpus = 3
kill_grace = 0.5
"""
_LORENZ = Path(__file__).parent / "lorenz.py"
_LONG = "friction-factor-of-rough-channels-over-reynolds-number"
_ONE_AT_A_TIME: dict[str, Any] = {
    "max_running": 1,
    "description": "One run at a time: it takes the whole memory of the host.",
    "parameters": [
        {"name": "reynolds_number", "kind": "number", "default": "39500"},
        {"name": "closure", "kind": "choice", "choices": ["smagorinsky", "wale", "vreman"], "default": "wale"},
        {"name": "restart", "kind": "boolean", "default": "false"},
        {"name": "initial_state", "default": r"\\fileserver\lab\channels\initial\re-39500-roughness-0.02.h5"},
    ],
    "environment": {"OMP_NUM_THREADS": "8"},
}
_ENDED = {"succeeded", "failed", "timed_out", "cancelled", "lost"}
_PAST_RUNS = 60


@dataclass
class Lab:
    """`ids`: of the run, project or application that a word stands for."""

    service: Service
    ids: dict[str, int] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _cookies: dict[str, list[Any]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """Where a path is, with ids in place of the words in braces."""
        return self.service.url + path.format(**self.ids)

    def cookies(self, scope: str = "admin") -> list[Any]:
        """Those of a browser that is signed in with a key of this scope."""
        if scope not in self._cookies:
            with requests.Session() as browser:
                asked = browser.get(f"{self.service.url}/sign-in", timeout=30)
                word = re.search(r'name="word" value="(\w+)"', asked.text)
                assert word
                form = {"word": word[1], "key": self.key(scope), "next": "/sign-in"}
                browser.post(asked.url, form, timeout=30, headers={"Sec-Fetch-Site": "same-origin"})
                self._cookies[scope] = [
                    {"name": n, "value": v, "url": self.service.url} for n, v in browser.cookies.items()
                ]
        return self._cookies[scope]

    def key(self, scope: str) -> str:
        """A key of this scope."""
        if scope not in self._keys:
            made = self.service.api("POST", "/api/key", json={"name": f"{scope}-key", "scope": scope})
            self._keys[scope] = made["key"]
        return self._keys[scope]

    def add(self, word: str, project: str, name: str, command: str, **more: Any) -> None:
        """An application with a directory of its own."""
        (self.service.share / project / name).mkdir(parents=True, exist_ok=True)
        body = {"project": project, "name": name, "directory": name, "command": command, **more}
        self.ids[word] = self.service.api("POST", "/api/application", json=body)["id"]

    def run(self, word: str, application: str | None = None, **more: Any) -> dict[str, Any]:
        """A run, made."""
        made: dict[str, Any] = self.service.api("POST", "/api/run", json={"application": application, **more})
        self.ids[word] = made["id"]
        return made

    def schedule(self, word: str, application: str, cron: str, **more: Any) -> None:
        """A recurring schedule, in UTC if no zone is told."""
        body = {"application": application, "cron": cron, "timezone": "UTC", **more}
        self.ids[word] = self.service.api("POST", "/api/schedule", json=body)["id"]

    def report(self, verb: str, run: dict[str, Any], **fields: Any) -> None:
        """A report of a run."""
        url = f"{self.service.url}/api/run/{verb}/{run['id']}"
        answer = requests.put(url, json={"token": run["token"], **fields}, timeout=30)
        assert answer.ok, answer.text

    def cancel(self, word: str) -> None:
        """End the run."""
        self.service.api("POST", f"/api/run/cancel/{self.ids[word]}")

    def get(self, word: str) -> dict[str, Any]:
        """The run by now."""
        found: dict[str, Any] = self.service.api("GET", f"/api/run/{self.ids[word]}")
        return found

    def until(self, word: str, *states: str) -> None:
        """Wait for the run to be in one of the states."""
        wait_for(lambda: self.get(word)["state"] in states, f"run {word!r} to be {' or '.join(states)}")


@contextmanager
def empty_lab(directory: Path) -> Iterator[Lab]:
    """A fresh install."""
    (directory / "var" / "share").mkdir(parents=True)
    (directory / "lackey.toml").write_text(_SETTINGS, encoding="utf-8")
    with serving(directory) as service:
        yield Lab(service)


@contextmanager
def busy_lab(directory: Path) -> Iterator[Lab]:
    """One with runs in every state, and more of them than a page has rows. Nothing changes in it but what is asked for.

    `running` goes on until the block ends.
    """
    with empty_lab(directory) as lab:
        try:
            _found(lab)
            _end_in_every_way(lab)
            _look_back(lab)
            _vary(lab)
            _again_and_again(lab)
            _go_on(lab)
            yield lab
        finally:
            _end(lab)


def _end(lab: Lab) -> None:
    """Cancel all that is left, what waits for another run first, so that nothing begins when the service is gone."""
    for state in ("scheduled", "queued", "running"):
        for run in lab.service.api("GET", "/api/run", params={"state": state})["items"]:
            # One that has ended meanwhile is refused.
            requests.post(f"{lab.service.url}/api/run/cancel/{run['id']}", headers=_bearer(lab), timeout=30)
    wait_for(lambda: not lab.service.api("GET", "/api/run/active")["items"], "the runs to end")


def _bearer(lab: Lab) -> dict[str, str]:
    return {"Authorization": f"Bearer {lab.service.key}"}


def _found(lab: Lab) -> None:
    """Projects and applications."""
    _, said = start("example", cwd=lab.service.directory).communicate(timeout=60)
    assert not said, said
    titles = {
        "convection": ("Convection", "Heated from below: from Lorenz' three equations to the whole layer."),
        "channels": ("Rough channels", "Large-eddy simulations of the flow between walls of measured roughness."),
    }
    for name, (title, description) in titles.items():
        body = {"name": name, "title": title, "description": description, "directory": name}
        lab.ids[name] = lab.service.api("POST", "/api/project", json=body)["id"]
    rho, stop = (
        {"name": name, "kind": "number", "default": value} for name, value in (("rho", "28"), ("stop", "1000"))
    )
    lab.add("lorenz", "convection", "lorenz", "python3 lorenz.py {rho} {stop}", parameters=[rho, stop])
    shutil.copy(_LORENZ, lab.service.share / "convection" / "lorenz")
    lab.add("mesh", "channels", "mesh", "echo refining the mesh; kill -SEGV $$")
    lab.add("walls", "channels", "walls", "echo reading the profile of the wall; exec sleep 3600", time_limit=1)
    lab.add("long", "channels", _LONG, f"echo {_LONG}; exec sleep 3600", **_ONE_AT_A_TIME)


def _end_in_every_way(lab: Lab) -> None:
    lab.run("succeeded", "examples/heat", parameters={"n": 33, "steps": 400})
    lab.run("other", "examples/heat", parameters={"n": 17, "steps": 400})
    lab.run("failed", "examples/failing", parameters={"dt": "0.00018"})
    lab.run("killed", "channels/mesh")
    lab.run("timed_out", "channels/walls")
    lost = lab.run("lost", launch=False, name="on a laptop that was closed", silence=1)
    lab.report("start", lost, host="laptop-17")
    for word in ("succeeded", "other", "failed", "killed", "timed_out", "lost"):
        lab.until(word, *_ENDED)
    fields = lab.service.share / "examples" / "heat" / "lackey-runs" / str(lab.ids["succeeded"]) / "fields"
    fields.mkdir()
    (fields / "temperature-0400.dat").write_text("0.1913\n")
    lab.run("cancelled", f"channels/{_LONG}", parameters={"reynolds_number": 5600})
    lab.until("cancelled", "running")
    lab.cancel("cancelled")
    lab.until("cancelled", "cancelled")


def _look_back(lab: Lab) -> None:
    """Runs of the past weeks, one with its own report for each evening."""
    now = time.time()
    for number in range(_PAST_RUNS, 0, -1):
        rho = 20 + number % 9
        run = lab.run("past", "convection/lorenz", launch=False, parameters={"rho": rho, "stop": 1000})
        started = now - number * 43_200
        lab.report("start", run, ts=started, host=f"node-{number % 7:03}")
        lab.report("metric", run, name="z", value=rho - 1, step=1000, ts=started)
        took, exit = 600 + 37 * (number * 7 % 23), 1 if number % 11 == 0 else 0
        lab.report("stop", run, ts=started + took, exit=exit, log="diverged\n" if exit else "done\n")


def _vary(lab: Lab) -> None:
    """Sweeps: one that has ended, by its own reports, and one that is held."""
    body = {
        "application": "convection/lorenz",
        "name": "how fast it settles",
        "grid": {"rho": "16..20", "stop": "10..1000/3 log"},
        "hold": True,
    }
    lab.ids["sweep"] = lab.service.api("POST", "/api/sweep", json=body)["id"]
    lab.service.api("POST", f"/api/sweep/cancel/{lab.ids['sweep']}")
    wait_for(lambda: lab.service.api("GET", f"/api/sweep/{lab.ids['sweep']}")["state"], "the sweep to be cancelled")
    table = f"/api/sweep/{lab.ids['sweep']}/table"
    for row in lab.service.api("GET", table, params={"limit": 100})["items"]:
        rho, stop = (float(row["parameters"][name]) for name in ("rho", "stop"))
        # A sweep's own runs have no token to report with; one that takes the place of another has.
        run = lab.service.api("POST", f"/api/run/rerun/{row['run']}")
        begun = time.time() - 86_400
        lab.report("start", run, ts=begun, host="node-004")
        exit = 1 if rho > 18 and stop > 500 else 0
        if not exit:
            lab.report("metric", run, metrics=[{"name": "residual", "value": rho / stop, "step": stop}])
        lab.report("stop", run, ts=begun + stop / 5, exit=exit)
    held = {"application": f"channels/{_LONG}", "grid": {"reynolds_number": [5600, 11000]}, "hold": True}
    lab.ids["sweep_held"] = lab.service.api("POST", "/api/sweep", json=held)["id"]


def _again_and_again(lab: Lab) -> None:
    """Schedules: one with a history, a nightly one, one that is paused."""
    lab.schedule("schedule_nightly", f"channels/{_LONG}", "0 2 * * *", timezone="Australia/Lord_Howe", overlap="queue")
    lab.schedule("schedule_paused", "convection/lorenz", "30 6 1 * *", parameters={"rho": 14, "stop": 50}, paused=True)
    grid = {"reynolds_number": "1e4..1e6/5 log", "closure": "wale, vreman", "initial_state": "W" * 60}
    lab.schedule("schedule_of_sweep", f"channels/{_LONG}", "0 3 * * 6", grid=grid, max_running=2)
    plain = {"parameters": {}, "overlap": "skip", "catch_up": "latest", "paused": False}
    nightly = {**plain, "application": "channels/mesh", "cron": "0 2 * * *", "timezone": "UTC"}
    database = Database(f"sqlite:///{lab.service.directory / 'var' / 'lackey.sqlite3'}")
    # Made some days ago, as it were: the scheduler catches up what it has missed.
    made = changing.add(database, nightly, "anna", datetime.now(UTC) - timedelta(days=4))
    database.close()
    lab.ids["schedule"] = made.id

    def run() -> Any:
        ticks = lab.service.api("GET", f"/api/schedule/{made.id}")["ticks"]
        return next((tick["run"] for tick in ticks if tick["run"]), None)

    lab.ids["of_schedule"] = wait_for(run, "the run of a schedule")
    lab.until("of_schedule", "failed")


def _go_on(lab: Lab) -> None:
    """What runs, what waits and for what, what is to come."""
    lab.run("running", "convection/lorenz", parameters={"rho": 28, "stop": 640})
    lab.run("running_long", f"channels/{_LONG}")
    lab.run("waiting", f"channels/{_LONG}", parameters={"closure": "vreman"})
    lab.run("after", "examples/heat", after=[lab.ids["running"]])
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT06:00:00Z")
    lab.run("scheduled", "examples/epidemic", at=tomorrow)
    reported = lab.run("reported", launch=False, name="ensemble member 7, from the cluster's own queue")
    lab.report("start", reported, host="cluster-login-2", ts=time.time() - 12_345)
    lab.report("progress", reported, fraction=0.35, message="day 128 of 365; the time step was halved twice")
    lab.report("metric", reported, name="sea surface temperature, global mean (K)", value=291.3, step=128)
    lab.report("log", reported, text="day 127: residual 3.1e-9\nday 128: residual 2.9e-9\n")
    lab.until("running_long", "running")
    wait_for(lambda: (lab.get("running")["progress"] or {}).get("done"), "the progress of a run")
