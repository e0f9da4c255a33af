"""Sweeps over HTTP."""

import csv
import io
import json
from typing import Any
from unittest.mock import patch

import pytest

from lackey.services.sweeps import making
from lackey.services.sweeps.care import Care
from lackey.store import metrics
from lackey.store.metrics import Metric
from tests.web.client import Api, fields_at_fault


@pytest.fixture(params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest) -> Api:
    api: Api = request.getfixturevalue("api_on_each_database" if request.param == "postgresql" else "api")
    api.application(parameters=[{"name": "n", "default": "1"}, {"name": "eps", "default": "0"}])
    return api


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("postgresql_url"))


def make(api: Api, **fields: Any) -> dict[str, Any]:
    answer = api.post("/api/sweep", {"application": "heat/explicit", **fields})
    assert answer.status_int == 201, answer
    assert answer.headers["Location"] == f"/api/sweep/{answer.json['id']}"
    made: dict[str, Any] = answer.json
    return made


def table(api: Api, sweep: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.get(f"/api/sweep/{sweep['id']}/table{query}").json["items"]
    return rows


def care(api: Api) -> None:
    known = Care()
    while known.tick(api.database, api.clock()):
        pass


def runs_of(api: Api, sweep: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/api/run?sweep={sweep['id']}").json["items"]
    return found


def test_a_grid_is_made_and_its_runs_say_of_which_sweep_they_are(api: Api) -> None:
    wakes = len(api.wakes)
    made = make(api, name="study", grid={"n": [1, 2], "eps": "0..1/3"}, max_running=2, priority=3)
    assert (made["runs"], made["parameters"], made["counts"]) == (6, ["n", "eps"], {"queued": 6})
    assert (made["state"], made["progress"], made["eta"], made["max_running"]) == (None, 0.0, None, 2)
    assert len(api.wakes) == wakes + 1
    runs = runs_of(api, made)
    assert [run["parameters"] for run in reversed(runs)] == [
        {"n": n, "eps": eps} for n in ("1", "2") for eps in ("0", "0.5", "1")
    ]
    assert {(run["name"], run["sweep"], run["cause"], run["priority"]) for run in runs} == {
        ("study", made["id"], "sweep", 3)
    }
    assert api.get("/api/sweep").json["items"] == [made] and api.get(f"/api/sweep/{made['id']}").json == made


@pytest.mark.parametrize("how", ["json", "curl", "form", "file", "csv"])
def test_points_come_as_json_as_a_file_and_as_csv(api: Api, how: str) -> None:
    content = "n,eps\n1,0.5\n2,1e-3\n"
    if how == "json":
        made = make(api, points=[{"n": 1, "eps": "0.5"}, {"n": 2, "eps": "1e-3"}], name="of points")
    elif how == "csv":
        address = "/api/sweep?application=heat/explicit&name=of+points"
        made = api.ask("POST", address, content.encode(), Content_Type="text/csv").json
    elif how == "curl":
        as_json = json.dumps({"application": "heat/explicit", "points": [{"n": 1, "eps": "0.5"}]})
        assert api.form("POST", "/api/sweep", as_json, key=api.key).status_int == 201
        return
    elif how == "form":
        fields = "application=heat/explicit&name=of+points&grid.n=1,2&parameters.eps=7&max_running=3"
        made = api.form("POST", "/api/sweep", fields, key=api.key).json
        assert (made["runs"], made["max_running"], made["parameters"]) == (2, 3, ["n"])
        assert [row["parameters"] for row in table(api, made)] == [{"n": "1", "eps": "7"}, {"n": "2", "eps": "7"}]
        return
    else:
        parts = {"application": "heat/explicit", "name": "of points", "points": content}
        body = "".join(f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in parts.items())
        sent = (body + "--x--\r\n").encode()
        made = api.ask("POST", "/api/sweep", sent, Content_Type="multipart/form-data; boundary=x").json
    rows = table(api, made)
    assert [row["parameters"] for row in rows] == [{"n": "1", "eps": "0.5"}, {"n": "2", "eps": "1e-3"}]
    assert (made["name"], [row["state"] for row in rows]) == ("of points", ["queued", "queued"])


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({}, ["grid"]),
        ({"grid": {"n": [1]}, "points": [{"n": 1}]}, ["body"]),
        ({"grid": {"n": []}}, ["grid.n"]),
        ({"grid": {"n": "1,,2"}}, ["grid.n"]),
        ({"grid": {"n": "1..1000000"}}, ["grid.n"]),
        ({"grid": {"m": [1]}}, ["grid.m"]),
        ({"points": [{"n": 1}, {"m": 2}, {"n": "a\0"}]}, ["points.2.n"]),
        ({"points": [{"n": 1}, {"m": 2}, {"k": 3}]}, ["points.1.m", "points.2.k"]),
        ({"grid": {"n": [1]}, "max_running": 0}, ["max_running"]),
        ({"grid": {"n": [1]}, "cpus": 5000}, ["cpus"]),
        ({"grid": {"n": [1]}, "at": "yesterday"}, ["at"]),
    ],
)
def test_what_is_wrong_is_said_by_field_and_nothing_is_made(
    api: Api, fields: dict[str, Any], at_fault: list[str]
) -> None:
    assert fields_at_fault(api.post("/api/sweep", {"application": "heat/explicit", **fields})) == at_fault
    assert api.get("/api/run").json["items"] == [] and api.get("/api/sweep").json["items"] == []


