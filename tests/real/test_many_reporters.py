"""Eight processes report to the same runs at once, on one SQLite file, as uWSGI's workers would."""

import json
import multiprocessing
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from lackey.app import make_app
from lackey.services import Database
from lackey.settings import ServerSettings, Settings
from lackey.web.wsgi import WsgiApplication
from tests.web.client import NOON, Api, Clock

PROCESSES = 8
RUNS = 25
METRICS = 23
LOG_PIECES = 24
PIECE = b"a line of this reporter's own\n"
# Of each process to each run: a start, the metrics, a progress, the pieces of its log, a stop.
REPORTS = PROCESSES * RUNS * (1 + METRICS + 1 + LOG_PIECES + 1)


def put(app: WsgiApplication, path: str, fields: dict[str, Any]) -> str:
    """The status of the answer to a report."""
    body = urlencode(fields).encode()
    environ = {
        "REQUEST_METHOD": "PUT",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": BytesIO(),
    }
    told: list[str] = []
    for _ in app(environ, lambda status, headers, info=None: told.append(status)):
        pass
    return told[0][:3]


def reports(number: int) -> list[tuple[str, dict[str, Any]]]:
    """What one process says to each run: figures and a part of the log of its own, the rest as all the others."""
    said: list[tuple[str, dict[str, Any]]] = [("start", {"ts": 1000 + number})]
    said += [("metric", {"name": f"of {number}", "step": step, "value": step * number}) for step in range(METRICS)]
    said += [("progress", {"fraction": (number + 1) / PROCESSES, "ts": 1500 + number})]
    first = number * LOG_PIECES * len(PIECE)
    said += [("log", {"text": PIECE, "offset": first + piece * len(PIECE)}) for piece in range(LOG_PIECES)]
    return [*said, ("stop", {"ts": 2000, "exit": 0})]


def report_all(number: int, data_dir: Path, made: list[dict[str, Any]], statuses: "multiprocessing.Queue[Any]") -> None:
    """A process: all its reports to all runs, each run in its turn, so that all are at the same run at once."""
    app = make_app(Settings(server=ServerSettings(data_dir=data_dir)), wake=lambda: None)
    answered: Counter[str] = Counter()
    for run in made:
        for verb, fields in reports(number):
            answered[put(app, f"/api/run/{verb}/{run['id']}", {**fields, "token": run["token"]})] += 1
    statuses.put(answered)


def test_eight_processes_that_report_to_the_same_runs_at_once_lose_nothing(empty_copy: Path) -> None:
    settings = Settings(server=ServerSettings(data_dir=empty_copy))
    database = Database(settings.database_url)
    api = Api(make_app(settings, clock=Clock(NOON), wake=lambda: None), database, settings, Clock(NOON))
    made = [api.reported_run() for _ in range(RUNS)]
    database.close()

    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["tests.real.test_many_reporters"])
    statuses: multiprocessing.Queue[Any] = forking.Queue()
    workers = [
        forking.Process(target=report_all, args=(number, empty_copy, made, statuses)) for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    answered: Counter[str] = sum((statuses.get(timeout=240) for _ in workers), Counter())
    for worker in workers:
        worker.join()

    assert answered == Counter({"200": REPORTS})
    assert REPORTS >= 10_000
    for run in made:
        _assert_complete(api, api.run(run))


def _assert_complete(api: Api, run: dict[str, Any]) -> None:
    assert (run["state"], run["exit_code"], run["duration"]) == ("succeeded", 0, 1000.0)
    assert run["progress"]["fraction"] == 1.0
    figures = api.get(f"/api/run/{run['id']}/metrics?limit=1000").json["items"]
    expected = {(f"of {number}", step, step * number) for number in range(PROCESSES) for step in range(METRICS)}
    assert {(one["name"], one["step"], one["value"]) for one in figures} == expected
    log = api.get(f"/api/run/{run['id']}/log")
    assert log.headers["X-Log-Complete"] == "true"
    assert log.body == PIECE * (LOG_PIECES * PROCESSES)
    kinds = Counter(event["kind"] for event in api.get(f"/api/run/{run['id']}/events?limit=1000").json["items"])
    assert kinds["succeeded"] + kinds["stop"] == 1, json.dumps(kinds)
