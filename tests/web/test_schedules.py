"""Recurring schedules over HTTP."""

from typing import Any

import pytest

from lackey.services.schedules import firing
from tests.web.client import Api, fields_at_fault

NIGHTLY = {"application": "heat/explicit", "cron": "0 2 * * *", "timezone": "Europe/Zurich"}
NIGHTS = ["2026-03-02T01:00:00Z", "2026-03-03T01:00:00Z", "2026-03-04T01:00:00Z", "2026-03-05T01:00:00Z"]
NIGHTS += ["2026-03-06T01:00:00Z"]


@pytest.fixture
def nightly(api: Api) -> dict[str, Any]:
    """A schedule of an application."""
    api.application(parameters=[{"name": "n", "default": "64"}])
    made = api.post("/api/schedule", {**NIGHTLY, "parameters": {"n": 7}})
    assert made.status_int == 201, made
    return dict(made.json)


def fire(api: Api, seconds: float) -> None:
    """The scheduler looks, so much later."""
    api.clock.advance(seconds)
    firing.fire(api.database, api.clock())


def test_a_schedule_is_made_shown_changed_and_removed(api: Api, nightly: dict[str, Any]) -> None:
    assert nightly == {
        "id": 1,
        **NIGHTLY,
        "parameters": {"n": "7"},
        "grid": {},
        "points": [],
        "max_running": None,
        "runs": None,
        "overlap": "skip",
        "catch_up": "latest",
        "paused": False,
        "by": "admin key",
        "created_at": "2026-03-01T12:00:00Z",
        "firings": NIGHTS,
    }
    assert api.get("/api/schedule/1").json == {**nightly, "ticks": [], "next": None}
    assert api.get("/api/schedule").json == {"items": [nightly], "next": None}
    changed = api.put("/api/schedule/1", {"cron": "0 3 * * *", "timezone": "UTC", "overlap": "queue"}).json
    assert (changed["cron"], changed["firings"][0], changed["overlap"]) == (
        "0 3 * * *",
        "2026-03-02T03:00:00Z",
        "queue",
    )
    assert api.put("/api/schedule/1", {"paused": True}).json["firings"] == []
    assert len(api.put("/api/schedule/1", {"paused": False}).json["firings"]) == 5
    assert api.put("/api/schedule/1", {}).json["catch_up"] == "latest"
    assert api.delete("/api/schedule/1").status_int == 204
    assert api.get("/api/schedule/1").status_int == 404
    assert api.put("/api/schedule/1", {"paused": True}).status_int == 404
    assert api.delete("/api/schedule/1").status_int == 404


def test_its_place_is_told_when_it_is_made(api: Api) -> None:
    api.application()
    made = api.post("/api/schedule", NIGHTLY)
    assert made.headers["Location"].endswith("/api/schedule/1")


def test_firings_are_shown_before_anything_is_made(api: Api) -> None:
    rule = {"cron": "0 2 * * *", "timezone": "Europe/Zurich"}
    shown = api.post("/api/schedule/preview", rule, key=api.key_of("read"))
    assert (shown.status_int, shown.json) == (200, {"timezone": "Europe/Zurich", "firings": NIGHTS})
    assert api.get("/api/schedule").json["items"] == []


def test_without_a_zone_it_is_the_servers_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.application()
    made = api.post("/api/schedule", {"application": "heat/explicit", "cron": "0 2 * * *"})
    shown = api.post("/api/schedule/preview", {"cron": "0 2 * * *"})
    assert made.json["timezone"] == shown.json["timezone"] != ""


def test_its_runs_name_it_and_its_history_tells_what_came_of_each_time(api: Api, nightly: dict[str, Any]) -> None:
    other = api.post("/api/run", {"application": "heat/explicit"}).json
    fire(api, 13 * 3600)
    (run,) = api.get("/api/run?schedule=1").json["items"]
    assert (run["schedule"], run["cause"], run["by"]) == (1, "schedule", "admin key")
    assert (run["parameters"], run["scheduled_at"]) == ({"n": "7"}, NIGHTS[0])
    assert other["schedule"] is None
    assert api.get("/api/run?schedule=2").json["items"] == []
    fire(api, 86400)
    fire(api, 5 * 86400)
    page = api.get("/api/schedule/1?limit=2").json
    assert [(tick["came_to"], tick["due_at"]) for tick in page["ticks"]] == [
        ("skipped", "2026-03-08T01:00:00Z"),
        ("missed", NIGHTS[2]),
    ]
    assert (page["ticks"][1]["count"], page["ticks"][1]["last_due_at"]) == (4, "2026-03-07T01:00:00Z")
    assert page["ticks"][0]["reason"] == f"run {run['id']}, the one before, has not ended"
    rest = api.get(f"/api/schedule/1?limit=2&cursor={page['next']}").json
    assert [(tick["came_to"], tick["run"]) for tick in rest["ticks"]] == [("skipped", None), ("made", run["id"])]
    assert rest["next"] is None


