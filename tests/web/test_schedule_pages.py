"""Recurring schedules on pages, without JavaScript: made with their firings seen before, looked at, paused, removed."""

from typing import Any

import pytest

from lackey.services.schedules import firing
from tests.web.visitor import HOSTILE, Visitor, form_to

NEW = "/application/1/schedule"
NIGHTLY = {"application": "heat/explicit", "cron": "0 2 * * *", "timezone": "Europe/Zurich"}
KINDS = [
    {"name": "n", "kind": "integer", "default": "64"},
    {"name": "dt", "kind": "number"},
    {"name": "solver", "kind": "choice", "choices": ["cg", "gmres"], "default": "cg"},
    {"name": "label", "default": "none"},
]


def words(page: Any) -> str:
    """What stands on a page, with one space between words."""
    return " ".join(page.html.find("main").text.split())


def made(visitor: Visitor, number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = visitor.api.get(f"/api/schedule/{number}").json
    return found


def fire(visitor: Visitor, seconds: float) -> None:
    """The scheduler looks, so much later."""
    visitor.api.clock.advance(seconds)
    firing.fire(visitor.api.database, visitor.api.clock())


@pytest.fixture
def nightly(visitor: Visitor) -> Visitor:
    """Who looks at a schedule of an application."""
    visitor.api.application(parameters=[{"name": "n", "default": "64"}])
    visitor.api.post("/api/schedule", {**NIGHTLY, "parameters": {"n": "7"}})
    return visitor


def test_the_next_firings_are_seen_before_it_is_saved(visitor: Visitor) -> None:
    visitor.api.application(parameters=KINDS)
    form = form_to(visitor.see(NEW), NEW)
    form["preset"], form["timezone"] = "0 2 * * *", "Europe/Zurich"
    form["parameter.dt"], form["overlap"] = "0.1", "queue"
    step = form.submit()
    assert visitor.api.get("/api/schedule").json["items"] == []
    assert "At 02:00 every day, by the clocks of Europe/Zurich" in words(step)
    shown = [each.text.split()[:4] for each in step.html.select("[data-firings-shown] li")]
    assert shown[0] == ["Mon", "2026-03-02", "02:00", "CET"] and len(shown) == 5
    page = form_to(step, NEW).submit().follow()
    assert "Schedule 1 of heat/explicit" in words(page).replace(" / ", "/")
    kept = made(visitor)
    assert (kept["cron"], kept["timezone"], kept["overlap"]) == ("0 2 * * *", "Europe/Zurich", "queue")
    assert (kept["parameters"], kept["by"]) == ({"dt": "0.1"}, "admin key")


def test_a_rule_that_was_changed_since_its_firings_were_seen_is_shown_once_more(visitor: Visitor) -> None:
    visitor.api.application()
    form = form_to(visitor.see(NEW), NEW)
    form["cron"], form["timezone"] = "0 2 * * *", "UTC"
    form = form_to(form.submit(), NEW)
    form["cron"] = "30 3 * * *"
    step = form.submit()
    assert "At 03:30 every day" in words(step)
    assert visitor.api.get("/api/schedule").json["items"] == []
    form_to(step, NEW).submit().follow()
    assert made(visitor)["cron"] == "30 3 * * *"


def test_all_that_is_wrong_stands_beside_its_field_and_what_was_typed_is_kept(visitor: Visitor) -> None:
    visitor.api.application(parameters=KINDS)
    form = form_to(visitor.see(NEW), NEW)
    form["cron"], form["timezone"], form["parameter.n"] = "0 2 * *", "Europe/Zürich", "many"
    answer = form.submit(status=400)
    assert "should have five fields" in answer.html.find(id="s-cron-says").text
    assert "Europe/Zurich is one" in answer.html.find(id="s-timezone-says").text
    assert "is no whole number" in answer.html.find(id="s-parameter.n-says").text
    assert "has to be given" in answer.html.find(id="s-parameter.dt-says").text
    form = form_to(answer, NEW)
    assert [form[name].value for name in ("cron", "timezone", "parameter.n")] == ["0 2 * *", "Europe/Zürich", "many"]
    form["preset"], form["timezone"], form["parameter.n"], form["parameter.dt"] = "0 * * * *", "UTC", "", "1"
    assert "At the start of every hour" in words(form.submit())
    form["preset"], form["cron"] = "", ""
    assert "at least 1 character" in form.submit(status=400).html.find(id="s-cron-says").text


def test_what_is_left_empty_follows_the_default_of_the_application(visitor: Visitor) -> None:
    visitor.api.application(parameters=KINDS[:1])
    form = form_to(visitor.see(NEW), NEW)
    form["cron"], form["timezone"] = "0 2 * * *", "UTC"
    form_to(form.submit(), NEW).submit()
    assert made(visitor)["parameters"] == {}
    visitor.api.put("/api/application/1", {"parameters": [{"name": "n", "default": "128"}]})
    fire(visitor, 86400)
    assert visitor.api.get("/api/run/1").json["parameters"] == {"n": "128"}


def test_it_is_changed_and_only_another_rule_is_shown_before(nightly: Visitor) -> None:
    form = form_to(nightly.see("/schedule/1").click("Change it"), "/schedule/1/edit")
    assert [form[name].value for name in ("cron", "parameter.n")] == ["0 2 * * *", "7"]
    form["overlap"], form["parameter.n"] = "allow", "8"
    form.submit().follow()
    assert (made(nightly)["overlap"], made(nightly)["parameters"]) == ("allow", {"n": "8"})
    form = form_to(nightly.see("/schedule/1/edit"), "/schedule/1/edit")
    form["timezone"] = "Australia/Lord_Howe"
    step = form.submit()
    assert made(nightly)["timezone"] == "Europe/Zurich"
    assert "02:00 +11" in words(step)
    form_to(step, "/schedule/1/edit").submit().follow()
    assert made(nightly)["timezone"] == "Australia/Lord_Howe"


def test_an_empty_text_that_it_was_given_is_kept(visitor: Visitor) -> None:
    visitor.api.application(parameters=KINDS[3:])
    visitor.api.post("/api/schedule", {**NIGHTLY, "parameters": {"label": ""}})
    form_to(visitor.see("/schedule/1/edit"), "/schedule/1/edit").submit().follow()
    assert made(visitor)["parameters"] == {"label": ""}


def test_its_page_tells_when_it_fires_and_what_came_of_each_time_and_leads_to_its_runs(nightly: Visitor) -> None:
    assert "It was not due yet" in nightly.see("/schedule/1").text
    fire(nightly, 13 * 3600)
    fire(nightly, 86400)
    fire(nightly, 5 * 86400)
    page = nightly.see("/schedule/1")
    rows = [[" ".join(cell.text.split()) for cell in row.find_all("td")] for row in page.html.select("tbody tr")]
    assert [row[1] for row in rows] == ["skipped", "missed: 4 times", "skipped", "made"]
    assert rows[3][2] == "run 1 queued"
    assert rows[2][3] == "run 1, the one before, has not ended"
    assert "Run 1 of" in page.click("^run 1$").text
    assert "Mon 2026-03-09 02:00 CET" in words(page)
    assert "schedule 1" in page.click("Its runs").html.find(class_="words").text


def test_a_long_history_is_gone_through_page_by_page(nightly: Visitor) -> None:
    for _ in range(60):
        fire(nightly, 86400)
    nightly.sign_in()
    page = nightly.see("/schedule/1")
    assert len(page.html.select("tbody tr")) == 50
    older = page.click("Earlier")
    assert len(older.html.select("tbody tr")) == 10
    assert len(older.click("Latest").html.select("tbody tr")) == 50


def test_it_is_paused_resumed_and_removed(nightly: Visitor) -> None:
    fire(nightly, 13 * 3600)
    page = form_to(nightly.see("/schedule/1"), "/schedule/1/pause").submit().follow()
    assert "It is paused" in page.text and made(nightly)["firings"] == []
    assert "paused" in nightly.see("/application/1").html.find(attrs={"data-part": "schedules"}).text
    page = form_to(page, "/schedule/1/resume").submit().follow()
    assert "It is paused" not in page.text and len(made(nightly)["firings"]) == 5
    page = form_to(page, "/schedule/1/remove").submit().follow()
    assert "It has none" in page.text
    nightly.see("/schedule/1", status=404)
    facts = words(nightly.see("/run/1"))
    assert "schedule 1, which has been removed" in facts


def test_runs_and_what_goes_on_lead_to_it(nightly: Visitor) -> None:
    now = nightly.see("/")
    assert "At 02:00 every day" in words(now)
    assert "Schedule 1" in now.click("^1$", href="/schedule/1").html.find("h1").text
    fire(nightly, 13 * 3600)
    now = nightly.see("/")
    assert "Schedule 1" in now.click("^schedule 1$").html.find("h1").text
    assert "Schedule 1" in nightly.see("/run/1").click("^schedule 1$").html.find("h1").text
    assert "/schedule/1" in nightly.see("/application/1").text


def test_what_goes_on_is_shown_anew_once_a_schedule_is_changed(nightly: Visitor) -> None:
    tag = nightly.see("/").headers["ETag"]
    again = nightly.browser.get("/", headers={"If-None-Match": tag}, status=304)
    assert again.status_int == 304
    nightly.api.put("/api/schedule/1", {"cron": "0 3 * * *"})
    assert nightly.browser.get("/", headers={"If-None-Match": tag}, status=200).status_int == 200


def test_all_are_listed_page_by_page_with_what_came_of_them_last(nightly: Visitor) -> None:
    fire(nightly, 13 * 3600)
    for _ in range(51):
        nightly.api.post("/api/schedule", {**NIGHTLY, "paused": True})
    page = nightly.see("/").click("Schedules")
    assert len(page.html.select("tbody tr")) == 50
    older = page.click("Older")
    rows = [" ".join(row.text.split()) for row in older.html.select("tbody tr")]
    assert len(rows) == 2 and "made run 1 queued" in rows[1] and "paused" in rows[0]
    assert older.click("First").html.select("tbody tr")


def test_who_removes_an_application_or_project_is_told_of_its_schedules(nightly: Visitor) -> None:
    page = nightly.see("/application/1/remove")
    assert "Its schedule makes no more runs; with it goes the history" in words(page)
    assert "Schedule 1: At 02:00 every day, Europe/Zurich" in words(page)
    assert "Schedule 1 of heat/explicit" in words(nightly.see("/project/1/remove"))
    fire(nightly, 13 * 3600)
    nightly.api.post("/api/run/cancel/1", {})
    page = nightly.see("/application/1/remove")
    assert "no more runs until it is brought back" in words(page)
    form_to(page, "/application/1/remove").submit().follow()
    assert "makes no runs until that is brought back" in words(nightly.see("/schedule/1"))


def test_a_rule_is_tried_out_on_a_page_of_its_own(nightly: Visitor) -> None:
    page = nightly.see("/schedule/preview?cron=30+2+29+3+*&timezone=Europe/Zurich")
    # Clocks go forward that night: it fires as soon as the hour that is left out is over.
    assert "Sun 2026-03-29 03:00 CEST" in words(page)
    assert "has five fields" not in words(page)
    wrong = nightly.see("/schedule/preview?cron=x&timezone=Moon", status=400)
    assert "The expression should have five fields" in words(wrong) and "there is no zone 'Moon'" in words(wrong)


def test_who_may_only_run_sees_them_and_changes_none(nightly: Visitor) -> None:
    reader = Visitor(nightly.api)
    reader.sign_in("run")
    page = reader.see("/schedule/1")
    assert "/schedule/1/pause" not in page.text and "Change it" not in page.text
    assert NEW not in reader.see("/application/1").text and NEW in nightly.see("/application/1").text
    reader.see("/schedule/1/edit", status=403)
    word = page.html.find("input", attrs={"name": "word"})["value"]
    reader.post("/schedule/1/pause", 403, word=word)
    reader.post("/schedule/1/remove", 403, word=word)
    assert made(nightly)["paused"] is False


def test_hostile_text_is_text(visitor: Visitor) -> None:
    visitor.api.application(parameters=[{"name": "n", "default": HOSTILE}])
    visitor.api.post("/api/schedule", {**NIGHTLY, "parameters": {"n": HOSTILE}})
    form = form_to(visitor.see(NEW), NEW)
    form["cron"], form["timezone"], form["parameter.n"] = HOSTILE, HOSTILE, HOSTILE
    pages = [form.submit(status=400), *map(visitor.see, ("/schedule/1", "/schedule/1/edit", "/schedule"))]
    for page in pages:
        assert "<script>alert" not in page.text and "<img src=x" not in page.text


def test_a_form_without_our_word_changes_nothing(nightly: Visitor) -> None:
    nightly.post("/schedule/1/remove", 403)
    assert made(nightly)["id"] == 1


def test_one_of_a_sweep_is_made_with_its_number_of_runs_seen_and_its_history_leads_to_its_sweeps(
    visitor: Visitor,
) -> None:
    visitor.api.application(parameters=KINDS)
    form = form_to(visitor.see(NEW), NEW)
    form["cron"], form["timezone"], form["parameter.n"] = "0 2 * * *", "UTC", "7"
    form["grid.dt"], form["grid.solver"], form["max_running"] = "1e-3..1e-1/3 log", "cg, gmres", "2"
    step = form.submit()
    assert "Each time: 6 runs." in words(step)
    page = form_to(step, NEW).submit().follow()
    assert "6 runs, as a sweep; 2 at a time" in words(page) and "1e-3..1e-1/3 log" in words(page)
    assert (made(visitor)["grid"], made(visitor)["max_running"]) == (
        {"dt": "1e-3..1e-1/3 log", "solver": "cg, gmres"},
        2,
    )
    assert made(visitor)["parameters"] == {"n": "7"}
    fire(visitor, 86400)
    assert visitor.see("/schedule/1").html.find("a", href="/sweep/1").text == "sweep 1"
    assert "6 runs each time" in words(visitor.see("/schedule"))
    assert visitor.api.get("/api/sweep/1").json["runs"] == 6


def test_what_is_wrong_with_the_values_of_a_sweep_stands_beside_them(visitor: Visitor) -> None:
    visitor.api.application(parameters=KINDS)
    form = form_to(visitor.see(NEW), NEW)
    form["cron"], form["timezone"], form["overlap"] = "0 2 * *", "UTC", "queue"
    form["grid.dt"], form["grid.n"], form["max_running"] = "0.5..1", "1..3", "many"
    page = form.submit(status=400).html
    assert "five fields" in page.find(id="s-cron-says").text
    assert "has no step" in page.find(id="s-grid.dt-says").text
    assert "integer" in page.find(id="s-max_running-says").text
    form["cron"], form["grid.dt"], form["max_running"] = "0 2 * * *", "1, x", "2"
    assert "is no number" in form.submit(status=400).html.find(id="s-grid.dt-says").text
    form["grid.dt"], form["grid.n"], form["parameter.dt"] = "", "", "1"
    assert "needs" in form.submit(status=400).html.find(id="s-max_running-says").text
    assert visitor.api.get("/api/schedule").json["items"] == []


def test_a_sweep_is_changed_to_other_values_and_back_to_one_run(nightly: Visitor) -> None:
    nightly.api.put("/api/schedule/1", {"grid": {"n": ["1", "a, b", "1..3", ""]}})
    form = form_to(nightly.see("/schedule/1/edit"), "/schedule/1/edit")
    assert form["grid.n"].value == '1, "a, b", "1..3", ""'
    form.submit().follow()
    assert made(nightly)["runs"] == 4
    form["grid.n"] = ""
    form.submit().follow()
    assert (made(nightly)["grid"], made(nightly)["runs"]) == ({}, None)


def test_the_rows_of_a_sweep_are_kept_as_long_as_no_values_are_typed(nightly: Visitor) -> None:
    nightly.api.put("/api/schedule/1", {"points": [{"n": 1}, {"n": 5}]})
    page = nightly.see("/schedule/1/edit")
    assert "a run for each of 2 rows" in words(page)
    form = form_to(page, "/schedule/1/edit")
    form["max_running"] = "1"
    page = form.submit().follow()
    assert "2 runs, as a sweep; 1 at a time" in words(page) and "of the parameters n" in words(page)
    assert made(nightly)["points"] == [{"n": "1"}, {"n": "5"}]
    form["grid.n"] = "1..3"
    form.submit().follow()
    assert (made(nightly)["points"], made(nightly)["runs"]) == ([], 3)
