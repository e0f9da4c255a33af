"""Making runs, changing, cancelling and finding them, over HTTP."""

from typing import Any

import pytest

from tests.web.client import Api, fields_at_fault

PARAMETERS = [
    {"name": "n", "default": "1"},
    {"name": "scheme", "default": "explicit", "choices": ["explicit", "implicit"]},
]
PATHS = {
    "posix": "/srv/lab/heat/explicit",
    "unc": r"\\fileserver\lab\heat\explicit",
    "drive": r"Z:\heat\explicit",
    "smb": "smb://fileserver/lab/heat/explicit",
}


@pytest.fixture
def api(api_on_each_database: Api) -> Api:
    return api_on_each_database


def test_a_scheduled_run_shows_all_that_is_promised(api: Api) -> None:
    api.application(command="./simulate {n}", parameters=[{"name": "n"}])
    made = api.post("/api/run", {"application": "heat/explicit", "parameters": {"n": 64}})
    assert (made.status_int, made.headers["Location"]) == (201, f"/api/run/{made.json['id']}")
    shown = made.json
    assert len(shown.pop("token")) == 36 and shown == api.run(shown)
    assert shown == {
        **dict.fromkeys(("outcome_source", "parent", "cause", "sweep", "schedule", "handle", "host", "shell"), None),
        **dict.fromkeys(("started_at", "ended_at", "duration", "exit_code", "signal"), None),
        **dict.fromkeys(("max_rss_bytes", "cpu_seconds", "progress"), None),
        "id": shown["id"],
        "project": "heat",
        **dict.fromkeys(("name", "application"), "heat/explicit"),
        "state": "queued",
        "reason": "waits for a scheduler: none has been heard from lately",
        "launched": True,
        "by": "admin key",
        "command": './simulate "${LACKEY_PARAM_N}"',
        "directory": "lab:heat/explicit",
        "paths": PATHS,
        "parameters": {"n": "64"},
        "environment": {},
        "tags": [],
        "priority": 0,
        "executor": "local",
        "after": [],
        "cpus": 1,
        "memory": None,
        "gpus": 0,
        "retries": 0,
        "retry_on": None,
        "retry_wait": None,
        **dict.fromkeys(("scheduled_at", "queued_at"), "2026-03-01T12:00:00Z"),
        "received": {"start": None, "stop": None},
        "marks": [],
        **dict.fromkeys(("log_size", "left_behind"), 0),
    }
    assert api.wakes


def test_parameters_become_strings_and_may_come_from_a_form(api: Api) -> None:
    api.application(parameters=[{"name": name, "default": ""} for name in "abcd"])
    given = {"a": 64, "b": 0.1, "c": True, "d": "x y"}
    made = api.post("/api/run", {"application": "heat/explicit", "parameters": given}).json
    assert made["parameters"] == {"a": "64", "b": "0.1", "c": "true", "d": "x y"}
    body = "application=heat/explicit&parameters.a=64&parameters.d=x+y&priority=5&launch=true&at=now"
    form = api.form("POST", "/api/run", body, key=api.key).json
    assert form["parameters"] == {"a": "64", "b": "", "c": "", "d": "x y"}
    assert (form["priority"], form["state"]) == (5, "queued")
    later = api.form(
        "POST", "/api/run", f"application=heat/explicit&after={made['id']},{form['id']}:ended", key=api.key
    )
    assert later.json["after"] == [
        {"run": made["id"], "on": "succeeded"},
        {"run": form["id"], "on": "ended"},
    ]


@pytest.mark.parametrize(
    ("at", "due"),
    [
        (1900000000, "2030-03-17T17:46:40Z"),
        ("1900000000.5", "2030-03-17T17:46:40.500000Z"),
        ("2030-03-17T19:46:40+02:00", "2030-03-17T17:46:40Z"),
        ("2030-03-17t17:46:40z", "2030-03-17T17:46:40Z"),
        ("now", "2026-03-01T12:00:00Z"),
        (None, "2026-03-01T12:00:00Z"),
    ],
)
def test_a_run_is_scheduled_for_the_moment_that_was_given(api: Api, at: Any, due: str) -> None:
    made = api.post("/api/run", {"launch": False, "name": "later", "at": at}).json
    assert made["scheduled_at"] == due


