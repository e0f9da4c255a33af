"""The first page: what goes on now, and whether all is well."""

from collections.abc import Iterable
from typing import Any

import pytest

from lackey.domain.share_health import Away, ShareHealth
from lackey.files import ShareFiles
from lackey.services.admin import health
from lackey.services.runs import overview
from lackey.store import overview as stored_overview
from tests.web.client import Api
from tests.web.visitor import HOSTILE, Visitor

WELL = ShareHealth(None, None)


class Shares:
    """What the readers of the shares say; `asked` counts how often they were."""

    def __init__(self) -> None:
        self.asked = 0
        self.away: dict[str, Away] = {}

    def healths(self, _: ShareFiles, names: Iterable[str]) -> dict[str, ShareHealth]:
        self.asked += 1
        return {name: ShareHealth(self.away.get(name), None) for name in names}


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> Shares:
    shares = Shares()
    monkeypatch.setattr(ShareFiles, "healths", lambda files, names: shares.healths(files, names))
    return shares


@pytest.fixture
def visitor(api: Api, shares: Shares) -> Visitor:
    health.beat(api.database, "host", api.clock.now, True, api.clock.now)
    visitor = Visitor(api)
    visitor.sign_in()
    return visitor


def main(visitor: Visitor) -> str:
    return " ".join(visitor.see("/").html.find("main").text.split())


def again(visitor: Visitor, page: Any) -> Any:
    return visitor.browser.get("/", headers={"If-None-Match": page.headers["ETag"]})


def test_a_fresh_service_teaches_how_to_begin_and_notices_the_example(visitor: Visitor) -> None:
    page = visitor.see("/")
    assert "Nothing has run yet" in page.text and "lackey example" in page.text
    visitor.api.post("/api/project", {"name": "examples", "directory": "examples"})
    visitor.api.post("/api/application", {"project": "examples", "name": "heat", "command": "true"})
    page = again(visitor, page)
    assert page.click("Run examples/heat").request.path == "/application/1"
    visitor.api.reported_run(name="mine")
    assert "Nothing has run yet" not in again(visitor, page).text


def test_what_goes_on_is_counted_and_says_what_it_waits_for(visitor: Visitor) -> None:
    visitor.api.application()
    first = visitor.api.post("/api/run", {"application": 1}).json
    visitor.api.report("start", first, host="node7")
    visitor.api.report("progress", first, fraction=0.25, message="a quarter")
    visitor.api.post("/api/run", {"application": 1})
    visitor.api.post("/api/run", {"application": 1, "after": [first["id"]]})
    visitor.api.post("/api/run", {"application": 1, "at": "2030-01-31T18:00:00Z"})
    visitor.api.clock.advance(90)
    page = main(visitor)
    for shown in ("Running: 1", "node7", "25 %", "a quarter", "1 min 30 s", "Waiting: 2", "Next: 1"):
        assert shown in page
    assert "waits for run 1 to succeed" in page
    assert visitor.see("/").html.find("title").text == "1 running – lackey"


def test_a_long_queue_says_how_many_more_there_are(visitor: Visitor) -> None:
    visitor.api.application()
    for _ in range(53):
        visitor.api.post("/api/run", {"application": 1})
    page = visitor.see("/")
    assert "Waiting: 53" in page.text
    assert page.click("and 3 more").request.query_string == "state=queued"


