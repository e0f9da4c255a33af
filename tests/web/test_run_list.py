"""The list of runs: what an address shows, and what is done to many runs at once. All of it without JavaScript."""

from typing import Any

import pytest

from lackey.store import run_lists
from lackey.web.pages import all_runs
from tests.web.visitor import Visitor, form_to

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def named(page: Any) -> list[str]:
    """The names of the runs on a page, in their order."""
    return [row.select("td")[2].get_text().strip() for row in page.html.select("main tbody tr")]


def words(page: Any) -> list[str]:
    return [each.get_text(" ", strip=True) for each in page.html.select(".words li")]


def ended(visitor: Visitor, name: str, start: int, stop: int, **more: Any) -> dict[str, Any]:
    run = visitor.api.reported_run(name=name, **more)
    visitor.api.report("start", run, ts=start)
    visitor.api.report("stop", run, ts=stop, exit=0)
    return run


def press(page: Any, action: str, *chosen: int) -> Any:
    """Tick these runs and press the button that sends them there."""
    form = page.forms["chosen"]
    for box in form.fields["run"]:
        box.checked = int(box._value) in chosen
    button = page.html.select_one(f'button[formaction="{action}"]')
    fields = [(name, value) for name, value in form.submit_fields() if name == "run"]
    if button.get("formmethod") != "post":
        return visitor_get(form, action, fields)
    return form.response.test_app.post(action, [*fields, ("word", button["value"])], expect_errors=True)


def visitor_get(form: Any, action: str, fields: list[tuple[str, str]]) -> Any:
    return form.response.test_app.get(action, fields, expect_errors=True)


def test_a_column_sorts_one_way_and_then_the_other(visitor: Visitor) -> None:
    for name, start, stop in (("long", 1000, 9000), ("short", 3000, 3010), ("middle", 2000, 2500)):
        ended(visitor, name, start, stop)
    visitor.api.reported_run(name="not begun")
    assert named(visitor.see("/run")) == ["not begun", "middle", "short", "long"]
    by_duration = visitor.see("/run").click("^Took$")
    assert named(by_duration) == ["long", "middle", "short"]
    assert by_duration.html.select_one('th[aria-sort="descending"]').get_text() == "Took"
    assert named(by_duration.click("^Took$")) == ["short", "middle", "long"]
    assert named(by_duration.click("^Started$")) == ["short", "middle", "long"]
    assert "those that have started and ended" in by_duration.text


def test_sorting_keeps_what_narrows_the_list_and_narrowing_how_it_is_sorted(visitor: Visitor) -> None:
    ended(visitor, "alpha one", 1000, 2000)
    ended(visitor, "alpha two", 1000, 3000)
    ended(visitor, "omega", 1000, 4000)
    sorted_page = visitor.see("/run?q=alpha").click("^Took$")
    assert named(sorted_page) == ["alpha two", "alpha one"]
    form = sorted_page.forms["filters"]
    form["q"] = ""
    assert named(form.submit()) == ["omega", "alpha two", "alpha one"]


def test_pages_lead_on_and_back_and_to_the_first(visitor: Visitor) -> None:
    for number in range(120):
        visitor.api.reported_run(name=f"run {number:03}")
    first = visitor.see("/run")
    second = first.click("^Older$")
    third = second.click("^Older$")
    assert [named(page)[0] for page in (first, second, third)] == ["run 119", "run 069", "run 019"]
    assert "Older" not in third.text and "Newer" not in first.text
    assert named(third.click("^Newer$")) == named(second)
    assert named(third.click("^First$")) == named(first)
    assert "120 runs" in first.text
    turned = visitor.see("/run?direction=up")
    assert named(turned.click("^Newer$"))[0] == "run 050"


