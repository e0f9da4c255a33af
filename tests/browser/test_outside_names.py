"""Names from outside: very long, and from right to left, they leave every page as it is."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.browsers import context_of, watched
from tests.browser.every_page import PAGES, Place, visit
from tests.browser.lab import Lab, empty_lab
from tests.browser.test_hostile import WORDS

# Hebrew letters without any break: near to the hundred that a project or application may have, and a run's two hundred.
LONG = "ש" * 90
NAME = "שלום-" + "ל" * 195
MESSAGE = "הודעה"
PARAMETER = "a_parameter_with_a_name_that_is_far_longer_than_what_stands_beside_it_can_bear"

# The texts of a page that have right-to-left letters in them and no <bdi>, nor anything that keeps them to themselves.
_LOOSE = """() => {
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    const alone = "bdi, pre, code, textarea, option, script, title, .panel h3";
    const found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (/[\\u0590-\\u05ff]/.test(node.data) && !node.parentElement.closest(alone)) {
            found.push(node.parentElement.outerHTML.slice(0, 200));
        }
    }
    return found;
}"""
# The states and progress of a page that do not lie within its window.
_BEYOND = """() => [...document.querySelectorAll("main :is(.state, .progress)")].filter(each => {
    const box = each.getBoundingClientRect();
    return each.checkVisibility() && (box.right > innerWidth || box.width === 0);
}).map(each => each.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A service in which everything is called so."""
    with empty_lab(tmp_path_factory.mktemp("named")) as lab:
        body = {"name": LONG, "title": NAME, "description": NAME, "directory": "p"}
        lab.ids["channels"] = lab.service.api("POST", "/api/project", json=body)["id"]
        parameters = [{"name": PARAMETER, "default": "1.25e-6"}, {"name": "reynolds_number", "default": "1"}]
        for word, directory in (("lorenz", "a"), ("long", "b")):
            application: dict[str, Any] = {"project": LONG, "name": f"{LONG}{directory}", "directory": directory}
            application |= {"command": "true", "parameters": parameters, "description": NAME}
            lab.ids[word] = lab.service.api("POST", "/api/application", json=application)["id"]
        (lab.service.share / "p" / "a").mkdir(parents=True, exist_ok=True)
        lab.run("succeeded", f"{LONG}/{LONG}a")
        lab.until("succeeded", "succeeded")
        running = lab.run("running", launch=False, name=NAME)
        lab.report("start", running, host=NAME)
        lab.report("progress", running, fraction=0.4, message=MESSAGE)
        failed = lab.run("failed", launch=False, name=NAME)
        lab.report("stop", failed, exit=1, host=NAME)
        sweep = {
            "application": f"{LONG}/{LONG}b",
            "name": NAME,
            "grid": {PARAMETER: [NAME, "1"], "reynolds_number": [1]},
        }
        lab.ids["sweep"] = lab.service.api("POST", "/api/sweep", json={**sweep, "hold": True})["id"]
        point = lab.service.api("GET", f"/api/sweep/{lab.ids['sweep']}/table")["items"][0]
        varied = lab.service.api("POST", f"/api/run/rerun/{point['run']}")
        lab.report("metric", varied, name=NAME, value=1, step=1)
        lab.report("stop", varied, exit=1)
        lab.ids["sweep_held"] = lab.ids["sweep"]
        rule = (f"{LONG}/{LONG}b", "0 2 * * *")
        lab.schedule("schedule", *rule, parameters={PARAMETER: NAME})
        lab.schedule("schedule_paused", *rule, parameters={PARAMETER: NAME}, paused=True)
        lab.schedule("schedule_of_sweep", *rule, grid={PARAMETER: [NAME, "1"]})
        lab.ids |= {word: lab.ids.get(word, lab.ids["running"]) for word in WORDS.split()}
        yield lab


@pytest.mark.parametrize("place", [pytest.param(place, id=name) for name, place in PAGES.items()])
def test_no_name_reorders_what_stands_beside_it_or_pushes_it_away(chromium: Browser, named: Lab, place: Place) -> None:
    with context_of(chromium, viewport={"width": 1024, "height": 800}) as context, watched(context) as page:
        visit(page, named, place)
        assert page.evaluate(_LOOSE) == []
        assert page.evaluate(_BEYOND) == []


def test_project_and_application_stand_in_their_order_and_all_of_a_name_is_at_hand(
    chromium: Browser, named: Lab
) -> None:
    with context_of(chromium) as context, watched(context) as page:
        visit(page, named, PAGES["runs"])
        name = page.locator(".name", has_text=f"{LONG}/{LONG}a").first
        parts = name.locator("bdi")
        assert [parts.nth(0).inner_text(), parts.nth(1).inner_text()] == [LONG, f"{LONG}a"]
        assert LONG in (name.get_attribute("title") or "")
        visit(page, named, PAGES["run-succeeded"])
        heading = page.locator("h1")
        assert heading.inner_text().replace("\n", "") == f"Run {named.ids['succeeded']} of {LONG}/{LONG}a"


def test_a_long_name_of_a_parameter_leaves_its_value_on_one_line(chromium: Browser, named: Lab) -> None:
    with context_of(chromium, viewport={"width": 1024, "height": 800}) as context, watched(context) as page:
        visit(page, named, PAGES["run-succeeded"])
        value = page.get_by_text("1.25e-6", exact=True).first
        box = value.bounding_box()
        assert box and box["height"] < 30 and box["width"] > 40


def test_the_list_of_keys_is_in_a_box(chromium: Browser, named: Lab) -> None:
    with context_of(chromium) as context, watched(context) as page:
        visit(page, named, PAGES["runs"])
        page.locator("h1").press("?")
        box = page.locator("dialog.keys > article")
        assert box.is_visible()
        assert box.evaluate("box => getComputedStyle(box).backgroundColor") != "rgba(0, 0, 0, 0)"


def test_what_was_typed_is_there_again_after_going_back(chromium: Browser, named: Lab) -> None:
    with context_of(chromium) as context, watched(context) as page:
        visit(page, named, PAGES["application"])
        field = page.get_by_label("reynolds_number")
        field.fill("4711")
        page.get_by_role("link", name="Runs", exact=True).click()
        page.go_back()
        assert page.get_by_label("reynolds_number").input_value() == "4711"