@pytest.mark.parametrize(
    "at",
    [
        "2030-03-17T17:46:40",
        "2030-03-17",
        "2030-13-01T00:00:00Z",
        "*/5 * * * *",
        "@daily",
        "tomorrow",
        "",
        1e300,
        True,
        [],
        "0001-01-01T00:00:00+23:00",
    ],
)
def test_a_moment_that_is_none_is_refused(api: Api, at: Any) -> None:
    answer = api.post("/api/run", {"launch": False, "name": "never", "at": at})
    assert fields_at_fault(answer) == ["at"]
    assert ("cron" in answer.json["detail"]) == (at in ("*/5 * * * *", "@daily"))


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (60, "is 1970-01-01 00:01 UTC, which has passed"),
        ("2030", "which has passed"),
        ("1e9", "which has passed"),
        ("2026-02-27T12:00:00Z", "which has passed"),
        (1_900_000_000_000, "not milliseconds"),
        ("202612010800", "is in the year 8390"),
        ("9999-12-31T23:59:59Z", "is in the year 9999"),
    ],
)
def test_a_moment_that_cannot_have_been_meant_is_refused(api: Api, at: Any, words: str) -> None:
    waiting = api.post("/api/run", {"launch": False, "name": "later", "at": "2030-01-01T00:00:00Z"}).json
    for answer in (
        api.post("/api/run", {"launch": False, "name": "never", "at": at}),
        api.put(f"/api/run/{waiting['id']}", {"at": at}),
    ):
        assert fields_at_fault(answer) == ["at"] and words in answer.json["detail"]
    assert [each["name"] for each in api.get("/api/run").json["items"]] == ["later"]


def test_a_moment_that_has_only_just_passed_is_due_at_once(api: Api) -> None:
    made = api.post("/api/run", {"launch": False, "name": "due", "at": "2026-03-01T11:59:00Z"})
    assert made.json["scheduled_at"] == "2026-03-01T11:59:00Z"


def test_parameters_that_do_not_fit_are_refused_by_name(api: Api) -> None:
    api.application(parameters=[{"name": "n", "kind": "integer"}, {"name": "scheme", "choices": ["a"], "default": "a"}])
    body = {"application": "heat/explicit", "parameters": {"n": "x", "scheme": "b", "m": 1}}
    faulty = fields_at_fault(api.post("/api/run", body))
    assert sorted(faulty) == ["parameters.m", "parameters.n", "parameters.scheme"]
    assert fields_at_fault(api.post("/api/run", {"application": "heat/explicit"})) == ["parameters.n"]
    nul = {"application": "heat/explicit", "parameters": {"n": "1", "scheme": "a\0"}}
    assert fields_at_fault(api.post("/api/run", nul)) == ["parameters.scheme"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"launch": False}, 400),
        ({"application": "heat/none"}, 404),
        ({"application": "none"}, 404),
        ({"application": 10**17}, 404),
        ({"application": 10**19}, 400),
        ({"application": True}, 400),
        ({"launch": False, "name": "a\0b"}, 400),
        ({"launch": False, "name": "x", "after": [4711]}, 400),
        ({"launch": False, "name": "x", "after": "1"}, 400),
        ({"launch": False, "name": "x", "after": [{"run": 1, "on": "begun"}]}, 400),
        ({"launch": False, "name": "x", "after": [{"sweep": 1}]}, 400),
        ({"launch": False, "name": "x", "retry_wait": 5}, 400),
        ({"application": "heat/explicit", "retry_on": []}, 400),
        ({"application": "heat/explicit", "retry_on": ["cancelled"]}, 400),
        ({"launch": False, "name": "x", "time_limit": -1}, 400),
        ({"launch": False, "name": "x", "executor": "cloud"}, 400),
        ({"launch": False, "name": "x", "priority": 10**12}, 400),
        ({"launch": False, "name": "x", "priority": "5"}, 400),
        ({"launch": False, "name": "x", "parameters": {"a b": 1}}, 400),
        ({"launch": False, "name": "x", "parameters": {"n": [1]}}, 400),
        ({"launch": False, "name": "x", "colour": 1}, 400),
        ({"launch": False, "name": "x", "": "y"}, 400),
    ],
)
def test_a_run_that_can_not_be_made_is_refused(api: Api, body: Any, status: int) -> None:
    assert api.post("/api/run", body).status_int == status
    assert api.get("/api/run").json["items"] == []


def test_what_a_run_is_given_takes_the_place_of_its_applications(api: Api) -> None:
    api.application(time_limit=100, retries=2)
    body = {"application": "heat/explicit", "launch": False, "time_limit": 10}
    run = api.post("/api/run", body).json
    api.report("start", run)
    assert api.run(run)["state"] == "running"


