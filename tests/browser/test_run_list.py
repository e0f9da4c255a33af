"""The list of runs in a real browser: by keyboard, in the viewer's zone, live; and runs compared."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_pages import sign_in
from tests.cli.desk import Service, serving

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as started:
        yield started


def reported(service: Service, name: str, seconds: int, **more: Any) -> int:
    """A run that has ended, which took so long."""
    made = service.api("POST", "/api/run", json={"launch": False, "name": name, **more})
    for verb, ts in (("start", 1000), ("stop", 1000 + seconds)):
        report(service, verb, made, ts=ts)
    return int(made["id"])


def report(service: Service, verb: str, run: dict[str, Any], **fields: Any) -> None:
    answer = requests.put(f"{service.url}/api/run/{verb}/{run['id']}", {"token": run["token"], **fields}, timeout=30)
    assert answer.ok, answer.text


def names(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("main tbody tr td:nth-child(3)").all_text_contents()]


def test_runs_are_chosen_and_compared_by_the_keyboard_alone(page: Page, service: Service) -> None:
    for name in ("keys one", "keys two"):
        reported(service, name, 10)
    sign_in(page, service)
    page.goto(f"{service.url}/run?q=keys")
    compare = page.get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    page.keyboard.press("j")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(page.get_by_text("1 chosen")).to_be_visible()
    expect(compare).to_be_disabled()
    page.keyboard.press("j")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(compare).to_be_enabled()
    while not compare.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
    assert re.search(r"/compare\?run=\d+&run=\d+$", page.url)


def test_all_are_chosen_at_once_and_what_is_chosen_stays(page: Page, service: Service) -> None:
    for name in ("steady one", "steady two"):
        reported(service, name, 10)
    sign_in(page, service)
    page.goto(f"{service.url}/run?q=steady")
    everything = page.get_by_label("Choose all on this page")
    everything.check()
    expect(page.get_by_text("2 chosen; until none is, the list stands still")).to_be_visible()
    late = reported(service, "steady three", 10)
    with page.expect_response(lambda answer: answer.status == 200 and answer.url == page.url):
        pass
    assert len(names(page)) == 2
    everything.uncheck()
    page.get_by_role("heading", name="Runs").click()
    expect(page.get_by_role("link", name=str(late), exact=True)).to_be_visible()


def test_a_time_is_typed_in_the_zone_of_the_viewer_and_the_address_says_which(
    chromium: Browser, service: Service
) -> None:
    for hour in ("02", "04", "06"):
        service.api("POST", "/api/run", json={"launch": False, "name": f"at {hour}", "at": f"2031-06-01T{hour}:00:00Z"})
    context = chromium.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    page = context.new_page()
    sign_in(page, service)
    page.goto(f"{service.url}/run")
    page.get_by_label("Scheduled from (Asia/Tokyo)").fill("2031-06-01T12:30:00")
    page.get_by_label("Scheduled to (Asia/Tokyo)").fill("2031-06-01T13:30:00")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("cell", name="at 04")).to_be_visible()
    assert names(page) == ["at 04"]
    assert page.url.endswith("/run?since=2031-06-01T12%3A30%3A00%2B09%3A00&until=2031-06-01T13%3A30%3A00%2B09%3A00")
    expect(page.get_by_label("Scheduled from (Asia/Tokyo)")).to_have_value(re.compile("2031-06-01T12:30"))
    context.close()


def test_a_click_on_a_head_sorts_and_narrowing_keeps_it(page: Page, service: Service) -> None:
    for name, seconds in (("sorted long", 900), ("sorted short", 3), ("sorted middle", 60)):
        reported(service, name, seconds)
    sign_in(page, service)
    page.goto(f"{service.url}/run")
    page.get_by_role("link", name="Took").click()
    expect(page.get_by_role("columnheader", name="Took")).to_have_attribute("aria-sort", "descending")
    page.get_by_label("Words", exact=True).fill("sorted")
    page.get_by_role("button", name="Find").click()
    expect(page).to_have_url(re.compile(r"/run\?q=sorted&order=duration$"))
    assert names(page) == ["sorted long", "sorted middle", "sorted short"]


def test_a_run_at_work_is_ended_only_when_that_is_confirmed(page: Page, service: Service) -> None:
    made = service.api("POST", "/api/run", json={"launch": False, "name": "precious"})
    report(service, "start", made)
    sign_in(page, service)
    page.goto(f"{service.url}/run?q=precious")
    page.get_by_label(f"Choose run {made['id']}").check()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Cancel 1 run?")).to_be_visible()
    assert service.api("GET", f"/api/run/{made['id']}")["state"] == "running"
    page.get_by_role("button", name="Cancel it").click()
    expect(page.get_by_role("heading", name="Runs cancelled")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("cancelled")
    assert "word=" not in page.url


def test_nothing_that_comes_from_outside_runs_on_the_pages(page: Page, service: Service) -> None:
    ids = []
    for number in (1, 2):
        made = service.api("POST", "/api/run", json={"launch": False, "name": f"hostile {HOSTILE} {number}"})
        report(service, "log", made, text=f"{HOSTILE}\x1b[31m\x1b]8;;javascript:alert(1)\x07x")
        ids.append(made["id"])
    sign_in(page, service)
    chosen = "&".join(f"run={each}" for each in ids)
    for place in ("/run?q=hostile&", "/compare?", "/run/many?did=cancel&", "/run/many/cancel?"):
        page.goto(f"{service.url}{place}{chosen}")
        expect(page.get_by_role("main")).to_contain_text("<img src=x onerror=alert(2)>")
        assert page.locator("main script, main img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_pass_axe_and_fit_a_small_screen(chromium: Browser, service: Service, scheme: str) -> None:
    axe = Path(__file__).parents[2] / "lackey/web/node_modules/axe-core/axe.min.js"
    first, second = (reported(service, name, 10) for name in ("axe one", "axe two"))
    at_work = service.api("POST", "/api/run", json={"launch": False, "name": "axe at work"})
    report(service, "start", at_work)
    chosen = f"run={first}&run={second}&run={at_work['id']}"
    context = chromium.new_context(color_scheme=scheme, bypass_csp=True, viewport={"width": 320, "height": 700})  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, service)
    for path in (
        *("/run", "/run?q=axe&state=succeeded&order=duration", "/run?since=odd", "/run?q=nonesuch"),
        *(f"/compare?{chosen}", "/compare", f"/run/many?did=cancel&{chosen}", f"/run/many/cancel?{chosen}"),
    ):
        page.goto(service.url + path)
        page.add_script_tag(path=axe)
        found = page.evaluate("axe.run().then(done => done.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")
        assert found == [], (path, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    context.close()
