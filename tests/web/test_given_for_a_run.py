"""What is given for one run: variables, tags, another value in a rerun; and durations as people write them."""

import pytest

from lackey.store import runs
from lackey.store.database import Database
from tests.web.client import Api, fields_at_fault

SOME = {"name": "n", "kind": "integer", "default": "8"}


@pytest.fixture
def api(api_on_each_database: Api) -> Api:
    api = api_on_each_database
    api.application(
        command="./simulate {n} --mode {mode} $(({n} + 1))",
        parameters=[SOME, {"name": "mode", "choices": ["fast", "exact"], "default": "fast"}],
        environment={"OMP_NUM_THREADS": "4", "SCHEME": "upwind"},
    )
    return api


def stored_environment(database: Database, run_id: int) -> dict[str, str]:
    """What its command is launched with."""
    with database.read() as connection:
        return runs.get(connection, run_id).environment


def test_a_variable_of_a_run_takes_the_place_of_its_applications_and_is_shown(api: Api) -> None:
    made = api.post("/api/run", {"application": "heat/explicit", "environment": {"SCHEME": "central", "SEED": "7"}})
    assert made.json["environment"] == {"SCHEME": "central", "SEED": "7"}
    assert stored_environment(api.database, made.json["id"]) == {
        "OMP_NUM_THREADS": "4",
        "SCHEME": "central",
        "SEED": "7",
    }
    form = api.form("POST", "/api/run", "application=heat/explicit&environment.SEED=8", key=api.key)
    assert form.json["environment"] == {"SEED": "8"}
    again = api.post(f"/api/run/rerun/{made.json['id']}", {"environment": {"SEED": "9"}}).json
    assert again["environment"] == {"SCHEME": "central", "SEED": "9"}


@pytest.mark.parametrize(
    ("environment", "field"),
    [
        ({"LACKEY_TOKEN": "x"}, "environment.LACKEY_TOKEN"),
        ({"LACKEY_PARAM_N": "x"}, "environment.LACKEY_PARAM_N"),
        ({"A-B": "x"}, "environment.A-B"),
        ({f"V{number}": "x" * 30_000 for number in range(5)}, "environment"),
        ({"A": "\0"}, "environment.A"),
    ],
)
def test_a_variable_that_no_run_can_have_is_refused(api: Api, environment: dict[str, str], field: str) -> None:
    body = {"application": "heat/explicit", "environment": environment}
    assert fields_at_fault(api.post("/api/run", body)) == [field]
    run = api.post("/api/run", {"application": "heat/explicit"}).json
    assert fields_at_fault(api.post(f"/api/run/rerun/{run['id']}", {"environment": environment})) == [field]


def test_a_run_that_is_only_reported_has_no_environment_of_lackeys(api: Api) -> None:
    body = {"launch": False, "name": "by hand", "environment": {"A": "1"}}
    assert fields_at_fault(api.post("/api/run", body)) == ["environment"]


def test_runs_are_found_by_a_tag(api: Api) -> None:
    tagged = [api.reported_run(tags=["paper", f"no {number}"])["id"] for number in range(3)]
    api.reported_run(tags=["Paper"])
    api.reported_run()
    assert [run["id"] for run in api.get("/api/run?tag=paper").json["items"]] == tagged[::-1]
    assert [run["id"] for run in api.get("/api/run?tag=no+1").json["items"]] == [tagged[1]]
    assert api.get("/api/run?tag=none").json == {"items": [], "next": None}
    page = api.get("/api/run?tag=paper&limit=2").json
    rest = api.get(f"/api/run?tag=paper&limit=2&cursor={page['next']}").json
    assert [run["id"] for run in rest["items"]] == tagged[:1]
    assert api.get("/api/run?tag=paper&state=final").json["items"] == []