def test_a_time_without_a_zone_is_in_utc_and_one_with_an_offset_is_what_it_says(visitor: Visitor) -> None:
    for hour in ("10", "12", "14"):
        visitor.api.reported_run(name=f"at {hour}", at=f"2030-06-01T{hour}:00:00Z")
    form = visitor.see("/run").forms["filters"]
    form["since"], form["until"] = "2030-06-01T11:00", "2030-06-01T13:00:30"
    found = form.submit()
    assert named(found) == ["at 12"]
    assert found.forms["filters"]["since"].value == "2030-06-01T11:00:00"
    elsewhere = visitor.see("/run?since=2030-06-01T20:30:00%2B09:00")
    assert named(elsewhere) == ["at 14", "at 12"]
    assert elsewhere.forms["filters"]["since"].value == "2030-06-01T11:30:00"


def test_what_is_typed_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(visitor: Visitor) -> None:
    visitor.api.reported_run(name="there")
    page = visitor.see("/run?q=there&state=odd&project=none&since=yesterday&until=2030-06-01T12:00:00Z", 400)
    form = page.forms["filters"]
    typed = {name: form[name].value for name in ("q", "since", "until", "project")}
    assert typed == {"q": "there", "since": "yesterday", "until": "2030-06-01T12:00:00", "project": "none"}
    assert form["state"].value == "odd"
    assert "is no state" in page.html.select_one("#state-says").get_text()
    assert "should be unix seconds" in page.html.select_one("#since-says").get_text()
    assert named(page) == []
    assert "there is no project none" in visitor.see("/run?project=none", 400).text
    assert "there" in named(page.click("^Show all runs$", index=0))


@pytest.mark.parametrize("wrong", ["order=name", "direction=sideways", "cursor=x", "cursor=1.2q"])
def test_an_address_that_no_list_has_given_is_refused_in_words(visitor: Visitor, wrong: str) -> None:
    page = visitor.see(f"/run?{wrong}", 400)
    assert page.html.select_one("[role=alert]").get_text().startswith(wrong.partition("=")[0])


def test_each_filter_can_be_taken_away_by_itself(visitor: Visitor) -> None:
    for name in ("alpha", "omega"):
        ended(visitor, name, 1000, 2000)
    page = visitor.see("/run?q=alpha&state=succeeded,lost&by=admin+key")
    assert words(page) == [
        "Leave out words alpha ×",
        "Leave out state succeeded,lost ×",
        "Leave out by admin key ×",
        "Show all runs",
    ]
    without = page.click("words")
    assert sorted(named(without)) == ["alpha", "omega"]
    assert len(words(without)) == 3
    assert named(visitor.see("/run?state=lost&state=succeeded&q=omega")) == ["omega"]


def test_an_empty_list_says_how_to_widen_it(visitor: Visitor) -> None:
    assert "Nothing has run yet" in visitor.see("/run").text
    visitor.api.reported_run(name="residual")
    page = visitor.see("/run?q=resid&state=failed")
    assert "No run is like that" in page.text and "Words are found as wholes" in page.text
    assert named(page.click("show all runs")) == ["residual"]


def test_a_long_search_says_how_far_it_has_come_and_goes_on(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lists, "WALKED_AT_MOST", 10)
    monkeypatch.setattr(run_lists, "FEW", 0)
    for number in range(25):
        run = visitor.api.reported_run(name=f"run {number}")
        visitor.api.report("start", run, ts=1000 + number)
        visitor.api.report("stop", run, ts=2000, exit=1 if number == 3 else 0)
    page = visitor.see("/run?state=failed&order=started")
    assert named(page) == [] and "none of them is like that" in page.text
    last = page.click("search on").click("search on")
    assert named(last) == ["run 3"] and "search on" not in last.text


def test_projects_and_applications_that_there_are_are_offered(visitor: Visitor) -> None:
    visitor.api.application()
    page = visitor.see("/run")
    assert [each["value"] for each in page.html.select("datalist option")] == ["heat", "heat/explicit"]


