"""Executors over HTTP: how they are, and pausing them."""

from typing import Any

import pytest

from lackey.domain.resources import Capacity
from lackey.services.admin import health
from tests.web.client import Api, fields_at_fault

PATH = "/api/executor/local"


@pytest.fixture
def api(api: Api) -> Api:
    """With a scheduler that has two slots."""
    health.beat(api.database, "host-1", api.clock.now, True, api.clock.now, Capacity(8, 4 << 30, ("a", "b"), slots=2))
    return api


def paused(answer: Any) -> tuple[bool, str | None, str | None]:
    assert answer.status_int == 200, answer
    return answer.json["paused"], answer.json["paused_by"], answer.json["paused_since"]


def test_an_executor_tells_how_it_is(api: Api) -> None:
    api.application()
    api.post("/api/run", {"application": 1})
    shown = api.get(PATH, key=api.key_of("read")).json
    assert shown == {
        "name": "local",
        "slots": 2,
        "taken": 0,
        "cpus": 8,
        "cpus_taken": 0,
        "memory": 4 << 30,
        "memory_taken": 0,
        "gpus": ["a", "b"],
        "gpus_taken": [],
        "waiting": 1,
        "there": True,
        "trouble": None,
        "mend": None,
        "paused": False,
        "paused_by": None,
        "paused_since": None,
    }
    assert api.get("/api/executor", key=api.key_of("read")).json == {"items": [shown], "next": None}
    api.clock.advance(60)
    late = api.get(PATH).json
    assert (late["there"], late["slots"]) == (False, None)
    assert late["trouble"] and "lackey scheduler" in late["mend"]


def test_a_paused_executor_says_by_whom_and_since_when_and_so_do_its_runs(api: Api) -> None:
    api.application()
    run = api.post("/api/run", {"application": 1}).json
    for _ in range(2):
        assert paused(api.put(PATH, {"paused": True})) == (True, "admin key", "2026-03-01T12:00:00Z")
        api.clock.advance(5)
    assert api.run(run)["reason"] == "the executor local is paused by admin key since 2026-03-01 12:00 UTC"
    wakes = len(api.wakes)
    for _ in range(2):
        assert paused(api.put(PATH, {"paused": False})) == (False, None, None)
    assert len(api.wakes) > wakes, "so that what waits starts at once"
    assert api.run(run)["reason"] == "is about to be started"


def test_what_is_not_given_stays_as_it_is(api: Api) -> None:
    api.put(PATH, {"paused": True})
    assert paused(api.put(PATH, {}))[0] is True
    assert fields_at_fault(api.put(PATH, {"paused": "perhaps", "slots": 3})) == ["paused", "slots"]
    assert paused(api.get(PATH))[0] is True


def test_only_admins_pause(api: Api) -> None:
    for scope in ("read", "run", "manage"):
        assert api.put(PATH, {"paused": True}, key=api.key_of(scope)).status_int == 403
    assert api.get(PATH, key="").status_int == 401
    assert paused(api.get(PATH))[0] is False


@pytest.mark.parametrize("name", ["slurm", "LOCAL", "1", "%3Cscript%3E", "%FF"])
def test_an_executor_that_is_not_there_is_not_found(api: Api, name: str) -> None:
    assert api.get(f"/api/executor/{name}").status_int == 404
    assert api.put(f"/api/executor/{name}", {"paused": True}).status_int == 404
