"""Debian's Chromium without a window, and pages of it that are watched for what must never happen."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, sync_playwright

AXE = Path(__file__).parents[2] / "lackey/web/node_modules/axe-core/axe.min.js"
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-precise-memory-info",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, ended with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_FLAGS)
        yield browser
        browser.close()


@contextmanager
def context_of(browser: Browser, **details: Any) -> Iterator[BrowserContext]:
    """A profile of its own; `details` are those of Playwright's `new_context`."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **details})
    context.set_default_timeout(20_000)
    yield context
    context.close()


@contextmanager
def watched(context: BrowserContext) -> Iterator[Page]:
    """An empty page.

    Fails at the end if a script failed or opened a dialog, the policy was broken, or anything but this host was asked.
    """
    page = context.new_page()
    faults: list[str] = []

    def note(line: ConsoleMessage) -> None:
        if "Content Security Policy" in line.text:
            faults.append(line.text)

    def refuse(dialog: Dialog) -> None:
        faults.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def follow(request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            faults.append(f"a request to another host: {request.url}")

    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", note)
    page.on("dialog", refuse)
    page.on("request", follow)
    yield page
    assert not faults