def test_what_waits_is_counted_up_to_a_bound(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (overview, stored_overview):
        monkeypatch.setattr(module, "UNENDED_AT_MOST", 51)
    visitor.api.application()
    for _ in range(51):
        visitor.api.post("/api/run", {"application": 1})
    page = visitor.see("/")
    assert "Waiting: 51" in page.text and "and 1 more" in page.text
    visitor.api.post("/api/run", {"application": 1})
    page = visitor.see("/")
    assert "Waiting: more than 51" in page.text
    assert page.click("and many more").request.query_string == "state=queued"


def test_failures_come_first_among_what_ended_lately(visitor: Visitor) -> None:
    bad, good = visitor.api.reported_run(name="the bad one"), visitor.api.reported_run(name="the good one")
    visitor.api.report("stop", bad, exit=3)
    visitor.api.report("stop", good, exit=0)
    page = main(visitor)
    assert page.index("the bad one") < page.index("the good one")
    assert "1 succeeded, 1 failed" in page and "ended with exit code 3" in page
    assert visitor.see("/").html.find("title").text == "0 running, 1 failed – lackey"


def test_when_all_is_well_one_line_says_so(visitor: Visitor) -> None:
    page = visitor.see("/")
    assert "All is well: 2 shares; the scheduler host." in main(visitor)
    assert page.html.find(class_="note") is None


def test_an_executor_that_is_paused_is_told_until_it_is_resumed(visitor: Visitor) -> None:
    visitor.api.ask("PUT", "/api/executor/local", {"paused": True})
    assert "The executor local is paused by admin key since" in visitor.see("/").html.find(class_="note").text
    visitor.api.ask("PUT", "/api/executor/local", {"paused": False})
    assert visitor.see("/").html.find(class_="note") is None


def test_a_scheduler_that_is_silent_is_told_with_how_to_mend_it(visitor: Visitor) -> None:
    page = visitor.see("/")
    visitor.api.clock.advance(3600)
    told = again(visitor, page).html.find(class_="note").text
    assert "No scheduler has been heard from" in told and "lackey scheduler" in told


def test_a_share_that_goes_away_is_told_within_seconds_with_how_to_mend_it(visitor: Visitor, shares: Shares) -> None:
    page = visitor.see("/")
    shares.away = {name: Away("hangs", f"The share {name} hangs. {HOSTILE}") for name in ("lab", "store")}
    visitor.api.clock.advance(5)
    page = again(visitor, page)
    told = page.html.find_all(class_="note")
    assert len(told) == 1 and "The share store hangs" in told[0].text and "file server" in told[0].text
    assert "<script>alert" not in page.text
    shares.away = {}
    visitor.api.clock.advance(5)
    assert "All is well" in again(visitor, page).text


def test_a_page_that_is_asked_for_again_and_again_asks_no_share_each_time(visitor: Visitor, shares: Shares) -> None:
    page = visitor.see("/")
    before = shares.asked
    for _ in range(4):
        visitor.api.clock.advance(1)
        visitor.browser.get("/", headers={"If-None-Match": page.headers["ETag"]}, status=304)
    assert shares.asked == before


def test_nothing_hostile_becomes_part_of_the_page(visitor: Visitor) -> None:
    run = visitor.api.reported_run(name=HOSTILE)
    visitor.api.report("start", run, host=HOSTILE)
    visitor.api.report("progress", run, message=HOSTILE)
    page = visitor.see("/")
    assert "<script>alert" not in page.text and "<img src=x" not in page.text


def begun(visitor: Visitor, **progress: Any) -> dict[str, Any]:
    """A run whose script reported its start ten minutes ago, and how far it was just now."""
    run: dict[str, Any] = visitor.api.reported_run(name="mine")
    visitor.api.report("start", run)
    visitor.api.clock.advance(600)
    visitor.api.report("progress", run, **progress)
    return run


def beat(visitor: Visitor) -> None:
    health.beat(visitor.api.database, "host", visitor.api.clock.now, True, visitor.api.clock.now)


def test_a_run_that_should_have_ended_says_so_first_and_not_all_is_well(visitor: Visitor) -> None:
    begun(visitor, fraction=0.5)
    visitor.api.clock.advance(605)
    beat(visitor)
    assert "All is well" in main(visitor)
    page = visitor.see("/")
    visitor.api.clock.advance(24 * 60)
    beat(visitor)
    page = again(visitor, page)
    told = " ".join(page.html.find(class_="note").text.split())
    assert "Run 1 of mine should have ended 24 min 05 s ago; last heard from" in told
    assert "2026-03-01 12:10:00 UTC" in told and "All is well" not in page.text
    assert "should have ended 24 min 05 s ago" in page.html.find("td", class_="late").text
    lead = " ".join(visitor.see("/run/1").html.find("main").text.split())
    assert "It should have ended 24 min 05 s ago; last heard from" in lead
    assert "Expected to end" not in lead and lead.index("should have ended") < lead.index("Facts")


def test_a_page_of_a_run_says_anew_each_minute_how_late_it_is(visitor: Visitor) -> None:
    begun(visitor, fraction=0.5)
    visitor.api.clock.advance(1800)
    page = visitor.see("/run/1")
    visitor.api.clock.advance(60)
    later = visitor.browser.get("/run/1", headers={"If-None-Match": page.headers["ETag"]}, status=200)
    assert "should have ended 21 min 00 s ago" in later.text


def test_a_run_that_is_heard_from_again_is_late_no_more(visitor: Visitor) -> None:
    run = begun(visitor, fraction=0.5)
    visitor.api.clock.advance(1800)
    beat(visitor)
    assert "should have ended" in main(visitor)
    visitor.api.report("progress", run, fraction=0.6)
    assert "should have ended" not in main(visitor) and "All is well" in main(visitor)


def test_a_run_that_succeeded_does_not_stand_where_it_last_said_that_it_was(visitor: Visitor) -> None:
    run = begun(visitor, fraction=0.57)
    assert "57 %" in main(visitor)
    visitor.api.report("stop", run, exit=0)
    assert visitor.api.run(run)["progress"]["fraction"] == 0.57
    for page in (visitor.see("/"), visitor.see("/run/1")):
        assert page.html.find("progress") is None and "57 %" not in page.text


def test_a_run_that_failed_says_where_it_was_without_a_bar(visitor: Visitor) -> None:
    run = begun(visitor, fraction=0.57)
    visitor.api.report("stop", run, exit=1)
    page = visitor.see("/run/1")
    assert page.html.find("progress") is None and "at 57 %" in page.html.find(class_="lead").text


def test_next_counts_what_comes_and_leads_to_it(visitor: Visitor) -> None:
    visitor.api.application()
    for _ in range(25):
        visitor.api.reported_run(name="script")
    for _ in range(22):
        visitor.api.post("/api/run", {"application": 1, "at": "2030-01-31T18:00:00Z"})
    visitor.api.clock.advance(5)
    page = visitor.see("/")
    assert "Next: 22" in main(visitor) and "Waiting: 25" in main(visitor)
    waiting, coming = [link for link in page.html.find_all("a") if "more" in link.text]
    assert (waiting.text, coming.text) == ("and 5 more", "and 2 more")
    assert "22 runs" in visitor.see(coming["href"]).text
    assert "25 runs" in visitor.see(waiting["href"]).text


def test_without_a_scheduler_nothing_waits_for_a_free_slot(visitor: Visitor) -> None:
    visitor.api.application()
    visitor.api.post("/api/run", {"application": 1})
    visitor.api.clock.advance(3600)
    for place in ("/", "/run", "/run/1"):
        page = visitor.see(place).text
        assert "waits for a scheduler: none has been heard from lately" in page and "free slot" not in page