def test_runs_that_wait_are_cancelled_at_once_each_for_itself_and_that_is_undone(visitor: Visitor) -> None:
    for name in ("one", "two", "three"):
        visitor.api.reported_run(name=name, at="2030-06-01T12:00:00Z")
    over = ended(visitor, "over", 1000, 2000)
    answer = press(visitor.see("/run"), "/run/many/cancel", 1, 2, over["id"])
    told = answer.follow()
    assert [row.select("td")[3].get_text() for row in told.html.select("tbody tr")] == [
        "cancelled",
        "cancelled",
        "had ended already, so there was nothing to cancel",
    ]
    assert [visitor.api.get(f"/api/run/{number}").json["state"] for number in (1, 2, 3)] == [
        *("cancelled", "cancelled", "scheduled"),
    ]
    visitor.see(answer.location)
    again = form_to(told, "/run/many/put-back").submit().follow()
    assert "made anew from run 1" in again.text and "made anew from run 2" in again.text
    back = [(run["parent"], run["scheduled_at"]) for run in visitor.api.get("/api/run").json["items"]]
    assert back[:2] == [(2, "2030-06-01T12:00:00Z"), (1, "2030-06-01T12:00:00Z")]


def test_only_what_was_cancelled_before_it_began_is_put_back(visitor: Visitor) -> None:
    visitor.api.reported_run(name="still waits")
    word = visitor.see("/run").html.select_one('button[name="word"]')["value"]
    assert "could not be made again" in visitor.post("/run/many/put-back", 303, word=word, run="1").follow().text
    assert len(visitor.api.get("/api/run").json["items"]) == 1


def test_a_run_at_work_is_cancelled_only_after_a_question(visitor: Visitor) -> None:
    works, waits = visitor.api.reported_run(name="works"), visitor.api.reported_run(name="waits")
    visitor.api.report("start", works)
    question = press(visitor.see("/run"), "/run/many/cancel", works["id"], waits["id"]).follow()
    assert "Their scripts themselves go on until somebody ends them" in question.text
    assert "with all that they have started" not in question.text
    assert visitor.api.run(works)["state"] == "running" and visitor.api.run(waits)["state"] == "scheduled"
    only_waiting, everything = (
        next(form for form in question.forms.values() if label in form.text)
        for label in ("Cancel only the one that waits", "Cancel all 2")
    )
    only_waiting.submit()
    assert visitor.api.run(works)["state"] == "running" and visitor.api.run(waits)["state"] == "cancelled"
    assert "cancelled" in everything.submit().follow().text
    assert visitor.api.run(works)["state"] == "cancelled"
    assert "There is nothing to cancel" in visitor.see("/run/many/cancel?run=1&run=2").text


def test_many_runs_are_made_again_and_a_reload_makes_no_more(visitor: Visitor) -> None:
    first, second = (ended(visitor, name, 1000, 2000) for name in ("one", "two"))
    answer = press(visitor.see("/run"), "/run/many/rerun", first["id"], second["id"])
    for _ in range(2):
        assert "made anew from run 1" in visitor.see(answer.location).text
    assert len(visitor.api.get("/api/run").json["items"]) == 4
    assert len(visitor.api.wakes) >= 1


def test_nothing_is_done_where_the_choice_makes_no_sense(visitor: Visitor) -> None:
    visitor.api.reported_run()
    word = visitor.see("/run").html.select_one('button[name="word"]')["value"]
    for action in ("/run/many/cancel", "/run/many/rerun"):
        assert "none is chosen" in visitor.post(action, 400, word=word).text
        assert "there is no run 99; nothing was done" in visitor.post(action, 404, word=word, run="1,99").text
        assert "is no number of a run" in visitor.post(action, 400, word=word, run="x").text
        many = ",".join(map(str, range(1, 102)))
        assert "at most 100 at once" in visitor.post(action, 400, word=word, run=many).text
        visitor.post(action, 403, run="1")
    assert [run["state"] for run in visitor.api.get("/api/run").json["items"]] == ["scheduled"]