def test_a_faulty_table_is_told_by_its_lines(api: Api) -> None:
    answer = api.ask("POST", "/api/sweep?application=heat/explicit", b"n,m\n1,2\n", Content_Type="text/csv")
    assert fields_at_fault(answer) == ["points.line 2.m"]
    answer = api.ask("POST", "/api/sweep?application=heat/explicit", b"n\n\xff\n", Content_Type="text/csv")
    assert fields_at_fault(answer) == ["points"]


def test_too_many_runs_are_refused_by_the_name_of_the_limit(api: Api) -> None:
    answer = api.post("/api/sweep", {"application": "heat/explicit", "grid": {"n": "1..1000", "eps": "1..1000"}})
    assert answer.status_int == 429 and "SWEEP_RUNS" in answer.json["detail"]


def test_a_sweep_takes_more_than_other_bodies_and_not_without_end(api: Api) -> None:
    rows = b"n,eps\n" + b"1,%s\n" % (b"7" * 1000) * 1200
    answer = api.ask("POST", "/api/sweep?application=heat/explicit&hold=true", rows, Content_Type="text/csv")
    assert (answer.status_int, answer.json["runs"]) == (201, 1200)
    declared = api.ask("POST", "/api/sweep?application=1", b"n\n" + b"1\n" * (9 << 20), Content_Type="text/csv")
    assert declared.status_int == 413


def test_who_may_what(api: Api) -> None:
    read, run = api.key_of("read"), api.key_of("run")
    fields = {"application": "heat/explicit", "grid": {"n": [1]}}
    assert api.post("/api/sweep", fields, key=read).status_int == 403
    assert api.post("/api/sweep", fields, key="").status_int == 401
    made = api.post("/api/sweep", fields, key=run).json
    assert made["by"] == "run key"
    for path in ("", "/table"):
        assert api.get(f"/api/sweep/{made['id']}{path}", key=read).status_int == 200
    assert api.put(f"/api/sweep/{made['id']}", {"hold": True}, key=read).status_int == 403
    for path in ("cancel", "rerun"):
        assert api.post(f"/api/sweep/{path}/{made['id']}", {}, key=read).status_int == 403
        assert api.post(f"/api/sweep/{path}/99", {}).status_int == 404
    assert api.get("/api/sweep/99").status_int == api.get("/api/sweep/99/table").status_int == 404


def test_the_same_request_again_makes_nothing_new(api: Api) -> None:
    fields = {"application": "heat/explicit", "grid": {"n": [1, 2]}}
    first, again = (api.post("/api/sweep", fields, Idempotency_Key="k").json for _ in range(2))
    assert first == again and len(api.get("/api/run").json["items"]) == 2
    other = api.post("/api/sweep", {**fields, "name": "x"}, Idempotency_Key="k")
    assert other.status_int == 409
    sent = [
        api.ask("POST", "/api/sweep?application=1", rows, Content_Type="text/csv", Idempotency_Key="c").status_int
        for rows in (b"n\n1\n", b"n\n1\n", b"n\n2\n")
    ]
    assert sent == [201, 201, 409]


