"""The pages as a newcomer meets them: in a real browser, over a real service with a real scheduler."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cli.desk import Service, serving

COMMAND = """
for i in 1 2 3; do
    echo step $i of {n}
    curl -sS -X PUT -d "token=$LACKEY_TOKEN&fraction=0.$i&message=step+$i" "$LACKEY_URL/api/run/progress/$LACKEY_RUN_ID"
    while [ ! -e "go-$i" ]; do sleep 0.05; done
done
exit 3
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as started:
        (started.share / "heat").mkdir()
        started.api("POST", "/api/project", json={"name": "heat", "directory": "heat"})
        parameters = [{"name": "n", "default": "8"}]
        application = {"project": "heat", "name": "explicit", "command": COMMAND.strip(), "parameters": parameters}
        started.api("POST", "/api/application", json=application)
        yield started


def sign_in(page: Page, service: Service) -> None:
    """With a key, as one does who has lost the link."""
    page.goto(f"{service.url}/sign-in")
    page.get_by_label("Your key").fill(service.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Now")).to_be_visible()


def link(service: Service) -> str:
    found = re.search(r"http://\S+/sign-in/\S+", service.said)
    assert found
    return found[0]


def test_a_newcomer_signs_in_by_the_printed_link_runs_something_and_sees_it_go_and_end(
    page: Page, service: Service
) -> None:
    page.goto(link(service))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Projects").click()
    page.get_by_role("link", name="heat").click()
    page.get_by_role("link", name="explicit").click()
    page.get_by_label("n", exact=True).fill("9")
    page.get_by_role("button", name="Run", exact=True).click()
    main = page.get_by_role("main")
    expect(main).to_contain_text("step 1 of 9")
    for step in ("2", "3"):
        _go(service, str(int(step) - 1))
        expect(main).to_contain_text(f"step {step} of 9")
        expect(main).to_contain_text(f"{step}0 %")
    _go(service, "3")
    expect(main).to_contain_text("ended with exit code 3")
    expect(page).to_have_title(re.compile("failed"))


def _go(service: Service, step: str) -> None:
    (service.share / "heat" / f"go-{step}").touch()


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


def test_without_javascript_runs_are_scheduled_read_and_cancelled(chromium: Browser, service: Service) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, service)
    page.goto(f"{service.url}/application/1")
    page.get_by_label("Run at").fill("2030-01-31T18:00")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("main")).to_contain_text("cancelled")
    context.close()
