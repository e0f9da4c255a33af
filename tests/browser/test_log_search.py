"""Searching within a log."""

from playwright.sync_api import Page

from tests.browser.log_page import LogPage, lines
from tests.browser.log_server import LogServer
from tests.waiting import wait_until

MEGABYTE = 1_000_000


def test_a_search_goes_back_and_forth_between_what_it_finds(page: Page, served: LogServer) -> None:
    served.log.write(lines(30_000) + b"a Needle and a needle\n" + lines(30_000) + b"the last NEEDLE\n" + lines(30_000))
    view = LogPage(page, served)
    view.shows("line 0029999")

    def finds(button: str, line: str, index: int, marked: str) -> None:
        view.search("needle", button)
        wait_until(lambda: view.marked() == marked)
        assert line in view.says("Found")
        assert page.evaluate("[...CSS.highlights.get('log-found')][0].startOffset") == index

    finds("Previous", "the last NEEDLE", 9, "NEEDLE")
    finds("Previous", "a Needle and a needle", 15, "needle")
    finds("Previous", "a Needle and a needle", 2, "Needle")
    finds("Next", "a Needle and a needle", 15, "needle")
    finds("Next", "the last NEEDLE", 9, "NEEDLE")
    view.search("needle", "Next")
    view.says("Nothing found after this place.")
    page.get_by_role("button", name="Top").click()
    page.get_by_label("Match case").check()
    view.search("NEEDLE", "Next")
    assert "the last NEEDLE" in view.says("Found")


def test_enter_searches_back_from_the_end_and_what_is_searched_is_no_pattern(page: Page, served: LogServer) -> None:
    served.log.write(b"a+b (c) [d] $e\n" + lines(10_000))
    view = LogPage(page, served)
    box = page.get_by_role("searchbox", name="Search in the log")
    box.fill("+b (c) [d] $")
    box.press("Enter")
    assert view.says("Found").endswith("a+b (c) [d] $e")
    box.fill(".*")
    box.press("Enter")
    view.says("Nothing found before this place.")


def test_what_shows_is_found_and_what_does_not_is_not(page: Page, served: LogServer) -> None:
    served.log.write(b"hidden\rreplaced\nco\x1b[31mlour\x1b[0med\n" + lines(2_000))
    view = LogPage(page, served)
    view.search("coloured", "Previous")
    view.says("Found")
    wait_until(lambda: view.marked() == "coloured")
    page.get_by_role("log").press("End")
    view.search("hidden", "Previous")
    view.says("Nothing found")


def test_a_word_in_a_line_of_megabytes_is_found_wherever_it_stands(page: Page, served: LogServer) -> None:
    # A block is 64 KiB: the words lie on the cuts that reading forwards makes, and on those that backwards makes.
    line = bytearray(b"." * 1_500_000)
    for at in (65_534, 131_070, 1_500_001 - 65_536 + 64 - 3):
        line[at : at + 6] = b"needle"
    served.log.write(bytes(line) + b"\n")
    view = LogPage(page, served)
    view.search("needle", "Previous")
    assert view.says("Found").startswith("Found at byte 137")
    page.get_by_role("log").press("Home")
    wait_until(lambda: view.place.startswith("0.0 %"))
    for button in ("Next", "Next", "Next", "Previous", "Previous"):
        said = page.locator("[role=status]").first.text_content()
        view.search("needle", button)
        wait_until(lambda said=said: page.locator("[role=status]").first.text_content() != said)  # type: ignore[misc]
        wait_until(lambda: view.marked() == "needle")
    view.search("needle", "Previous")
    view.says("Nothing found before")


def test_a_search_through_2_gb_shows_how_far_it_is_and_can_be_cancelled(page: Page, served: LogServer) -> None:
    served.log.write(lines(1_000), at=2_000_000_000)
    view = LogPage(page, served)
    view.search("not there", "Previous")
    view.says("Searching; at 99 %")
    page.get_by_role("button", name="Cancel").click()
    view.says("Search cancelled.")
    asked = len([offset for offset in served.log.offsets if offset < 2_000_000_000])
    assert page.get_by_role("button", name="Cancel").count() == 0
    assert view.memory < 300 * MEGABYTE
    wait_until(lambda: served.log.offsets[-3:] == [served.log.size] * 3)
    assert len([offset for offset in served.log.offsets if offset < 2_000_000_000]) <= asked + 1
