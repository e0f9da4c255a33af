"""The window on a log: where it opens, how one moves in it, what it holds."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.log_page import LogPage, lines, numbers
from tests.browser.log_server import PIECE, LogServer
from tests.waiting import wait_until

MEGABYTE = 1_000_000


def test_a_log_of_2_gb_opens_at_its_end_and_takes_little_memory_while_it_grows(page: Page, served: LogServer) -> None:
    served.log.write(lines(100_000), at=2_000 * MEGABYTE)
    view = LogPage(page, served)
    view.shows("line 0099999")
    assert view.place == "100 % of 1.9 GiB"
    assert min(served.log.offsets[1:]) > 1_990 * MEGABYTE
    for start in range(100_000, 500_000, 100_000):
        served.log.write(lines(100_000, start))
        view.shows(f"line {start + 99_999:07d}")
    for _ in range(10):
        view.scroll(-20_000)
    page.get_by_role("button", name="Top").click()
    wait_until(lambda: view.place.startswith("0.0 %"))
    page.get_by_role("button", name="End").click()
    view.shows("line 0499999")
    assert view.memory < 300 * MEGABYTE
    assert view.elements < 1000


def test_who_has_scrolled_up_stays_there_until_they_follow_again(page: Page, served: LogServer) -> None:
    served.log.write(lines(5_000))
    view = LogPage(page, served)
    view.shows("line 0004999")
    assert view.following
    view.scroll(-3_000)
    wait_until(lambda: not view.following)
    top = view.top_line
    seen = view.place
    served.log.write(lines(3_000, 5_000))
    wait_until(lambda: view.place != seen)
    assert view.top_line == top
    page.get_by_role("button", name="Follow").click()
    view.shows("line 0007999")
    assert view.following


def test_scrolling_up_to_the_top_and_down_again_shows_every_line_once(page: Page, served: LogServer) -> None:
    served.log.write(lines(60_000))
    view = LogPage(page, served)
    seen = {59_999}

    def scroll(pixels: int, until: int) -> None:
        while until not in seen:
            view.scroll(pixels)
            held = numbers(view.text)
            assert held == list(range(held[0], held[-1] + 1))
            assert held[0] <= max(seen) and held[-1] >= min(seen)
            assert len(held) < 30_000
            seen.update(held)

    view.shows("line 0059999")
    scroll(-30_000, 0)
    assert seen == set(range(60_000))
    seen = set(numbers(view.text))
    scroll(30_000, 59_999)


def test_the_rail_and_the_keys_go_to_a_place(page: Page, served: LogServer) -> None:
    served.log.write(lines(100_000))
    view = LogPage(page, served)
    view.shows("line 0099999")
    rail = page.get_by_role("slider", name="Position in the log")
    rail.fill("500")
    wait_until(lambda: view.top_line.startswith("line 0050000"))
    assert view.place.startswith("50.0 %")
    assert rail.get_attribute("aria-valuetext") == view.place
    rail.press("PageDown")
    wait_until(lambda: view.place.startswith("40.0 %"))
    page.get_by_role("log").press("Home")
    wait_until(lambda: view.top_line.startswith("line 0000000"))
    page.get_by_role("log").press("End")
    view.shows("line 0099999")
    assert view.following


def test_an_ended_run_s_log_is_read_to_its_end_and_no_more_asked_for(page: Page, served: LogServer) -> None:
    served.log.write(lines(10))
    view = LogPage(page, served)
    view.shows("line 0000009")
    served.log.write(b"the last words")
    page.evaluate("document.querySelector('.log').dispatchEvent(new Event('lackey:ended'))")
    view.shows("the last words")
    wait_until(lambda: page.get_by_role("button", name="Follow").count() == 0)
    asked = len(served.log.offsets)
    page.wait_for_timeout(1_500)
    assert len(served.log.offsets) == asked


def test_nothing_is_asked_while_nobody_looks(page: Page, served: LogServer) -> None:
    view = LogPage(page, served)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    # One request may be under way.
    page.wait_for_timeout(100)
    asked = len(served.log.offsets)
    page.wait_for_timeout(2_200)
    assert len(served.log.offsets) == asked
    served.log.write(b"written meanwhile\n")
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    view.shows("written meanwhile")


def test_an_empty_log_shows_its_first_words(page: Page, served: LogServer) -> None:
    view = LogPage(page, served)
    wait_until(lambda: view.text == "")
    served.log.write(b"unfini")
    view.shows("unfini")
    served.log.write(b"shed\nnext\n")
    view.shows("unfinished\nnext\n")
    assert view.text == "unfinished\nnext\n"


def test_a_log_that_cannot_be_read_says_so_until_it_can(page: Page, served: LogServer) -> None:
    served.log.write(b"before\n")
    view = LogPage(page, served)
    view.shows("before")
    served.log.away = True
    trouble = page.get_by_text("The log can't all be read now: the server answered 503.")
    trouble.wait_for()
    served.log.away = False
    served.log.write(b"after\n")
    view.shows("before\nafter\n")
    trouble.wait_for(state="hidden")
    served.log.complete = False
    page.get_by_text("a part of it is missing").wait_for()


def test_a_log_that_has_become_another_one_is_shown_anew(page: Page, served: LogServer) -> None:
    served.log.write(lines(1_000))
    view = LogPage(page, served)
    view.shows("line 0000999")
    served.log.replace(b"what was kept of it\n")
    wait_until(lambda: view.text == "what was kept of it\n")


def _progress() -> bytes:
    return b"".join(b"\rstep %08d" % step for step in range(300_000)) + b"\rdone\n"


@pytest.mark.parametrize(
    "content",
    [
        lambda: b"x\n" * 1_000_000,
        lambda: b"\n" * 1_000_000,
        lambda: b"ab" * 2 * PIECE,
        lambda: b"\x1b[31ma\x1b[32mb" * 200_000,
        lambda: b"a\x1b[3" * 400_000,
        lambda: b"\x1b]0;" + b"z" * 2 * PIECE,
        lambda: "a\u0301\u0302\u0303".encode() * 300_000,
        lambda: b"\x80\xbf\xf0" * 700_000,
        lambda: bytes(3 * PIECE),
        _progress,
    ],
    ids=["short", "empty", "one-line", "colours", "broken", "no-end", "marks", "no-utf-8", "nul", "progress"],
)
def test_a_window_on_anything_is_quickly_shown_and_small(
    page: Page, served: LogServer, content: Callable[[], bytes]
) -> None:
    served.log.write(content() + b"\nthe end\n")
    view = LogPage(page, served)
    view.shows("the end\n")
    for _ in range(5):
        view.scroll(-5_000)
    page.get_by_role("log").press("Home")
    wait_until(lambda: view.place.startswith("0.0 %"))
    page.get_by_role("log").press("End")
    view.shows("the end\n")
    assert view.memory < 300 * MEGABYTE
    assert view.elements < 60_000


def test_the_view_fits_a_narrow_window(page: Page, served: LogServer) -> None:
    page.set_viewport_size({"width": 320, "height": 600})
    served.log.write(b"a word " * 100 + b"w" * 1000 + b"\n")
    LogPage(page, served).search("nowhere" * 20, "Previous")
    width: Any = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 320


def test_without_scripts_the_tail_is_there_and_the_log_to_download(page: Page, served: LogServer) -> None:
    assert page.context.browser
    context = page.context.browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(served.url)
    assert plain.locator("pre").inner_text() == "the tail, from the server"
    served.log.write(b"all of it")
    with plain.expect_download() as download:
        plain.get_by_role("link", name="Download the log").click()
    assert download.value.path().read_bytes() == b"all of it"
    context.close()
