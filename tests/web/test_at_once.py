"""The same request several times at once: a client that lost the answer tries again while the first is under way."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from webtest import TestApp

from lackey.services.admin import health
from lackey.services.dispatch import kept_logs
from lackey.services.dispatch.kept_logs import Taken
from lackey.services.runs import scheduling
from lackey.services.runs.scheduling import Wanted
from tests.web.client import Api

AT_ONCE = 6
ROUNDS = 3
# What 300 kB of log does takes long enough for the others to come in between.
LOG = "needle " * 40_000

REPORTS: dict[str, dict[str, Any]] = {
    "start": {"ts": 1369312595, "host": "node1"},
    "stop": {"ts": 1369322595, "exit": 0, "log": LOG},
    "progress": {"ts": 1369315000, "fraction": 0.5, "message": "half"},
    "metric": {"metrics": [{"name": f"m{i}", "value": i, "step": 1, "ts": 1369315000} for i in range(20)]},
    "log": {"offset": 0, "text": LOG},
}


@pytest.fixture
def api(api_on_each_database: Api) -> Api:
    return api_on_each_database


def at_once(api: Api, ask: Callable[[Api], Any]) -> list[Any]:
    """The answers to a request that several clients send at once."""
    clients = [Api(api.wsgi, api.database, api.settings, api.clock, key=api.key) for _ in range(AT_ONCE)]
    for client in clients:
        client.client = TestApp(api.wsgi)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, clients))


def statuses(answers: list[Any]) -> set[int]:
    return {answer.status_int for answer in answers}


@pytest.mark.parametrize("verb", REPORTS)
def test_a_report_that_comes_several_times_at_once_is_taken_once_and_always_answered(api: Api, verb: str) -> None:
    once = api.reported_run()
    assert api.report(verb, once, **REPORTS[verb]).status_int == 200
    for _ in range(ROUNDS):
        run = api.reported_run()
        answers = at_once(api, lambda client, run=run: client.report(verb, run, **REPORTS[verb]))  # type: ignore[misc]
        assert statuses(answers) == {200}, [answer.text[:300] for answer in answers]
        assert everything(api, run) == everything(api, once)


def everything(api: Api, run: dict[str, Any]) -> tuple[Any, ...]:
    path = f"/api/run/{run['id']}"
    shown = {name: value for name, value in api.run(run).items() if name not in ("id", "token")}
    kinds = [event["kind"] for event in api.get(f"{path}/events").json["items"]]
    return shown, api.get(f"{path}/metrics").json["items"], api.get(f"{path}/log").body, kinds


def test_all_reports_of_a_run_at_once_give_the_same_run_as_one_after_the_other(api: Api) -> None:
    once, run = api.reported_run(), api.reported_run()
    for verb, fields in REPORTS.items():
        api.report(verb, once, **fields)
    told = [*REPORTS.items()] * 4
    with ThreadPoolExecutor(len(told)) as pool:
        clients = [Api(api.wsgi, api.database, api.settings, api.clock, key=api.key) for _ in told]
        sent = [
            pool.submit(client.report, verb, run, **fields)
            for client, (verb, fields) in zip(clients, told, strict=True)
        ]
        answers = [each.result(60) for each in sent]
    assert statuses(answers) == {200}
    assert everything(api, run)[:3] == everything(api, once)[:3]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/project", {"name": "heat", "directory": "heat"}),
        ("/api/run", {"launch": False, "name": "by hand"}),
        ("/api/run", {"application": "other/explicit"}),
        ("/api/key", {"name": "mine", "scope": "read"}),
        ("/api/application", {"project": "other", "name": "new", "directory": "new", "command": "true"}),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_is_asked_for_under_one_idempotency_key_at_once_is_made_once(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    api.post("/api/project", {"name": "other", "directory": "other"})
    api.post("/api/application", {"project": "other", "name": "explicit", "directory": "x", "command": "true"})
    before = len(api.get(path).json["items"])
    answers = at_once(api, lambda client: client.post(path, body, Idempotency_Key="the same"))
    assert statuses(answers) == {201}, [answer.text for answer in answers]
    assert len({answer.json["id"] for answer in answers}) == 1
    assert len(api.get(path).json["items"]) == before + 1


def test_a_name_that_several_take_at_once_is_given_to_one(api: Api) -> None:
    answers = at_once(api, lambda client: client.post("/api/project", {"name": "heat", "directory": "heat"}))
    assert sorted(answer.status_int for answer in answers) == [201] + [409] * (AT_ONCE - 1)
    application = {"project": "heat", "name": "explicit", "directory": "explicit", "command": "true"}
    answers = at_once(api, lambda client: client.post("/api/application", application))
    assert sorted(answer.status_int for answer in answers) == [201] + [409] * (AT_ONCE - 1)


def test_a_run_is_cancelled_and_run_again_by_several_at_once(api: Api) -> None:
    run = api.reported_run()
    assert statuses(at_once(api, lambda client: client.post(f"/api/run/cancel/{run['id']}"))) == {200}
    assert [event["kind"] for event in api.get(f"/api/run/{run['id']}/events").json["items"]].count("cancelled") == 1
    rerun = f"/api/run/rerun/{run['id']}"
    answers = at_once(api, lambda client: client.post(rerun, Idempotency_Key="again"))
    assert (statuses(answers), len({answer.json["id"] for answer in answers})) == ({201}, 1)


def test_an_executor_is_paused_and_resumed_by_several_at_once(api: Api) -> None:
    for paused in (True, False):
        answers = at_once(api, lambda client, to=paused: client.put("/api/executor/local", {"paused": to}))  # type: ignore[misc]
        assert statuses(answers) == {200}, [answer.text for answer in answers]
        assert {bool(answer.json["paused"]) for answer in answers} == {paused}


def test_a_report_to_a_run_that_is_removed_at_the_same_time_is_taken_or_refused(api: Api) -> None:
    for _ in range(ROUNDS):
        run = api.reported_run()
        api.report("stop", run, exit=0)
        asks = [
            partial(api.report, "log", run, offset=0, text=LOG),
            partial(api.delete, f"/api/run/{run['id']}"),
            partial(api.report, "metric", run, name="m", value=1, step=1),
        ]
        with ThreadPoolExecutor(len(asks)) as pool:
            answers = list(pool.map(lambda ask: ask(), asks))
        assert statuses(answers) <= {200, 204, 401, 404, 405}, [answer.text for answer in answers]


def test_what_schedulers_write_at_once_is_written_once(api: Api) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def many(work: Callable[[], Any]) -> list[Any]:
            return [future.result(60) for future in [pool.submit(work) for _ in range(AT_ONCE)]]

        now = api.clock.now
        assert len(set(many(lambda: health.found(api.database, now)))) == 1
        many(lambda: health.beat(api.database, "h1", now, True, now))
        assert len(health.schedulers(api.database, now)) == 1
        for _ in range(ROUNDS):
            run, _token = scheduling.schedule(api.database, Wanted(launch=False, name="x"), "anna", now)
            pieces = [(0, LOG.encode()), (10 << 20, LOG.encode())]
            many(partial(kept_logs.keep_file_logs, api.database, [Taken(run.id, 11 << 20, pieces)]))
