"""Lists of runs and of what is kept of them, over HTTP."""

import base64

import pytest

from lackey.store import run_lists
from tests.web.client import Api, fields_at_fault


@pytest.fixture
def api(api_on_each_database: Api) -> Api:
    return api_on_each_database


def test_pages_follow_one_another_by_their_cursors(api: Api) -> None:
    made = [api.reported_run()["id"] for _ in range(5)]
    seen, path = [], "/api/run?limit=2&by=admin+key"
    while path:
        answer = api.get(path)
        seen += [run["id"] for run in answer.json["items"]]
        link = answer.headers.get("Link")
        assert (link is None) == (answer.json["next"] is None)
        path = link.removeprefix("<").removesuffix('>; rel="next"') if link else ""
    assert seen == made[::-1]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=LTE=", "state=done", "since=x", "colour=red"],
)
def test_a_question_that_can_not_be_understood_is_refused_by_field(api: Api, query: str) -> None:
    assert fields_at_fault(api.get(f"/api/run?{query}")) == [query.partition("=")[0]]


def test_a_question_asked_twice_or_in_no_text_is_refused(api: Api) -> None:
    assert fields_at_fault(api.get("/api/run?limit=1&limit=2")) == ["limit"]
    assert api.get("/api/run?q=%FF").status_int == 400
    assert api.get("/api/run?q=%00").status_int == 400


def test_runs_are_found_by_state_project_key_time_and_words(api: Api) -> None:
    application = api.application(command="./simulate gently")
    launched = api.post("/api/run", {"application": "heat/explicit"}).json
    ended = api.reported_run(name="tea kettle")
    api.report("stop", ended, exit=1, log="the residual exploded")
    later = api.reported_run(at="2030-03-17T17:46:40Z")
    other = api.post("/api/run", {"launch": False, "name": "x"}, key=api.key_of("run")).json
    found = {
        "state=failed": [ended],
        "state=failed,queued": [ended, launched],
        "state=failed&state=queued": [ended, launched],
        "state=active": [launched],
        "state=final": [ended],
        "project=heat": [launched],
        "application=heat/explicit": [launched],
        f"application={application['id']}": [launched],
        "by=run+key": [other],
        "since=1900000000": [later],
        "until=2029-01-01T00:00:00Z": [other, ended, launched],
        "q=KETTLE": [ended],
        "q=residual+exploded": [ended],
        "q=exploded+nothing": [],
        "q=gently": [launched],
        "sweep=1": [],
    }
    for query, expected in found.items():
        items = api.get(f"/api/run?{query}").json["items"]
        assert {run["id"] for run in items} == {run["id"] for run in expected}, query


def test_a_time_that_is_asked_for_lists_what_was_scheduled_latest_first(api: Api) -> None:
    times = ["2030-01-03T00:00:00Z", "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z", "2030-01-01T00:00:00Z"]
    made = {run["id"]: run for run in (api.reported_run(at=time) for time in times)}
    first = api.get("/api/run?since=2029-01-01T00:00:00Z&limit=2").json
    rest = api.get(f"/api/run?since=2029-01-01T00:00:00Z&cursor={first['next']}").json
    listed = [run["id"] for run in (*first["items"], *rest["items"])]
    assert listed == sorted(made, key=lambda run_id: (made[run_id]["scheduled_at"], run_id), reverse=True)


def test_a_search_among_very_many_runs_says_how_far_it_has_come(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lists, "WALKED_AT_MOST", 2)
    monkeypatch.setattr(run_lists, "FEW", 0)
    failed = api.reported_run()
    api.report("stop", failed, exit=1)
    for _ in range(5):
        api.report("stop", api.reported_run(), exit=0)
    found, path, empty = [], "/api/run?state=failed&by=admin+key", 0
    while path:
        answer = api.get(path)
        assert len(answer.json["items"]) <= 1
        found += [run["id"] for run in answer.json["items"]]
        empty += not answer.json["items"]
        link = answer.headers.get("Link")
        path = link.removeprefix("<").removesuffix('>; rel="next"') if link else ""
    assert found == [failed["id"]]
    assert empty >= 2


def test_a_list_goes_on_at_a_cursor_of_the_version_before(api: Api) -> None:
    made = [api.reported_run()["id"] for _ in range(3)]
    cursor = base64.urlsafe_b64encode(str(made[2]).encode()).decode()
    assert [run["id"] for run in api.get(f"/api/run?cursor={cursor}").json["items"]] == [made[1], made[0]]
    assert api.get("/api/run?limit=1").json["next"] == cursor


def test_what_is_active_running_and_due_is_listed_apart(api: Api) -> None:
    api.application()
    queued = api.post("/api/run", {"application": "heat/explicit"}).json
    running = api.reported_run()
    api.report("start", running)
    due = api.reported_run()
    api.reported_run(at="2030-03-17T17:46:40Z")
    expected = {"active": [running, queued], "running": [running], "jobs": [due, queued]}
    for name, runs in expected.items():
        assert [run["id"] for run in api.get(f"/api/run/{name}").json["items"]] == [run["id"] for run in runs]


def test_the_history_of_a_run_is_listed_in_pages_newest_first(api: Api) -> None:
    run = api.reported_run()
    api.report("start", run)
    api.report("stop", run, exit=3)
    first = api.get(f"/api/run/{run['id']}/events?limit=2").json
    rest = api.get(f"/api/run/{run['id']}/events?cursor={first['next']}").json
    kinds = [event["kind"] for event in (*first["items"], *rest["items"])]
    assert (kinds, rest["next"]) == (["stop", "start", "scheduled"], None)
    assert first["items"][0]["details"]["to"] == "failed"
    assert run["token"] not in str(first)


def test_figures_are_listed_in_pages(api: Api) -> None:
    run = api.reported_run()
    api.report("metric", run, metrics=[{"name": "a", "value": n, "step": n} for n in range(5)])
    steps, cursor = [], ""
    for _ in range(3):
        page = api.get(f"/api/run/{run['id']}/metrics?limit=2{cursor}").json
        steps += [one["step"] for one in page["items"]]
        cursor = f"&cursor={page['next']}"
    assert (steps, page["next"]) == ([0, 1, 2, 3, 4], None)


def test_runs_of_what_there_is_not_are_refused_by_name(api: Api) -> None:
    api.application()
    for nowhere in ("none", "0", ""):
        assert fields_at_fault(api.get(f"/api/run?project={nowhere}")) == ["project"]
        assert fields_at_fault(api.get(f"/api/application?project={nowhere}")) == ["project"]
    assert fields_at_fault(api.get("/api/run?project=heat&application=none/x")) == ["application"]


@pytest.mark.parametrize("what", ["", "/log", "/events", "/metrics", "/files"])
def test_of_no_such_run_nothing_is_shown(api: Api, what: str) -> None:
    for run_id in ("4711", "x", "-1", "1" * 30, "1.5"):
        answer = api.get(f"/api/run/{run_id}{what}")
        assert (answer.status_int, answer.content_type) == (404, "application/problem+json")
