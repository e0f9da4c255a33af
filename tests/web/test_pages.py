"""What the pages show, and that all of it can be done without JavaScript."""

import pytest

from lackey.domain.refusals import Unavailable
from lackey.domain.run import RunState
from lackey.services import Database
from lackey.services.admin import health
from tests.web.client import Api
from tests.web.visitor import HOSTILE, Visitor, form_to


@pytest.fixture
def visitor(api: Api) -> Visitor:
    health.beat(api.database, "host", api.clock.now, True, api.clock.now)
    visitor = Visitor(api)
    visitor.sign_in()
    return visitor


def test_from_nothing_to_a_run_by_forms_alone(visitor: Visitor) -> None:
    form = form_to(visitor.see("/project"), "/project")
    form["name"], form["directory"] = "heat", r"\\fileserver\lab\heat"
    first = form.submit().follow()
    assert "lab:heat" in first.text
    form = form_to(first, "/project/1/application")
    form["name"], form["command"] = "explicit", "./heat {n}"
    form.set("parameter.name", "n", index=0)
    form.set("parameter.default", "64", index=0)
    application = form.submit().follow()
    form = form_to(application, "/application/1/run")
    assert form["parameter.n"].value == "64"
    form["parameter.n"] = "128"
    run = form.submit().follow()
    assert "queued" in run.text and "128" in run.text
    assert visitor.api.get("/api/run/1").json["by"] == "admin key"
    assert len(visitor.api.wakes) == 1
    assert "queued" in visitor.see("/").text
    again = form_to(run, "/run/1/rerun").submit().follow()
    assert "Made from" in again.text
    cancelled = form_to(again, "/run/2/cancel").submit().follow()
    assert "cancelled" in cancelled.text
    changed = form_to(run.click("Run again with changes"), "/application/1/run")
    assert changed["parameter.n"].value == "128"
    changed["parameter.n"] = "256"
    third = changed.submit().follow()
    assert third.click("Compare the two").request.path_qs == "/compare?run=1&run=3"
    assert [visitor.api.get("/api/run/3").json[name] for name in ("parent", "cause")] == [1, "rerun"]


def test_a_run_is_found_by_a_word_in_its_log_and_by_its_state(visitor: Visitor) -> None:
    first, second = visitor.api.reported_run(name="alpha"), visitor.api.reported_run(name="omega")
    visitor.api.report("stop", first, exit=0, log="the residual was small")
    visitor.api.report("stop", second, exit=3, log="the residual was large")
    form = form_to(visitor.see("/run"), "/run")
    form["q"] = "large residual"
    found = form.submit().text
    assert "omega" in found and "alpha" not in found
    failed = visitor.see("/run?state=failed").text
    assert "omega" in failed and "alpha" not in failed
    assert "No run is like that." in visitor.see("/run?q=nonesuch").text


def test_a_long_list_goes_on_on_the_next_page(visitor: Visitor) -> None:
    for number in range(60):
        visitor.api.reported_run(name=f"run {number:03}")
    first = visitor.see("/run")
    assert "run 059" in first.text and "run 005" not in first.text
    assert "run 005" in first.click("Older").text


def test_a_run_says_how_it_ended_and_why(visitor: Visitor) -> None:
    run = visitor.api.reported_run(name="script")
    visitor.api.report("start", run, ts=1000)
    visitor.api.report("metric", run, name="residual", value=0.25, step=3)
    visitor.api.report("progress", run, fraction=0.5, message="half way")
    running = visitor.see(f"/run/{run['id']}").text
    assert "half way" in running and "50" in running
    visitor.api.report("stop", run, ts=1060, exit=3, log="boom")
    page = visitor.see(f"/run/{run['id']}").text
    for shown in ("ended with exit code 3", "1 min 00 s", "its own report", "boom", "residual", "0.25"):
        assert shown in page


def test_nothing_that_comes_from_outside_becomes_part_of_a_page(visitor: Visitor) -> None:
    visitor.api.application(description=HOSTILE, parameters=[{"name": "n", "default": HOSTILE}])
    run = visitor.api.post("/api/run", {"application": 1, "name": HOSTILE, "parameters": {"n": HOSTILE}}).json
    visitor.api.report("progress", run, message=HOSTILE)
    visitor.api.report("metric", run, name=HOSTILE, value=1)
    visitor.api.report("start", run, host=HOSTILE)
    visitor.api.report("log", run, text=f"{HOSTILE}\x1b[31m\x00")
    for path in ("/", "/run", f"/run/{run['id']}", "/application/1", "/application/1/edit", f"/run?q={HOSTILE}"):
        page = visitor.see(path).text
        assert "<script>alert" not in page and "<img src=x" not in page, path
    assert visitor.see(f"/run/{run['id']}/log").headers["Content-Type"].startswith("text/plain")


def test_a_page_that_has_not_changed_is_not_sent_again(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    page = visitor.see(f"/run/{run['id']}")
    known = {"If-None-Match": page.headers["ETag"]}
    visitor.browser.get(f"/run/{run['id']}", headers=known, status=304)
    visitor.api.report("start", run)
    assert RunState.RUNNING in visitor.browser.get(f"/run/{run['id']}", headers=known).text


def test_what_is_not_there_is_said_in_a_page(visitor: Visitor) -> None:
    assert "there is no run 99" in visitor.see("/run/99", 404).text


def test_the_sign_of_the_first_page_shows_how_many_run_and_have_failed(visitor: Visitor) -> None:
    visitor.api.report("start", visitor.api.reported_run())
    for _ in range(12):
        visitor.api.report("stop", visitor.api.reported_run(), exit=1)
    sign = visitor.see("/").html.select_one("link[rel=icon]")["href"]
    drawn = visitor.see(sign)
    assert drawn.content_type == "image/svg+xml"
    assert [each.text for each in drawn.xml.iter("{http://www.w3.org/2000/svg}text")] == ["1", "9+"]


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/run/1/nothing", 404), ("/sign-out", 405)])
def test_an_address_that_is_no_page_leads_on_in_a_browser_and_is_a_problem_to_programs(
    visitor: Visitor, path: str, status: int
) -> None:
    shown = visitor.browser.get(path, headers={"Accept": "text/html,*/*"}, status=status)
    assert shown.click("Runs").status_int == 200
    assert visitor.api.get(path).content_type == "application/problem+json"
    program = visitor.browser.get("/api/nothing", headers={"Accept": "text/html"}, status=404)
    assert program.content_type == "application/problem+json"


@pytest.mark.parametrize("path", ["/", "/run", "/nothing"])
def test_while_the_database_is_away_a_page_says_so(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def away(*_: object) -> None:
        raise Unavailable("the database is not available")

    monkeypatch.setattr(Database, "read", away)
    shown = visitor.browser.get(path, headers={"Accept": "text/html"}, expect_errors=True)
    assert shown.content_type == "text/html"
    assert (shown.status_int, shown.headers.get("Retry-After")) == ((404, None) if path == "/nothing" else (503, "5"))
    assert "Back to what goes on now" in shown.text
    assert path == "/nothing" or "the database is not available" in shown.text
