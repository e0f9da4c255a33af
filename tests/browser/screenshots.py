"""`python -m tests.browser.screenshots DIRECTORY [PAGE…]` shows every page, or these, of a lab at work.

At 1280 and 360 px, light and dark: `<page>-<width>-<scheme>.png`.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.browsers import chromium, context_of, watched
from tests.browser.every_page import EMPTY_PAGES, PAGES, Place, visit
from tests.browser.lab import Lab, busy_lab, empty_lab

# For what a page fetches after it is there: the log, the curves.
_SETTLING_MS = 800


def main(directory: Path, wanted: list[str]) -> None:
    """Write them."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lackey-lab-") as place, chromium() as browser:
        for name, make, pages in (("busy", busy_lab, PAGES), ("empty", empty_lab, EMPTY_PAGES)):
            chosen = {page: pages[page] for page in pages if not wanted or page in wanted}
            if chosen:
                Path(place, name).mkdir()
                with make(Path(place, name)) as lab:
                    _write(browser, lab, chosen, directory)


def _write(browser: Browser, lab: Lab, pages: dict[str, Place], directory: Path) -> None:
    for width, height in ((1280, 800), (360, 740)):
        for scheme in ("light", "dark"):
            size = {"width": width, "height": height}
            with context_of(browser, viewport=size, color_scheme=scheme) as context, watched(context) as page:
                for name, place in pages.items():
                    visit(page, lab, place)
                    _show(page, directory / f"{name}-{width}-{scheme}.png")


def _show(page: Page, file: Path) -> None:
    page.wait_for_timeout(_SETTLING_MS)
    page.screenshot(path=file, full_page=True)
    print(file, flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
