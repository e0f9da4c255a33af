"""A recurring schedule in a real browser: made with its firings seen before, paused, its history read."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.browsers import context_of, watched
from tests.browser.lab import Lab, empty_lab

_PARAMETERS = [{"name": "n", "kind": "integer", "default": "64"}]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A service with an application, in which these tests make schedules."""
    with empty_lab(tmp_path_factory.mktemp("house")) as lab:
        lab.service.api("POST", "/api/project", json={"name": "heat", "directory": "heat"})
        lab.add("explicit", "heat", "explicit", "true", parameters=_PARAMETERS)
        yield lab


@pytest.fixture
def page(chromium: Browser, house: Lab) -> Iterator[Page]:
    """Somebody in Tokyo."""
    with context_of(chromium, timezone_id="Asia/Tokyo", locale="en-GB") as context, watched(context) as page:
        context.add_cookies(house.cookies())
        yield page


def newest(house: Lab) -> dict[str, Any]:
    found: dict[str, Any] = house.service.api("GET", "/api/schedule", params={"limit": 1})["items"][0]
    return found


def tab_to(page: Page, wanted: Locator) -> None:
    """Go on from field to field by keyboard."""
    for _ in range(80):
        if wanted.evaluate("each => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way by keyboard to {wanted}")


def test_a_nightly_one_is_made_by_mouse_with_its_firings_seen_and_paused(page: Page, house: Lab) -> None:
    page.goto(house.url("/application/{explicit}"))
    page.get_by_role("button", name="New schedule").click()
    page.get_by_label("Zone").fill("Europe/Zurich")
    page.get_by_label("Run it").select_option("each night at two")
    shown = page.locator("[data-firings-shown]")
    expect(shown).to_contain_text("At 02:00 every day, by the clocks of Europe/Zurich")
    expect(shown.get_by_role("listitem")).to_have_count(5)
    expect(page.get_by_label("Cron expression")).to_have_value("0 2 * * *")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("of heat/explicit")
    made = newest(house)
    assert (made["cron"], made["timezone"], made["parameters"]) == ("0 2 * * *", "Europe/Zurich", {})
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("main")).to_contain_text("It is paused")
    assert newest(house)["paused"] is True
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_one_is_made_by_keyboard_alone_and_removed(page: Page, house: Lab) -> None:
    page.goto(house.url("/application/{explicit}"))
    tab_to(page, page.get_by_role("button", name="New schedule"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("Cron expression"))
    page.keyboard.type("30 6 * * 1-5")
    tab_to(page, page.get_by_label("Zone"))
    page.keyboard.press("Control+A")
    page.keyboard.type("UTC")
    expect(page.locator("[data-firings-shown]")).to_contain_text("At 06:30 on Monday through Friday")
    # The viewer's clock is nine hours ahead of that of the schedule.
    expect(page.locator("[data-firings-shown] time").last).to_contain_text("15:30")
    tab_to(page, page.locator("[data-schedule]").get_by_label("n", exact=True))
    page.keyboard.type("128")
    expect(page.get_by_role("button", name="Save")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("of heat/explicit")
    made = newest(house)
    assert (made["cron"], made["timezone"], made["parameters"]) == ("30 6 * * 1-5", "UTC", {"n": "128"})
    tab_to(page, page.locator("summary", has_text="Remove it"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("button", name=f"Remove schedule {made['id']}"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Its schedules")).to_be_visible()
    assert made["id"] not in [each["id"] for each in house.service.api("GET", "/api/schedule")["items"]]


def test_one_that_makes_a_sweep_is_made_and_tells_how_many_runs_each_time(page: Page, house: Lab) -> None:
    page.goto(house.url("/application/{explicit}"))
    page.get_by_role("button", name="New schedule").click()
    page.get_by_label("Run it").select_option("each Saturday at two in the night")
    page.get_by_text("Many runs each time").click()
    page.get_by_label("Values of n").fill("1..20")
    expect(page.locator("[data-firings-shown]")).to_contain_text("on Saturday")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("main")).to_contain_text("20 runs, as a sweep")
    assert (newest(house)["grid"], newest(house)["runs"]) == ({"n": "1..20"}, 20)


def test_what_is_wrong_is_said_while_it_is_typed_and_nothing_is_saved(page: Page, house: Lab) -> None:
    page.goto(house.url("/application/{explicit}/schedule"))
    page.get_by_label("Cron expression").fill("0 2 * *")
    shown = page.locator("[data-firings-shown]")
    expect(shown).to_contain_text("The expression should have five fields")
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    page.get_by_label("Cron expression").fill("0 0 30 2 *")
    expect(shown).to_contain_text("never fires")
    page.get_by_label("Cron expression").fill("0 * * * *")
    expect(shown).to_contain_text("At the start of every hour")
    expect(page.get_by_label("Run it")).to_have_value("0 * * * *")
    before = len(house.service.api("GET", "/api/schedule")["items"])
    # The rule is changed at the last moment: it is shown before it is saved.
    page.get_by_label("Cron expression").evaluate(
        "each => { each.value = '15 * * * *'; each.dispatchEvent(new Event('input')); each.form.requestSubmit(); }"
    )
    expect(page.get_by_role("main")).to_contain_text("At minute 15 of every hour")
    assert len(house.service.api("GET", "/api/schedule")["items"]) == before


def test_its_history_leads_to_its_runs_and_they_back_to_it(chromium: Browser, lab: Lab) -> None:
    with context_of(chromium) as context, watched(context) as page:
        context.add_cookies(lab.cookies())
        page.goto(lab.url("/schedule/{schedule}"))
        history = page.get_by_role("region", name="History")
        expect(history.get_by_role("row")).to_have_count(3)
        expect(history).to_contain_text("missed: 3 times")
        history.get_by_role("link", name=f"run {lab.ids['of_schedule']}").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"Run {lab.ids['of_schedule']}")
        page.get_by_role("link", name=f"schedule {lab.ids['schedule']}").click()
        expect(page).to_have_url(lab.url("/schedule/{schedule}"))
