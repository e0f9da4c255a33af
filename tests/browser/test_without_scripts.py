"""With JavaScript off: all that one needs, a page at a time."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.browsers import context_of, watched
from tests.browser.lab import Lab
from tests.waiting import wait_until


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with context_of(chromium, java_script_enabled=False) as context, watched(context) as page:
        yield page


def press(page: Page, button: Locator) -> None:
    """Press it, and be on the page that it leads to."""
    with page.expect_navigation():
        button.click()


def sign_in(page: Page, lab: Lab) -> None:
    page.goto(lab.url("/run/{succeeded}"))
    page.get_by_label("Your key").fill(lab.key("run"))
    press(page, page.get_by_role("button", name="Sign in"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Run {lab.ids['succeeded']}")


def shows(page: Page, text: str) -> bool:
    """Whether the page has it, once it is loaded again."""
    page.reload()
    return text in page.get_by_role("main").inner_text()


def test_one_signs_in_reads_a_run_and_signs_out(page: Page, lab: Lab) -> None:
    sign_in(page, lab)
    main = page.get_by_role("main")
    for text in ("succeeded", "temperature in the middle", "residual", "temperature.csv", "saw its process end"):
        expect(main).to_contain_text(text)
    with page.expect_download() as log:
        page.get_by_role("link", name="Download", exact=True).click()
    assert log.value.path().read_bytes() == lab.service.log(lab.ids["succeeded"])
    press(page, page.get_by_role("button", name="Sign out"))
    page.goto(lab.url("/run/{succeeded}"))
    expect(page.get_by_label("Your key")).to_be_visible()


def test_one_schedules_reads_cancels_and_finds(page: Page, lab: Lab) -> None:
    sign_in(page, lab)
    page.goto(lab.url("/application/{long}"))
    page.get_by_label("Run at").fill("2030-01-31T18:00")
    press(page, page.get_by_role("button", name="Run", exact=True))
    expect(page.get_by_role("main")).to_contain_text("2030-01-31 18:00:00 UTC")
    press(page, page.get_by_role("button", name="Cancel"))
    expect(page.get_by_role("main")).to_contain_text("cancelled")
    page.goto(lab.url("/application/{lorenz}"))
    page.get_by_label("rho").fill("13")
    press(page, page.get_by_role("button", name="Run", exact=True))
    number = page.url.rpartition("/")[2]
    wait_until(lambda: shows(page, "succeeded"))
    page.get_by_role("searchbox", name="Find runs by words in name, command or log").fill("rho = 13")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=number, exact=True)).to_be_visible()


def test_one_cancels_what_runs(page: Page, lab: Lab) -> None:
    sign_in(page, lab)
    page.goto(lab.url("/application/{lorenz}"))
    page.get_by_label("stop", exact=True).fill("10")
    press(page, page.get_by_role("button", name="Run", exact=True))
    wait_until(lambda: shows(page, "step 10, z"))
    page.locator("summary", has_text="Cancel it").click()
    press(page, page.get_by_role("button", name=re.compile("^Cancel run")))
    wait_until(lambda: shows(page, "cancelled"))


def test_one_makes_a_schedule_with_a_step_that_shows_its_firings(page: Page, lab: Lab) -> None:
    page.context.add_cookies(lab.cookies())
    page.goto(lab.url("/application/{lorenz}"))
    page.get_by_role("button", name="New schedule").click()
    page.get_by_label("Run it").select_option("each hour")
    page.get_by_label("Zone").fill("Australia/Lord_Howe")
    press(page, page.get_by_role("button", name="Show when it runs"))
    expect(page.locator("[data-firings-shown] li")).to_have_count(5)
    press(page, page.get_by_role("button", name="Save"))
    expect(page.get_by_role("main")).to_contain_text("At the start of every hour, by the clocks of Australia/Lord_Howe")
    press(page, page.get_by_role("button", name="Pause"))
    page.locator("summary", has_text="Remove it").click()
    press(page, page.get_by_role("button", name=re.compile("^Remove schedule")))
    expect(page.get_by_role("heading", name="Its schedules")).to_be_visible()
