"""An application's page in a real browser: a time is the viewer's, forms grow, the strip is reached by keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_pages import sign_in
from tests.cli.desk import Service, serving


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as started:
        started.api("POST", "/api/project", json={"name": "heat"})
        parameters = [{"name": "n", "kind": "integer", "default": "8"}]
        application = {"project": "heat", "name": "explicit", "command": "echo {n}", "parameters": parameters}
        started.api("POST", "/api/application", json=application)
        yield started


@contextmanager
def viewer(chromium: Browser, service: Service, zone: str) -> Iterator[Page]:
    """Somebody signed in whose clock is of this zone, at the application's page."""
    context = chromium.new_context(timezone_id=zone, locale="en-GB")
    page = context.new_page()
    sign_in(page, service)
    page.goto(f"{service.url}/application/1")
    yield page
    context.close()


def test_a_time_is_typed_in_the_viewer_s_zone_and_shown_in_utc_too(chromium: Browser, service: Service) -> None:
    with viewer(chromium, service, "Asia/Tokyo") as page:
        page.get_by_label("Run at").fill("2030-06-01T18:00")
        means = page.get_by_role("status")
        expect(means).to_contain_text("1 June 2030 at 18:00 in Asia/Tokyo: 2030-06-01 09:00 UTC")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_role("main")).to_contain_text("scheduled")
        run = service.api("GET", "/api/run")["items"][0]
        assert run["scheduled_at"] == "2030-06-01T09:00:00Z"


def test_a_time_that_is_refused_is_still_the_viewer_s_when_it_is_shown_again(
    chromium: Browser, service: Service
) -> None:
    with viewer(chromium, service, "America/New_York") as page:
        page.get_by_label("Run at").fill("2030-01-31T18:00")
        page.get_by_text("More").click()
        page.get_by_label("Priority").fill("urgent")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("2030-01-31 23:00 UTC")
        page.get_by_label("Priority").fill("1")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_role("main")).to_contain_text("scheduled")
        assert service.api("GET", "/api/run")["items"][0]["scheduled_at"] == "2030-01-31T23:00:00Z"


def test_a_time_that_clocks_pass_over_or_show_twice_is_told(chromium: Browser, service: Service) -> None:
    with viewer(chromium, service, "Europe/Berlin") as page:
        means = page.get_by_role("status")
        page.get_by_label("Run at").fill("2030-03-31T02:30")
        expect(means).to_contain_text("No clock in Europe/Berlin shows 2030-03-31 02:30")
        page.get_by_label("Run at").fill("2030-10-27T02:30")
        expect(means).to_contain_text("twice")
        expect(means).to_contain_text("2030-10-27 00:30 UTC")
        page.get_by_label("Run at").fill("2030-10-27T12:00")
        expect(means).not_to_contain_text("twice")
        page.get_by_label("Run at").fill("2001-01-01T12:00")
        expect(means).to_contain_text("This has passed")


def test_the_form_of_an_application_has_as_many_rows_as_are_needed(page: Page, service: Service) -> None:
    sign_in(page, service)
    page.goto(f"{service.url}/application/1/edit")
    for number in (2, 3, 4, 5):
        if number == 5:
            page.get_by_role("button", name="Another parameter").click()
        page.get_by_label(f"Name of parameter {number}", exact=True).fill(f"p{number}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Run it")).to_be_visible()
    names = [each["name"] for each in service.api("GET", "/api/application/1")["parameters"]]
    assert names == ["n", "p2", "p3", "p4", "p5"]


def test_the_strip_is_live_and_its_bars_lead_to_their_runs_by_keyboard(page: Page, service: Service) -> None:
    application = {"project": "heat", "name": "strip", "command": "true"}
    made = service.api("POST", "/api/application", json=application)
    sign_in(page, service)
    page.goto(f"{service.url}/application/{made['id']}")
    expect(page.get_by_role("main")).to_contain_text("It has not been run yet")
    run = service.api("POST", "/api/run", json={"application": made["id"], "launch": False})
    expect(page.get_by_role("link", name=f"run {run['id']} scheduled")).to_be_visible()
    service.api("POST", f"/api/run/cancel/{run['id']}")
    bar = page.get_by_role("link", name=f"run {run['id']} cancelled")
    expect(bar).to_be_visible()
    bar.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{service.url}/run/{run['id']}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_pass_axe_and_fit_a_small_screen(chromium: Browser, service: Service, scheme: str) -> None:
    axe = Path(__file__).parents[2] / "lackey/web/node_modules/axe-core/axe.min.js"
    application = {"project": "heat", "name": scheme, "command": "true", "parameters": [{"name": "n", "default": ""}]}
    place = f"application/{service.api('POST', '/api/application', json=application)['id']}"
    for _ in range(2):
        run = service.api("POST", "/api/run", json={"application": f"heat/{scheme}", "launch": False})
    service.api("POST", f"/api/run/cancel/{run['id']}")
    context = chromium.new_context(color_scheme=scheme, bypass_csp=True, viewport={"width": 320, "height": 800})  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, service)
    for path in ("", "project", "project/1", "project/1/remove", "project/1/application", place):
        page.goto(f"{service.url}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        page.add_script_tag(path=axe)
        found = page.evaluate("axe.run().then(done => done.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")
        assert found == [], (path, scheme)
    context.close()