def test_a_waiting_run_can_be_changed_and_one_that_has_ended_can_not(api: Api) -> None:
    api.application()
    run = api.post("/api/run", {"application": "heat/explicit"}).json
    path = f"/api/run/{run['id']}"
    assert api.put(path, {"priority": 7}).json["priority"] == 7
    held = api.put(path, {"hold": True}).json
    assert "held" in held["reason"]
    assert "waits for a scheduler" in api.put(path, {"hold": False}).json["reason"]
    later = api.put(path, {"at": "2030-03-17T17:46:40Z"}).json
    assert (later["state"], later["scheduled_at"]) == ("scheduled", "2030-03-17T17:46:40Z")
    assert api.put(path, {}).json == later
    assert fields_at_fault(api.put(path, {"command": "rm"})) == ["command"]
    api.post(f"/api/run/cancel/{run['id']}")
    assert api.put(path, {"priority": 1}).json["type"] == "urn:lackey:problem:already-final"


def test_a_run_is_cancelled_once_and_done_again(api: Api) -> None:
    api.application(parameters=PARAMETERS)
    run = api.post("/api/run", {"application": "heat/explicit", "parameters": {"n": "5"}}).json
    cancelled = api.put(f"/api/run/cancel/{run['id']}").json
    assert (cancelled["state"], cancelled["outcome_source"]) == ("cancelled", "observed")
    assert api.post(f"/api/run/cancel/{run['id']}").json == cancelled
    again = api.post(f"/api/run/rerun/{run['id']}")
    assert (again.status_int, again.headers["Location"]) == (201, f"/api/run/{again.json['id']}")
    assert (again.json["parent"], again.json["cause"], again.json["state"]) == (run["id"], "rerun", "queued")
    assert again.json["parameters"] == run["parameters"]
    assert again.json["token"] != run["token"]


def test_a_run_that_has_ended_can_not_be_cancelled(api: Api) -> None:
    run = api.reported_run()
    api.report("stop", run)
    assert api.post(f"/api/run/cancel/{run['id']}").status_int == 409


class TestAskingAgain:
    BODY = {"launch": False, "name": "once", "parameters": {"a": 1, "b": 2}}

    def test_the_same_request_answers_the_same_run_with_a_token_that_works(self, api: Api) -> None:
        first = api.post("/api/run", self.BODY, Idempotency_Key="k")
        second = api.post("/api/run", dict(reversed(self.BODY.items())), Idempotency_Key="k")
        assert (second.status_int, second.json["id"]) == (201, first.json["id"])
        assert second.json["token"] != first.json["token"]
        assert api.report("start", first.json).status_int == api.report("stop", second.json).status_int == 200

    def test_another_request_under_the_same_name_is_refused(self, api: Api) -> None:
        api.post("/api/run", self.BODY, Idempotency_Key="k")
        assert api.post("/api/run", {**self.BODY, "priority": 1}, Idempotency_Key="k").status_int == 409
        assert api.post("/api/project", {"name": "heat"}, Idempotency_Key="k").status_int == 409
        runs = [api.reported_run() for _ in range(2)]
        again = [api.post(f"/api/run/rerun/{run['id']}", Idempotency_Key="rerun").status_int for run in runs]
        assert again == [201, 409]
        assert len(api.get("/api/run").json["items"]) == 4

    def test_everything_that_is_made_can_be_asked_for_again(self, api: Api) -> None:
        run = api.reported_run()
        api.post("/api/project", {"name": "heat"})
        for path, body in (
            ("/api/project", {"name": "once"}),
            ("/api/application", {"project": "heat", "name": "once", "command": "true"}),
            (f"/api/run/rerun/{run['id']}", None),
        ):
            first, second = (api.post(path, body, Idempotency_Key=path) for _ in range(2))
            assert (first.status_int, second.status_int) == (201, 201), path
            assert first.json["id"] == second.json["id"]

    def test_it_is_forgotten_after_a_day(self, api: Api) -> None:
        first = api.post("/api/run", self.BODY, Idempotency_Key="k").json
        api.clock.advance(86401)
        assert api.post("/api/run", self.BODY, Idempotency_Key="k").json["id"] != first["id"]

    def test_a_name_that_is_too_long_is_refused(self, api: Api) -> None:
        assert fields_at_fault(api.post("/api/run", self.BODY, Idempotency_Key="k" * 256)) == ["Idempotency-Key"]