def test_a_tag_that_many_runs_have_finds_them_all_page_by_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lackey.store.tags._FEW", 1)
    monkeypatch.setattr("lackey.store.run_lists.WALKED_AT_MOST", 2)
    tagged = [api.reported_run(tags=["old"])["id"] for _ in range(3)]
    for _ in range(5):
        api.reported_run()
    found, cursor = [], ""
    for _ in range(10):
        page = api.get(f"/api/run?tag=old{cursor}").json
        found += [run["id"] for run in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == tagged[::-1]


def test_tags_are_shown_as_given_each_once_and_go_on_to_a_rerun(api: Api) -> None:
    made = api.form("POST", "/api/run", "application=heat/explicit&tags=b, a,b,%20c", key=api.key).json
    assert made["tags"] == ["b", "a", "c"]
    again = api.post(f"/api/run/rerun/{made['id']}").json
    assert again["tags"] == ["b", "a", "c"]
    assert api.post(f"/api/run/rerun/{made['id']}", {"tags": ["d"]}).json["tags"] == ["d"]
    assert [run["id"] for run in api.get("/api/run?tag=a").json["items"]] == [again["id"], made["id"]]


@pytest.mark.parametrize("tag", ["", " ", "a,b", "a\nb", "\x1b[31m", "x" * 101, "\u202e"])
def test_what_is_no_tag_is_refused(api: Api, tag: str) -> None:
    assert fields_at_fault(api.post("/api/run", {"launch": False, "name": "x", "tags": ["fine", tag]})) == ["tags.1"]


def test_a_run_has_no_more_than_twenty_tags(api: Api) -> None:
    body = {"launch": False, "name": "x", "tags": [f"t{number}" for number in range(21)]}
    assert fields_at_fault(api.post("/api/run", body)) == ["tags"]


def test_a_rerun_has_the_same_inputs_but_those_given(api: Api) -> None:
    first = api.post("/api/run", {"application": "heat/explicit", "parameters": {"n": 9}, "priority": 3}).json
    api.put("/api/application/1", {"command": "./another"})
    changed = {"parameters": {"mode": "exact"}, "cpus": 2, "memory": "1 GiB", "time_limit": "1h30m"}
    again = api.post(f"/api/run/rerun/{first['id']}", changed).json
    assert again["parameters"] == {"n": "9", "mode": "exact"}
    assert (again["command"], again["priority"], again["cpus"], again["memory"]) == (first["command"], 3, 2, 1 << 30)
    assert (again["parent"], again["cause"], again["state"]) == (first["id"], "rerun", "queued")
    form = api.form("POST", f"/api/run/rerun/{first['id']}", "parameters.n=10", key=api.key).json
    assert form["parameters"] == {"n": "10", "mode": "fast"}
    after = api.post(f"/api/run/rerun/{first['id']}", {"after": [first["id"]]}).json
    assert (after["state"], after["after"]) == ("scheduled", [{"run": first["id"], "on": "succeeded"}])


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"parameters": {"n": "many"}}, "parameters.n"),
        ({"parameters": {"n": "010"}}, "parameters.n"),
        ({"parameters": {"mode": "slow"}}, "parameters.mode"),
        ({"parameters": {"m": "1"}}, "parameters.m"),
        ({"parameters": {"n": ["1"]}}, "parameters.n"),
        ({"cpus": 100_000}, "cpus"),
        ({"after": [999_999]}, "after"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_change_that_its_application_does_not_take_is_refused(api: Api, changed: object, field: str) -> None:
    first = api.post("/api/run", {"application": "heat/explicit"}).json
    newest = api.get("/api/run?limit=1").json["items"][0]["id"]
    assert fields_at_fault(api.post(f"/api/run/rerun/{first['id']}", changed)) == [field]
    assert api.get("/api/run?limit=1").json["items"][0]["id"] == newest


def test_what_a_reported_run_was_given_may_change_too_but_not_what_lackey_would_launch(api: Api) -> None:
    first = api.reported_run(parameters={"n": "1"})
    assert api.post(f"/api/run/rerun/{first['id']}", {"parameters": {"m": "2"}}).json["parameters"] == {
        "n": "1",
        "m": "2",
    }
    assert fields_at_fault(api.post(f"/api/run/rerun/{first['id']}", {"cpus": 2})) == ["cpus"]


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("00:10:00", 600), ("2d", 172800), (5, 5)])
def test_a_limit_may_be_written_as_people_write_durations(api: Api, text: object, seconds: float) -> None:
    shown = api.put("/api/application/1", {"time_limit": text, "silence": text})
    assert (shown.json["time_limit"], shown.json["silence"]) == (seconds, seconds)


@pytest.mark.parametrize("text", ["", "soon", "1:30", "5m1h", "-5s", "0s", "1e99", "nan", "1 2"])
def test_what_is_no_duration_is_refused(api: Api, text: str) -> None:
    assert fields_at_fault(api.put("/api/application/1", {"time_limit": text})) == ["time_limit"]
