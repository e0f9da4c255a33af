"""PostgreSQL is restarted under load: what is answered is done, and what is not is done when it is asked again."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from lackey.domain.run import RunState
from lackey.services.admin import keys
from tests.cli.desk import serving
from tests.faults.crowd import Crowd
from tests.faults.reporter import PIECE, STEPS, Curl, Reporter
from tests.nursery import Nursery
from tests.postgres import Cluster, cluster
from tests.stage import Stage, now, until

MODES = ("fast", "immediate") * 5
REPORTERS = 16


@pytest.fixture
def durable() -> Iterator[Cluster]:
    """A server of its own, to which a commit is a commit."""
    with cluster(durable=True) as server:
        yield server


@pytest.fixture
def stage(nursery: Nursery, tmp_path: Path, durable: Cluster) -> Iterator[Stage]:
    stage = Stage(nursery, tmp_path, database_url=durable.create(), slots=30)
    yield stage
    stage.close()


@pytest.fixture
def urls(stage: Stage) -> Iterator[list[str]]:
    """Two services on the stage's database, without schedulers."""
    with ExitStack() as served:
        started = []
        for name in ("web1", "web2"):
            (stage.place / name).mkdir()
            configuration = str(stage.configure(f"{name}.toml", name))
            service = serving(stage.place / name, "--no-scheduler", ready="/healthz", LACKEY_CONFIG=configuration)
            started.append(served.enter_context(service))
        yield [service.url for service in started]


def test_restarts_of_the_database_under_load_cost_503s_and_no_report_and_no_outcome(
    stage: Stage, urls: list[str], durable: Cluster
) -> None:
    stage.start_scheduler()
    crowd, short = Crowd.scheduled(stage), stage.add("short", "echo $LACKEY_RUN_ID >> ran")
    crowd.until_running()
    key, ending = keys.create(stage.database, "tests", "admin", now())[1], threading.Event()
    reporters = [Reporter(f"reporter {n}", urls, key, ending) for n in range(REPORTERS - 1)]
    reporters.append(Curl("curl", urls, key, ending))
    asker = Reporter("asker", urls, key, ending)
    with reporting_all(reporters, ending):
        for number, mode in enumerate(MODES):
            until_some_are_taken(reporters)
            asker.make({"application": short}, f"short-{number}")
            if number in (2, 5):
                crowd.release("03"[number == 5])
            durable.restart(mode)
    assert set().union(*(reporter.answered for reporter in [*reporters, asker])) == {200, 201, 503}
    crowd.check()
    for run_id in asker.runs:
        assert stage.until_ended(run_id).state is RunState.SUCCEEDED, stage.history(run_id)
    assert Counter(stage.told(short, "ran").split()) == {str(run_id): 1 for run_id in asker.runs}
    made = [run_id for reporter in reporters for run_id in reporter.runs]
    for run_id in made:
        check(urls[0], key, run_id)
    assert how_many_runs(stage) == len(set(made)) + len(asker.runs) + len(crowd.runs)


@contextmanager
def reporting_all(reporters: list[Reporter], ending: threading.Event) -> Iterator[None]:
    """All of them report while the block lasts, and come to their ends. Raises what stopped one of them."""
    with ThreadPoolExecutor(len(reporters)) as pool:
        works = [pool.submit(reporter.report) for reporter in reporters]
        try:
            yield
        finally:
            ending.set()
        for work in works:
            work.result(60)


def until_some_are_taken(reporters: list[Reporter]) -> None:
    """Wait until load is on again: most reporters have been answered since."""
    before = [reporter.answered[200] for reporter in reporters]
    until(
        lambda: sum(reporter.answered[200] > old for reporter, old in zip(reporters, before, strict=True)) > 12,
        "their reports",
    )


def check(url: str, key: str, run_id: int) -> None:
    """Every report of the run is in, and none twice."""

    def get(path: str) -> requests.Response:
        answer = requests.get(f"{url}/api/run/{run_id}{path}", headers={"Authorization": f"Bearer {key}"}, timeout=30)
        assert answer.ok, answer.text
        return answer

    run: dict[str, Any] = get("").json()
    assert (run["state"], run["exit_code"], run["duration"]) == ("succeeded", 0, 1000.0)
    assert run["progress"]["done"] == STEPS
    figures = [(one["name"], one["step"], one["value"]) for one in get("/metrics").json()["items"]]
    assert figures == [("residual", step, step / 2) for step in range(STEPS)]
    assert get("/log").content == PIECE * STEPS + b"the end\n"
    kinds = [event["kind"] for event in get("/events").json()["items"]]
    assert kinds == ["stop", "start", "scheduled"], kinds


def how_many_runs(stage: Stage) -> int:
    with stage.database.read() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM run").scalar_one())