def test_all_that_is_wrong_is_said_at_once(api: Api) -> None:
    api.application()
    wrong = {**NIGHTLY, "cron": "0 0 30 2 *", "timezone": "Moon/Apollo"}
    assert fields_at_fault(api.post("/api/schedule", wrong)) == ["timezone", "cron"]
    assert fields_at_fault(api.post("/api/schedule/preview", {"cron": "x", "timezone": "y"})) == ["timezone", "cron"]
    assert fields_at_fault(api.post("/api/schedule", {**NIGHTLY, "overlap": "often"})) == ["overlap"]
    assert fields_at_fault(api.post("/api/schedule", {**NIGHTLY, "parameters": {"m": 1}})) == ["parameters.m"]
    assert fields_at_fault(api.post("/api/schedule", {"overlap": "skip", "every": 3})) == [
        "application",
        "cron",
        "every",
    ]
    assert api.post("/api/schedule", {**NIGHTLY, "application": "heat/none"}).status_int == 404
    assert fields_at_fault(api.get("/api/schedule?application=none")) == ["application"]


def test_who_may_only_run_makes_changes_and_removes_none(api: Api, nightly: dict[str, Any]) -> None:
    key = api.key_of("run")
    assert api.get("/api/schedule/1", key=key).status_int == 200
    for answer in (
        api.post("/api/schedule", NIGHTLY, key=key),
        api.put("/api/schedule/1", {"paused": True}, key=key),
        api.delete("/api/schedule/1", key=key),
    ):
        assert answer.status_int == 403
    assert api.get("/api/schedule", key="").status_int == 401


def test_the_same_request_again_makes_no_second_one(api: Api) -> None:
    api.application()
    first, again = (api.post("/api/schedule", NIGHTLY, Idempotency_Key="k") for _ in range(2))
    assert first.json["id"] == again.json["id"] == 1
    assert api.post("/api/schedule", {**NIGHTLY, "overlap": "allow"}, Idempotency_Key="k").status_int == 409
    assert len(api.get("/api/schedule").json["items"]) == 1


def test_they_are_listed_by_application_and_project_page_by_page(api: Api, nightly: dict[str, Any]) -> None:
    api.application(name="other")
    api.post("/api/schedule", {**NIGHTLY, "application": "heat/other"})
    first = api.get("/api/schedule?limit=1").json
    assert [one["id"] for one in first["items"]] == [2]
    assert [one["id"] for one in api.get(f"/api/schedule?cursor={first['next']}").json["items"]] == [1]
    assert [one["id"] for one in api.get("/api/schedule?application=heat/explicit").json["items"]] == [1]
    assert [one["id"] for one in api.get("/api/schedule?project=heat").json["items"]] == [2, 1]


def test_a_schedule_of_a_sweep_is_made_shown_and_changed_and_its_history_names_its_sweeps(api: Api) -> None:
    api.application(parameters=[{"name": "n", "default": "64"}, {"name": "m", "default": "1"}])
    body = {**NIGHTLY, "parameters": {"m": 7}, "grid": {"n": "1..3"}, "max_running": 2}
    made = api.post("/api/schedule", body)
    assert (made.status_int, made.json["grid"], made.json["points"]) == (201, {"n": "1..3"}, [])
    assert made.json["runs"] == 3
    fire(api, 13 * 3600)
    (tick,) = api.get("/api/schedule/1").json["ticks"]
    assert (tick["came_to"], tick["run"], tick["sweep"]) == ("made", None, 1)
    sweep = api.get("/api/sweep/1").json
    assert (sweep["schedule"], sweep["runs"], sweep["max_running"]) == (1, 3, 2)
    rows = api.put("/api/schedule/1", {"points": [{"n": 1.5}, {"n": True}]}).json
    assert (rows["grid"], rows["points"], rows["max_running"]) == ({}, [{"n": "1.5"}, {"n": "true"}], 2)
    alone = api.put("/api/schedule/1", {"points": []}).json
    assert [alone[name] for name in ("grid", "points", "max_running", "runs")] == [{}, [], None, None]


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"grid": {"n": "0.5..1"}}, ["grid.n"]),
        ({"grid": {"n": []}}, ["grid.n"]),
        ({"grid": {"k": [1]}}, ["grid.k"]),
        ({"points": [{"n": 1}, {"k": 1}]}, ["points.1.k"]),
        ({"grid": {"n": [1]}, "points": [{"n": 1}]}, ["grid"]),
        ({"grid": {"n": [1, 2]}, "max_running": 0}, ["max_running"]),
        ({"max_running": 2}, ["max_running"]),
    ],
)
def test_what_is_wrong_with_a_sweep_is_said_when_the_schedule_is_made(
    api: Api, wrong: dict[str, Any], fields: list[str]
) -> None:
    api.application(parameters=[{"name": "n", "default": "64"}])
    assert fields_at_fault(api.post("/api/schedule", {**NIGHTLY, **wrong})) == fields
    assert api.get("/api/schedule").json["items"] == []
