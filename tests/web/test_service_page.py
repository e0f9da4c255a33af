"""The page of what lackey stands on, and pausing an executor there, by forms alone."""

import os
from pathlib import Path

import pytest

from lackey.domain.resources import Capacity
from lackey.services.admin import health
from lackey.services.dispatch import claiming
from lackey.services.dispatch.claiming import Site
from lackey.settings import ShareSettings
from tests.shares.seen import eventually, reading
from tests.web.client import Api
from tests.web.conftest import MakeApi
from tests.web.visitor import Visitor, form_to

HOSTILE = "<img src=x onerror=alert(1)>"


def visitor_of(api: Api, scope: str = "admin") -> Visitor:
    visitor = Visitor(api)
    visitor.sign_in(scope)
    return visitor


@pytest.fixture
def served(api: Api) -> Api:
    """With a scheduler that has two slots."""
    health.beat(api.database, "host-1", api.clock.now, True, api.clock.now, Capacity(8, 4 << 30, ("a", "b"), slots=2))
    return api


def test_whoever_may_look_sees_how_busy_the_executors_are_and_who_schedules(served: Api) -> None:
    served.application()
    for _ in range(3):
        served.post("/api/run", {"application": 1})
    claiming.claim(served.database, Site("host", "-1", Capacity(8, slots=2)), {}, (), served.clock.now)
    health.beat(served.database, "other-2", served.clock.now, False, served.clock.now, Capacity(9))
    page = visitor_of(served, "read").see("/service")
    for words in ("2 of 2 slots taken", "2 of 8 taken", "0 of 2 taken: a, b", "1 run"):
        assert words in page.text
    schedulers = page.html.find("section", {"data-part": "schedulers"}).text
    assert "host-1 claims runs" in " ".join(schedulers.split())
    assert "other-2 stands by" in " ".join(schedulers.split())
    assert "pause" not in [form.action.rpartition("/")[2] for form in page.forms.values()]


def test_beyond_some_number_of_waiting_runs_it_is_said_that_there_are_more(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.application()
    for _ in range(3):
        served.post("/api/run", {"application": 1})
    monkeypatch.setattr("lackey.store.claimable.COUNTED_AT_MOST", 2)
    monkeypatch.setattr("lackey.services.admin.executors.WAITING_AT_MOST", 2)
    assert "2 or more runs" in visitor_of(served, "read").see("/service").text


def test_an_executor_is_paused_and_resumed_and_the_page_says_by_whom_and_since_when(served: Api) -> None:
    visitor = visitor_of(served)
    paused = form_to(visitor.see("/service"), "/executor/local/pause").submit().follow()
    assert paused.request.path == "/service"
    assert "Paused by <bdi>admin key</bdi>" in paused.text and "2026-03-01 12:00:00 UTC" in paused.text
    assert served.get("/api/executor/local").json["paused_by"] == "admin key"
    wakes = len(served.wakes)
    resumed = form_to(paused, "/executor/local/resume").submit().follow()
    assert "Paused by" not in resumed.text and len(served.wakes) == wakes + 1
    assert served.get("/api/executor/local").json["paused"] is False


def test_what_a_run_waits_for_is_told_where_it_is_looked_for(served: Api) -> None:
    visitor = visitor_of(served)
    served.application()
    served.post("/api/run", {"application": 1})
    form_to(visitor.see("/service"), "/executor/local/pause").submit()
    for path in ("/", "/run/1"):
        assert "the executor local is paused by admin key since 2026-03-01 12:00 UTC" in visitor.see(path).text


def test_an_executor_that_is_not_there_is_not_paused(served: Api) -> None:
    visitor = visitor_of(served)
    word = form_to(visitor.see("/service"), "/executor/local/pause")["word"].value
    assert "no executor slurm" in visitor.post("/executor/slurm/pause", 404, word=word).text


def test_where_no_scheduler_is_heard_from_the_page_says_what_to_start(api: Api) -> None:
    page = visitor_of(api, "read").see("/service").text
    assert "No scheduler has been heard from lately" in page and "lackey scheduler" in page


def test_a_share_that_nothing_reads_says_so_and_how_to_mend_it_and_how_it_is_typed(api: Api) -> None:
    page = visitor_of(api, "read").see("/service").text
    assert "Nothing reads the share" in page and "lackey reader" in page
    for form in ("/srv/lab", r"\\fileserver\lab", "Z:\\"):
        assert form in page


def test_a_share_that_is_well_says_what_is_free_and_how_quick_it_is(make_api: MakeApi, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    api = make_api(share=[ShareSettings(name="lab", path=tmp_path / "lab")])
    with reading({"lab": (str(tmp_path / "lab"), False)}, api.settings.data_dir / "readers"):
        eventually(lambda: api.get("/api/share").json["items"][0]["health"] is not None)
        page = visitor_of(api, "read").see("/service").text
    space = os.statvfs(tmp_path)
    if space.f_bavail * space.f_frsize > 2 << 30:
        assert "It is well." in page
    assert "iB of " in page and " ms" in page and "Looked at" in page


def test_a_name_from_outside_stays_text(served: Api) -> None:
    visitor = Visitor(served)
    key = served.post("/api/key", {"name": HOSTILE, "scope": "admin"}).json["key"]
    served.put("/api/executor/local", {"paused": True}, key=key)
    visitor.sign_in()
    assert HOSTILE not in visitor.see("/service").text
    assert "&lt;img src=x" in visitor.see("/service").text
