"""A real browser, pages that must keep to their content security policy, and services for them to show."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import browsers
from tests.browser.lab import Lab, busy_lab, empty_lab
from tests.browser.log_server import LogServer, log_server


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """An empty page in a browser profile of its own; fails at the end if a script failed or the policy was broken."""
    with browsers.context_of(chromium) as context, browsers.watched(context) as page:
        yield page


@pytest.fixture
def served(tmp_path: Path) -> Iterator[LogServer]:
    """A page with the view of an empty log."""
    with log_server(tmp_path / "log.txt") as server:
        yield server


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab at work, which tests look at and leave as it is."""
    with busy_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A fresh install, which tests look at and leave as it is."""
    with empty_lab(tmp_path_factory.mktemp("empty")) as lab:
        yield lab