def test_a_sweep_is_changed_held_cancelled_and_run_again(api: Api) -> None:
    made = make(api, grid={"n": "1..3"})
    changed = api.put(f"/api/sweep/{made['id']}", {"hold": True, "priority": 7, "max_running": 1}).json
    assert (changed["hold"], changed["priority"], changed["max_running"]) == (True, 7, 1)
    assert {(run["priority"], run["reason"]) for run in runs_of(api, made)} == {
        (7, "its sweep is held on request, until it is released")
    }
    run_id = runs_of(api, made)[0]["id"]
    assert fields_at_fault(api.put(f"/api/run/{run_id}", {"priority": 1})) == ["priority"]
    cancelled = api.post(f"/api/sweep/cancel/{made['id']}").json
    assert cancelled["cancelled_by"] == "admin key"
    care(api)
    ended = api.get(f"/api/sweep/{made['id']}").json
    assert (ended["counts"], ended["state"], ended["progress"]) == ({"cancelled": 3}, "cancelled", 1.0)
    again = api.post(f"/api/sweep/rerun/{made['id']}", {}).json
    assert (again["rerun"], again["counts"], again["state"]) == (3, {"queued": 3}, None)
    assert len(runs_of(api, made)) == 6
    assert fields_at_fault(api.post(f"/api/sweep/rerun/{made['id']}", {"state": "running"})) == ["body"]
    api.post(f"/api/sweep/cancel/{made['id']}")
    care(api)
    same = [api.post(f"/api/sweep/rerun/{made['id']}", {}, Idempotency_Key="again").json["rerun"] for _ in range(2)]
    assert (same, len(runs_of(api, made))) == ([3, 3], 9)


def test_runs_and_sweeps_wait_for_sweeps_as_json_and_in_forms(api: Api) -> None:
    first = make(api, grid={"n": "1..2"}, hold=True)
    sweep_id = first["id"]
    run = api.post("/api/run", {"application": "heat/explicit", "after": [{"sweep": sweep_id, "on": "ended"}]}).json
    assert (run["after"], run["state"]) == ([{"sweep": sweep_id, "on": "ended"}], "scheduled")
    assert run["reason"] == f"waits for sweep {sweep_id} to end"
    second = make(api, grid={"n": "1..3"}, after=[run["id"], {"sweep": sweep_id}])
    assert second["after"] == [{"run": run["id"], "on": "succeeded"}, {"sweep": sweep_id, "on": "succeeded"}]
    assert second["reason"] == f"waits for run {run['id']} to succeed and sweep {sweep_id} to succeed"
    assert (second["counts"], second["state"]) == ({"scheduled": 3}, None)
    asked = f"application=heat/explicit&grid.n=1..2&after={run['id']}:ended,sweep:{sweep_id}:failed"
    third = api.form("POST", "/api/sweep", asked, key=api.key).json
    assert third["after"] == [{"run": run["id"], "on": "ended"}, {"sweep": sweep_id, "on": "failed"}]
    api.post(f"/api/sweep/cancel/{sweep_id}")
    care(api)
    shown = api.get(f"/api/sweep/{second['id']}").json
    assert (shown["state"], shown["counts"]) == ("cancelled", {"cancelled": 3})
    assert shown["reason"] == f"sweep {sweep_id}, which it waited for, is cancelled"
    assert {one["reason"] for one in runs_of(api, second)} == {shown["reason"]}
    assert api.get(f"/api/run/{run['id']}").json["state"] == "queued"


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        ([{"sweep": 77}], "after"),
        ([{"sweep": 1, "run": 1}], "after.0"),
        ([{"on": "ended"}], "after.0"),
        ([{"sweep": 1}, {"sweep": 1, "on": "ended"}], "after"),
    ],
)
def test_what_can_not_be_waited_for_is_refused_by_field(api: Api, after: list[Any], fault: str) -> None:
    made = make(api, grid={"n": [1]})
    for path, more in (("/api/run", {}), ("/api/sweep", {"grid": {"n": [1]}})):
        answer = api.post(path, {"application": "heat/explicit", "after": after, **more})
        assert (answer.status_int, fields_at_fault(answer)) == (400, [fault])
    assert [each["id"] for each in api.get("/api/sweep").json["items"]] == [made["id"]]