def test_who_may_only_read_can_compare_and_do_nothing_else(visitor: Visitor) -> None:
    for name in ("one", "two"):
        visitor.api.reported_run(name=name)
    reader = Visitor(visitor.api)
    reader.sign_in("read")
    page = reader.see("/run")
    assert [button.get_text() for button in page.html.select("#chosen button")] == ["Compare"]
    assert "2 runs compared" in press(page, "/compare", 1, 2).text
    word = form_to(page, "/sign-out")["word"].value
    assert "Your key does not allow it" in reader.post("/run/many/cancel", 403, word=word, run="1").text


def test_nothing_that_comes_from_outside_becomes_part_of_the_list(visitor: Visitor) -> None:
    visitor.api.post("/api/project", {"name": f"p {HOSTILE.replace('/', '')}", "directory": "x"})
    visitor.api.application(parameters=[{"name": "n"}])
    visitor.api.reported_run(name=HOSTILE)
    run = visitor.api.post("/api/run", {"application": 1, "name": HOSTILE, "parameters": {"n": HOSTILE}}).json
    for path in (
        *("/run", "/run?q=%3Cscript%3Ealert(1)", f"/run/many?did=cancel&run={run['id']}"),
        f"/run/many/cancel?run={run['id']}",
    ):
        page = visitor.see(path)
        assert "<script>alert" not in page.text and "<img src=x" not in page.text, path
        assert not page.html.select("main script, main img, [onerror], [style]"), path
    wrong = visitor.see("/run?since=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&state=%3Cscript%3Ealert(1)", 400).text
    assert "<script>alert" not in wrong


def test_all_that_a_list_narrows_down_to_are_cancelled_scheduled_ones_too_and_however_many(visitor: Visitor) -> None:
    visitor.api.application()
    for _ in range(60):
        visitor.api.post("/api/run", {"application": 1})
    visitor.api.post("/api/run", {"application": 1, "at": "2030-01-31T18:00:00Z"})
    works, other = visitor.api.reported_run(name="works"), visitor.api.reported_run(name="other")
    visitor.api.report("start", works)
    listed = visitor.see("/run?application=heat/explicit&state=unended")
    assert "61 runs" in listed.text and "not ended" in listed.html.find(class_="words").text
    question = listed.click("Cancel all that are like that")
    assert "Cancel 61 runs?" in question.text and "at work" not in question.text
    done = form_to(question, "/run/all/cancel").submit().follow()
    assert "61 runs were cancelled" in done.text
    left = visitor.api.get("/api/run?state=scheduled,queued,running").json["items"]
    assert sorted(run["id"] for run in left) == [works["id"], other["id"]]
    assert "There is nothing to cancel" in visitor.see("/run/all/cancel?application=heat/explicit").text


def test_those_at_work_are_told_before_all_are_cancelled(visitor: Visitor) -> None:
    works = visitor.api.reported_run(name="works")
    visitor.api.report("start", works)
    question = visitor.see("/run/all/cancel?q=works")
    assert "at work" in question.text and "the scripts of those that only report go on" in question.text
    form_to(question, "/run/all/cancel").submit()
    assert visitor.api.run(works)["state"] == "cancelled"


def test_what_there_was_no_time_for_is_said_and_gone_on_with(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(30):
        visitor.api.reported_run(name="many")
    monkeypatch.setattr(all_runs, "SECONDS", 0)
    told = form_to(visitor.see("/run/all/cancel?state=scheduled"), "/run/all/cancel").submit().follow()
    assert "25 runs were cancelled" in told.text and "5 are left" in told.text
    assert "5 runs were cancelled" in form_to(told, "/run/all/cancel").submit().follow().text


def test_nothing_that_has_ended_is_cancelled_because_its_state_was_asked_for(visitor: Visitor) -> None:
    visitor.api.reported_run(name="waits")
    assert "There is nothing to cancel" in visitor.see("/run/all/cancel?state=failed").text
    visitor.post("/run/all/cancel", 303, word=form_to(visitor.see("/run"), "/sign-out")["word"].value, state="failed")
    assert visitor.api.get("/api/run").json["items"][0]["state"] == "scheduled"
