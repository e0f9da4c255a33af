"""What the pages do by themselves and by keys: in a real browser, over a real service with a real scheduler."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cli.desk import Service, serving


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as started:
        yield started


def sign_in(page: Page, service: Service) -> None:
    """With a key, as one does who has lost the link."""
    page.goto(f"{service.url}/sign-in")
    page.get_by_label("Your key").fill(service.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Now")).to_be_visible()


def test_what_goes_on_shows_by_itself(page: Page, service: Service) -> None:
    sign_in(page, service)
    run = service.api("POST", "/api/run", json={"launch": False, "name": "from afar"})
    expect(page.get_by_role("main")).to_contain_text("from afar")
    service.api("POST", f"/api/run/cancel/{run['id']}")
    expect(page.get_by_role("region", name="Ended lately")).to_contain_text("from afar")


def test_times_are_shown_in_the_zone_of_the_viewer(chromium: Browser, service: Service) -> None:
    service.api("POST", "/api/run", json={"launch": False, "name": "later", "at": "2030-06-01T12:00:00Z"})
    context = chromium.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    page = context.new_page()
    sign_in(page, service)
    expect(page.get_by_role("region", name="Next")).to_contain_text("1 Jun 2030, 21:00")
    context.close()


def test_the_keyboard_goes_through_the_runs(page: Page, service: Service) -> None:
    for name in ("first", "second"):
        service.api("POST", "/api/run", json={"launch": False, "name": name})
    sign_in(page, service)
    page.goto(f"{service.url}/run")
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("j")
    assert int(page.evaluate("document.activeElement.textContent")) == int(first) - 1
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