def test_a_sweep_has_tags_and_variables_by_which_its_runs_are_found_and_run(api: Api) -> None:
    made = make(api, grid={"n": "1..2"}, tags=["paper"], environment={"MODE": "fast"})
    assert (made["tags"], made["environment"]) == (["paper"], {"MODE": "fast"})
    assert [(run["tags"], run["environment"]) for run in runs_of(api, made)] == [(["paper"], {"MODE": "fast"})] * 2
    assert len(api.get("/api/run?tag=paper").json["items"]) == 2
    form = api.form(
        "POST", "/api/sweep", "application=heat/explicit&grid.n=1&tags=a,b&environment.MODE=slow", key=api.key
    )
    assert (form.json["tags"], form.json["environment"]) == (["a", "b"], {"MODE": "slow"})
    refused = api.post(
        "/api/sweep", {"application": "heat/explicit", "grid": {"n": [1]}, "environment": {"LACKEY_TOKEN": "x"}}
    )
    assert (refused.status_int, fields_at_fault(refused)) == (400, ["environment.LACKEY_TOKEN"])


def test_the_table_has_the_last_figures_is_sorted_and_comes_in_pages_and_as_csv(api: Api) -> None:
    application = api.application(name="named", parameters=[{"name": "n"}, {"name": "note", "default": "-"}])
    rows = [{"n": 10, "note": "=1+1"}, {"n": 9, "note": "-2"}, {"n": "1e-3", "note": "a,b"}]
    made = make(api, application=application["id"], points=rows)
    for number, run in enumerate(reversed(runs_of(api, made))):
        for step in (1, 2):
            put(api, run, "residual", step / (number + 1), step)
    put(api, runs_of(api, made)[0], "odd", float("nan"), 1)
    shown = table(api, made, "?sort=-parameters.n")
    assert [row["parameters"]["n"] for row in shown] == ["10", "9", "1e-3"]
    assert [row["metrics"] for row in table(api, made)] == [
        {"residual": 2.0},
        {"residual": 1.0},
        {"residual": 2 / 3, "odd": "NaN"},
    ]
    assert [row["point"] for row in table(api, made, "?sort=metrics.residual")] == [3, 2, 1]
    assert fields_at_fault(api.get(f"/api/sweep/{made['id']}/table?sort=by")) == ["sort"]
    first = api.get(f"/api/sweep/{made['id']}/table?limit=2&sort=-point").json
    second = api.get(f"/api/sweep/{made['id']}/table?limit=2&sort=-point&cursor={first['next']}").json
    assert [row["point"] for page in (first, second) for row in page["items"]] == [3, 2, 1]
    answer = api.get(f"/api/sweep/{made['id']}/table?format=csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    head, *cells = csv.reader(io.StringIO(answer.text))
    assert head == ["point", "run", "n", "note", "state", "exit_code", "duration", "odd", "residual"]
    assert [row[3] for row in cells] == ["'=1+1", "-2", "a,b"]
    assert [row[-2:] for row in cells] == [["", "2.0"], ["", "1.0"], ["nan", repr(2 / 3)]]


def put(api: Api, run: dict[str, Any], name: str, value: float, step: int) -> None:
    figure = Metric(name, value, 1.0, step)
    api.database.write(lambda connection: metrics.put(connection, run["id"], [figure]))


def test_an_application_with_a_sweep_is_archived_and_not_removed(api: Api) -> None:
    made = make(api, grid={"n": [1]})
    api.post(f"/api/sweep/cancel/{made['id']}")
    care(api)
    assert api.delete("/api/application/1").status_int in (200, 204)
    assert api.get(f"/api/sweep/{made['id']}").json["counts"] == {"cancelled": 1}


def test_an_application_whose_sweep_is_being_made_is_not_removed(api: Api) -> None:
    with patch.object(making, "_make_runs_now", lambda *_: None):
        made = make(api, grid={"n": [1, 2]})
    assert api.delete("/api/application/1").status_int == 409
    assert api.delete("/api/project/1").status_int == 409
    api.clock.advance(61)
    care(api)
    assert len(runs_of(api, made)) == 2
