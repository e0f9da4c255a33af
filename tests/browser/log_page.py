"""The log view as somebody at a browser sees and uses it."""

import re
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.log_server import LogServer
from tests.waiting import wait_until


class LogPage:
    """The page of a run, open in a browser."""

    def __init__(self, page: Page, served: LogServer) -> None:
        """Open it, and wait for the log's end."""
        self.page = page
        page.goto(served.url)
        wait_until(lambda: page.locator("pre[role=log]").count() == 1)
        wait_until(lambda: "%" in self.place)

    @property
    def text(self) -> str:
        """All that the window holds, in sight or not."""
        return str(self.page.evaluate("document.querySelector('pre').textContent"))

    @property
    def place(self) -> str:
        """Where in the log one is, as the page says it."""
        return self.page.locator(".log-place").inner_text() if self.page.locator(".log-place").count() else ""

    @property
    def top_line(self) -> str:
        """The line at the top of the window."""
        return str(
            self.page.evaluate("""() => {
            const box = document.querySelector('pre').getBoundingClientRect();
            const at = document.caretRangeFromPoint(box.left + 12, box.top + 14);
            const text = at.startContainer.textContent;
            const from = text.lastIndexOf('\\n', at.startOffset - 1) + 1;
            return text.slice(from, text.indexOf('\\n', at.startOffset));
        }""")
        )

    @property
    def following(self) -> bool:
        """Whether the end is followed."""
        return self.page.get_by_role("button", name="Follow").get_attribute("aria-pressed") == "true"

    @property
    def memory(self) -> int:
        """Bytes of the largest tab, as the system counts them, without what it shares with others."""
        return largest_tab(self.page)

    @property
    def elements(self) -> int:
        """How many elements the document has."""
        return int(self.page.evaluate("document.querySelectorAll('*').length"))

    def shows(self, part: str) -> None:
        """Wait until the window holds some text."""
        wait_until(lambda: part in self.text)

    def says(self, start: str) -> str:
        """Wait until the search says something; all that it says."""
        status = self.page.locator("[role=status]").first
        wait_until(lambda: (status.text_content() or "").startswith(start))
        return status.text_content() or ""

    def search(self, words: str, button: str) -> None:
        """Search for the words."""
        self.page.get_by_role("searchbox", name="Search in the log").fill(words)
        self.page.get_by_role("button", name=button).click()

    def marked(self) -> str:
        """The text that is marked as found, if it is in sight."""
        return str(
            self.page.evaluate("""() => {
            const [range] = CSS.highlights.get('log-found') ?? [];
            const pane = document.querySelector('pre').getBoundingClientRect();
            const box = range?.getBoundingClientRect();
            return box && box.top >= pane.top && box.bottom <= pane.bottom ? range.toString() : '';
        }""")
        )

    def scroll(self, pixels: int) -> None:
        """Move the window down by so much, or up by a negative amount, as far as it goes; wait until that is drawn."""
        self.page.evaluate(
            """async pixels => {
            document.querySelector('pre').scrollBy(0, pixels);
            for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
        }""",
            pixels,
        )

    def styles(self, text: str) -> dict[str, str]:
        """How a piece of text looks."""
        return dict(
            self.page.get_by_text(text, exact=True).evaluate(
                """element => {
                const {color, backgroundColor, fontWeight, fontStyle, textDecorationLine} = getComputedStyle(element);
                return {color, backgroundColor, fontWeight, fontStyle, textDecorationLine};
            }"""
            )
        )


def largest_tab(page: Page) -> int:
    """Bytes of the largest tab of the page's browser, as the system counts them, without what it shares with others."""
    assert page.context.browser
    session = page.context.browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return max(_private_bytes(one["id"]) for one in processes if one["type"] == "renderer")


def _private_bytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return 1024 * sum(int(kilobytes) for kilobytes in re.findall(r"^Private_\w+: +(\d+)", rollup, re.MULTILINE))


def numbers(text: str) -> list[int]:
    """The numbers of the lines in a text of numbered lines."""
    return [int(number) for number in re.findall(r"^line (\d+)", text, re.MULTILINE)]


def lines(count: int, start: int = 0) -> bytes:
    """Numbered lines."""
    return b"".join(b"line %07d of a simulation that says much\n" % number for number in range(start, start + count))
