"""What a log's bytes look like: characters, control, colours, and everything that would like to be more than text."""

import pytest
from playwright.sync_api import Page

from tests.browser.log_page import LogPage
from tests.browser.log_server import PIECE, LogServer
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"a\r\nb\r\r\nc\n", "a\nb\nc\n"),
        (b" 10 %\r 20 %\r100 %\ndone\n", "100 %\ndone\n"),
        (b"12345\rab\n", "ab345\n"),
        (b"a long line\r\x1b[Kshort\n", "short\n"),
        (b"a long line\x1b[2K\rshort\n", "short\n"),
        (b"50 %\r", "50 %"),
        ("\r██  \r███ 😀\r\n".encode(), "███ 😀\n"),
        (b"a\x00b\x07c\x08d\x7fe\x1bcf\n", "abcdef\n"),
        ("a\x85b\x9bc\n".encode(), "abc\n"),
        (b"\x1b]0;title\x07a\x1b]8;;http://x/\x1b\\b\x1b[2Jc\x1b[10;10Hd\x1bPq\x1b\\e\n", "abcde\n"),
        (b"a\x1b]0;no end\nb\n", "a\nb\n"),
        (b"a\xffb\xc3\n", "a\ufffdb\ufffd\n"),
        ("\ufeffé😀\n".encode(), "\ufeffé😀\n"),
        (b"<b>bold</b> &amp; <!--\n", "<b>bold</b> &amp; <!--\n"),
    ],
)
def test_a_log_shows_as_a_terminal_would_leave_it(page: Page, served: LogServer, written: bytes, shown: str) -> None:
    served.log.write(written)
    view = LogPage(page, served)
    wait_until(lambda: view.text == shown)


def test_nothing_in_a_log_runs_or_becomes_a_part_of_the_page(page: Page, served: LogServer) -> None:
    hostile = (
        "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>\n</pre></section><h1>Owned</h1>\n"
        "\x1b]8;;javascript:alert(4)\x07click\x1b]8;;\x07 \x1b[31;1m<style>*{display:none}</style>\x1b[0m\n"
        "\u202egnp.exe\n${alert(5)} {{7*7}} ]]> '\" \x1b[38;2;url(x);0;0m\x1b[999999999999m"
        "\x1b[;;;m\x1b[38;5m\x1b[48:5:999mend\n"
    )
    served.log.write(hostile.encode())
    view = LogPage(page, served)
    view.shows("end\n")
    assert "</pre></section><h1>Owned</h1>\nclick <style>" in view.text
    assert page.locator("main script, main img, main svg, main style").count() == 0
    assert page.get_by_role("heading").all_inner_texts() == ["Run 7"]
    view.search("<script>alert(1)</script>", "Previous")
    assert "<script>alert(1)" in view.says("Found")
    assert page.locator("main script").count() == 0


def test_colours_and_weight_are_shown(page: Page, served: LogServer) -> None:
    served.log.write(
        b"\x1b[31mred\x1b[0m \x1b[1;4mbold\x1b[22;24m \x1b[38;5;196mcube\x1b[39m \x1b[48;2;1;2;3mtrue\x1b[49m "
        b"\x1b[38:2::9:8:7mcolons\x1b[m \x1b[3;9mslanted\x1b[0m \x1b[38;5;250;7minverse\x1b[27m\x1b[0m\n"
        b"\x1b[92mbright\nstill bright\x1b[0m\nplain\n"
    )
    view = LogPage(page, served)
    view.shows("plain")
    ground, text = "rgb(21, 24, 30)", "rgb(216, 222, 233)"
    assert view.styles("red")["color"] == "rgb(242, 119, 122)"
    assert view.styles("bold") | {"fontWeight": "700", "textDecorationLine": "underline"} == view.styles("bold")
    assert view.styles("cube")["color"] == "rgb(255, 0, 0)"
    assert view.styles("true") | {"backgroundColor": "rgb(1, 2, 3)", "color": text} == view.styles("true")
    assert view.styles("colons")["color"] == "rgb(9, 8, 7)"
    slanted = view.styles("slanted")
    assert (slanted["fontStyle"], slanted["textDecorationLine"]) == ("italic", "line-through")
    assert view.styles("inverse") | {"backgroundColor": "rgb(188, 188, 188)", "color": ground} == view.styles("inverse")
    assert page.locator("pre span.log-on-10").inner_text() == "bright\nstill bright"


def test_a_colour_goes_on_where_one_goes_to(page: Page, served: LogServer) -> None:
    served.log.write(b"".join((b"" if row % 700 else b"\x1b[31m") + b"row %05d\n" % row for row in range(70_000)))
    view = LogPage(page, served)
    view.shows("row 69999")
    page.get_by_role("slider").fill("503")
    wait_until(lambda: view.top_line.startswith("row 352"))
    colours = page.evaluate("[...document.querySelectorAll('.log-block')].map(block => block.firstChild.className)")
    assert set(colours) == {"log-on-1"}


def test_characters_stay_whole_wherever_the_log_is_cut(page: Page, served: LogServer) -> None:
    served.log.write(b"x" + "ü€😀".encode() * (PIECE // 6) + b"\n")
    view = LogPage(page, served)
    view.shows("😀\n")

    def is_whole() -> bool:
        held = view.text
        return bool(held) and not held.strip("x\n").replace("ü€😀", "").strip("ü€😀")

    for _ in range(6):
        view.scroll(-10_000)
        assert is_whole()
    page.get_by_role("log").press("Home")
    wait_until(lambda: view.text.startswith("x"))
    while len(view.text) < 100_000:
        view.scroll(10_000)
        assert is_whole()


def test_a_long_line_is_copied_as_one(page: Page, served: LogServer) -> None:
    line = "".join(f"{number} " for number in range(60_000))
    served.log.write(f"first\n{line}\nlast\n".encode())
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    view = LogPage(page, served)
    view.shows("last\n")
    while not view.text.startswith("first\n"):
        view.scroll(-10_000)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('pre'))")
    page.keyboard.press("Control+c")
    assert page.evaluate("navigator.clipboard.readText()") == f"first\n{line}\nlast\n"
    blocks = page.locator(".log-block").evaluate_all("all => all.map(one => getComputedStyle(one).display)")
    assert "inline" in blocks


def test_a_line_of_progress_is_folded_while_it_grows(page: Page, served: LogServer) -> None:
    view = LogPage(page, served)
    for step in range(0, 101, 25):
        served.log.write(b"".join(b"\rstep %3d.%d %%" % (step, tenth) for tenth in range(10)))
        wait_until(lambda step=step: view.text == f"step {step:3d}.9 %")  # type: ignore[misc]
    served.log.write(b"\nnext\n")
    wait_until(lambda: view.text == "step 100.9 %\nnext\n")
