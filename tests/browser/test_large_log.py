"""A run whose log has 2 GB and grows, on its own page: its end is there at once, and the tab holds little of it."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.every_page import Place, visit
from tests.browser.lab import Lab, empty_lab
from tests.browser.log_page import largest_tab
from tests.waiting import wait_until

MEGABYTE = 1_000_000
# The file is sparse: it takes no room. The lines after it come in bursts, each when it is asked for.
COMMAND = """
truncate -s 2G "$LACKEY_RUN_DIR/log.txt"
for burst in 1 2 3; do
    seq -f "burst $burst, line %06.0f of a simulation that says much" 100000 >> "$LACKEY_RUN_DIR/log.txt"
    while [ ! -e "go-$burst" ]; do sleep 0.05; done
done
"""


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with empty_lab(tmp_path_factory.mktemp("large")) as lab:
        body = {"name": "flow", "directory": "flow"}
        lab.service.api("POST", "/api/project", json=body)
        lab.add("talkative", "flow", "talkative", COMMAND.strip())
        lab.run("large", "flow/talkative")
        yield lab
        for burst in (1, 2, 3):
            go(lab, burst)
        lab.until("large", "succeeded")


def go(lab: Lab, burst: int) -> None:
    """Let the run go on after a burst."""
    (lab.service.share / "flow" / "talkative" / f"go-{burst}").touch()


def test_the_end_of_a_log_of_2_gb_shows_while_it_grows_and_the_tab_stays_small(page: Page, lab: Lab) -> None:
    wait_until(lambda: b"burst 1, line 100000" in _end_of(lab))
    began = time.monotonic()
    visit(page, lab, Place("/run/{large}"))
    log = page.get_by_role("log")
    expect(log).to_contain_text("burst 1, line 100000")
    print(f"the end of 2 GB was there after {time.monotonic() - began:.2f} s")
    for burst in (1, 2):
        go(lab, burst)
        expect(log).to_contain_text(f"burst {burst + 1}, line 100000")
    page.get_by_role("button", name="Top").click()
    expect(page.locator(".log-place")).to_contain_text("0.0 % of 2.0 GiB")
    page.get_by_role("button", name="End").click()
    expect(log).to_contain_text("burst 3, line 100000")
    held = largest_tab(page)
    print(f"the tab holds {held / MEGABYTE:.0f} MB")
    assert held < 300 * MEGABYTE


def _end_of(lab: Lab) -> bytes:
    """The last bytes of the log's file, if it is there."""
    for file in lab.service.share.glob("flow/talkative/lackey-runs/*/log.txt"):
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - 100))
            return opened.read()
    return b""
