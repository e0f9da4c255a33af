"""A newcomer's way through the pages, with the mouse and by the keyboard alone, on a service that was just started."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.cli.desk import Service, serving, start

# What the example takes on a busy machine.
_FAR = "document.querySelector('progress')?.getAttribute('value')"
_LONG_MS = 90_000
_STOPS_AT_MOST = 200


@dataclass
class Mouse:
    """Somebody who points and clicks."""

    page: Page

    def press(self, what: Locator) -> None:
        """A link, a button, a summary."""
        what.click()

    def fill(self, field: Locator, text: str) -> None:
        """Type into a field, in place of what is there."""
        field.fill(text)

    def tick(self, box: Locator) -> None:
        """Choose it."""
        box.check()


@dataclass
class Keyboard:
    """Somebody who has only keys, and goes from one thing to the next with Tab."""

    page: Page

    def press(self, what: Locator) -> None:
        """A link, a button, a summary."""
        self._go_to(what)
        self.page.keyboard.press("Enter")

    def fill(self, field: Locator, text: str) -> None:
        """Type into a field, in place of what is there."""
        self._go_to(field)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def tick(self, box: Locator) -> None:
        """Choose it."""
        self._go_to(box)
        self.page.keyboard.press("Space")

    def _go_to(self, what: Locator) -> None:
        expect(what).to_be_visible()
        for _ in range(_STOPS_AT_MOST):
            if what.evaluate("each => each === document.activeElement"):
                assert what.evaluate("each => each.matches(':focus-visible')")
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab never comes to {what}")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path) as started:
        yield started


def sign_in_by_the_link(page: Page, hand: Mouse | Keyboard, service: Service) -> None:
    link = re.search(r"http://\S+/sign-in/\S+", service.said)
    assert link
    page.goto(link[0])
    hand.press(page.get_by_role("button", name="Sign in"))
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()


def run_the_example(page: Page, hand: Mouse | Keyboard, service: Service) -> None:
    assert start("example", cwd=service.directory).wait(60) == 0
    hand.press(page.get_by_role("button", name="Run examples/heat"))
    hand.press(page.get_by_role("button", name="Run", exact=True))


def watch_it_go_and_end(page: Page) -> None:
    """Progress, log and curve move by themselves; once the run has ended, it has no bar any more."""
    log = page.get_by_role("log")
    curve = page.get_by_role("img", name=re.compile("^residual over steps"))
    expect(log).to_contain_text(re.compile(r"step \d+: residual"), timeout=_LONG_MS)
    far, drawn = page.evaluate(_FAR), curve.get_attribute("aria-label") or ""
    said = log.inner_text().splitlines()[-1]
    page.wait_for_function(f"far => {_FAR} !== far", arg=far, timeout=_LONG_MS)
    expect(curve).not_to_have_attribute("aria-label", drawn, timeout=_LONG_MS)
    expect(log).to_contain_text(re.compile(re.escape(said) + r"\s+step \d+"), timeout=_LONG_MS)
    expect(page.locator("[data-part=state]")).to_contain_text("succeeded", timeout=_LONG_MS)
    expect(log).to_contain_text("done")
    expect(page).to_have_title(re.compile("succeeded"))


def run_with(page: Page, hand: Mouse | Keyboard, **parameters: str) -> str:
    """Run what is shown again, with other values; its number."""
    hand.press(page.get_by_role("button", name="Run again with changes"))
    for name, value in parameters.items():
        hand.fill(page.get_by_label(name, exact=True), value)
    hand.press(page.get_by_role("button", name="Run", exact=True))
    page.wait_for_url("**/run/*")
    return page.url.rpartition("/")[2]


def cancel(page: Page, hand: Mouse | Keyboard) -> None:
    expect(page.get_by_role("log")).to_contain_text("steps", timeout=_LONG_MS)
    hand.press(page.locator("summary", has_text="Cancel it"))
    hand.press(page.get_by_role("button", name=re.compile("^Cancel run")))
    expect(page.locator("[data-part=state]")).to_contain_text("cancelled", timeout=_LONG_MS)


def compare(page: Page, hand: Mouse | Keyboard, *runs: str) -> None:
    hand.press(page.get_by_role("link", name="Runs", exact=True))
    for run in runs:
        hand.tick(page.get_by_label(f"Choose run {run}"))
    hand.press(page.get_by_role("button", name="Compare"))
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
    sides = page.get_by_role("region", name="Runs side by side")
    for run in runs:
        expect(sides.get_by_role("link", name=run, exact=True)).to_be_visible()
    expect(sides.get_by_role("row", name=re.compile("steps differs"))).to_contain_text(
        re.compile(r"417\s[\s\S]*9000000")
    )


def find(page: Page, hand: Mouse | Keyboard, words: str) -> None:
    hand.fill(page.get_by_role("searchbox", name="Find runs by words in name, command or log"), words)
    page.keyboard.press("Enter")
    page.wait_for_url("**/run?q=*")


@pytest.mark.parametrize("hand_of", [Mouse, Keyboard])
def test_a_newcomer_runs_the_example_cancels_changes_compares_and_finds(
    page: Page, service: Service, hand_of: type[Mouse | Keyboard]
) -> None:
    hand = hand_of(page)
    sign_in_by_the_link(page, hand, service)
    run_the_example(page, hand, service)
    watch_it_go_and_end(page)
    cancelled = run_with(page, hand, steps="9000000")
    cancel(page, hand)
    changed = run_with(page, hand, n="17", steps="417")
    expect(page.locator("[data-part=state]")).to_contain_text("succeeded", timeout=_LONG_MS)
    compare(page, hand, cancelled, changed)
    find(page, hand, "417 steps")
    expect(page.get_by_role("link", name=changed, exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=cancelled, exact=True)).to_have_count(0)
