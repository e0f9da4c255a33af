"""What holds of every page: for those who see little, print, have a small screen or a slow line."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args, get_type_hints

import pytest
from playwright.sync_api import Browser, Page, Response, ViewportSize, expect

import lackey.web.pages
from lackey.web.pages.routes import Html
from tests.browser.browsers import AXE, context_of, watched
from tests.browser.every_page import EMPTY_PAGES, PAGES, Place, visit
from tests.browser.lab import Lab
from tests.waiting import wait_until

HTML_BYTES = 60_000
ALL_BYTES = 150_000
SMALL: ViewportSize = {"width": 320, "height": 600}
EVERY = [*PAGES, *EMPTY_PAGES]
_VIOLATIONS = "axe.run().then(done => done.violations.map(each => [each.id, each.nodes.map(node => node.html)]))"
# Of what a page prints, all that could be scrolled on a screen.
_CUT = """() => [...document.querySelectorAll("main *")].filter(each => {
    const style = getComputedStyle(each);
    const small = style.clipPath !== "none" || style.display === "none" || style.display === "inline";
    const wide = each.scrollWidth > each.clientWidth + 1 && style.overflowX !== "visible";
    const high = each.scrollHeight > each.clientHeight + 1 && style.overflowY !== "visible";
    return !small && !each.matches("input, select, textarea, progress") && each.checkVisibility() && (wide || high);
}).map(each => each.outerHTML.slice(0, 120))"""
_SHAPES = """() => Object.fromEntries([...document.querySelectorAll(".state")].map(each => {
    const shape = getComputedStyle(each, "::before");
    const drawn = parseFloat(shape.width) > 0 && shape.forcedColorAdjust === "none";
    return [each.textContent, drawn && [shape.clipPath, shape.borderRadius, shape.borderWidth].join()];
}))"""


@dataclass
class Seen:
    """A page as it stands in a browser, and what it weighed: its HTML, and each file that it loaded, compressed."""

    name: str
    page: Page
    html_bytes: int = 0
    loaded_bytes: dict[str, int] = field(default_factory=dict)

    def weigh(self, answer: Response) -> None:
        kind = answer.request.resource_type
        if kind == "document" and answer.status < 300 or answer.status >= 400:
            self.html_bytes = len(answer.body())
        elif kind in ("script", "stylesheet", "image", "font"):
            self.loaded_bytes[answer.url] = len(gzip.compress(answer.body()))


def where_is(name: str, lab: Lab, empty: Lab) -> tuple[Lab, Place]:
    return (lab, PAGES[name]) if name in PAGES else (empty, EMPTY_PAGES[name])


@pytest.fixture(scope="module", params=EVERY)
def seen(request: pytest.FixtureRequest, chromium: Browser, lab: Lab, empty: Lab) -> Iterator[Seen]:
    """Each page in turn, opened once for all that is looked at, with the log in its window if there is one."""
    # Colours that are on their way to others would be neither's.
    with context_of(chromium, reduced_motion="reduce") as context, watched(context) as page:
        one = Seen(request.param, page)
        page.on("response", one.weigh)
        see(page, *where_is(one.name, lab, empty))
        page.wait_for_load_state("load")
        yield one


def see(page: Page, lab: Lab, place: Place) -> None:
    visit(page, lab, place)
    if page.locator("section.log").count():
        wait_until(lambda: page.locator("pre[role=log]").count() == 1)


def test_no_page_is_left_out() -> None:
    """Of all that lackey shows as HTML."""
    paths = [re.sub(r"{\w+}", "7", place.path.partition("?")[0]) for place in PAGES.values()]
    for route in lackey.web.pages.PAGES:
        shape = re.sub(r"<\w+(:\w+)?>", "[^/]+", route.path)
        if "GET" in route.methods and Html in get_args(get_type_hints(route.handler)["return"] | None):
            assert any(re.fullmatch(shape, path) for path in paths), route.path


def test_a_page_is_small_with_all_that_it_loads(seen: Seen) -> None:
    whole = seen.html_bytes + sum(seen.loaded_bytes.values())
    print(f"{seen.name}: {seen.html_bytes} bytes of HTML, with {len(seen.loaded_bytes)} files {whole}")
    assert len(seen.loaded_bytes) > 2
    assert 1000 < seen.html_bytes <= HTML_BYTES
    assert whole <= ALL_BYTES


def test_nothing_moves_for_those_who_do_not_want_it(seen: Seen) -> None:
    assert seen.page.evaluate("document.getAnimations({subtree: true}).length") == 0


def test_axe_finds_nothing_in_either_colour_scheme(seen: Seen) -> None:
    seen.page.evaluate(AXE.read_text(encoding="utf-8"))
    for scheme in ("light", "dark"):
        seen.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert seen.page.evaluate(_VIOLATIONS) == [], scheme


def test_a_page_fits_a_window_of_320_px(seen: Seen) -> None:
    seen.page.set_viewport_size(SMALL)
    expect(seen.page.locator("main")).to_be_visible()
    wait_until(lambda: seen.page.evaluate("document.scrollingElement.scrollWidth") <= 320)


def test_a_page_is_printed_whole_and_without_what_is_to_be_pressed(seen: Seen) -> None:
    # What A4 has between its margins.
    seen.page.set_viewport_size({"width": 718, "height": 1000})
    seen.page.emulate_media(media="print", reduced_motion="reduce")
    assert seen.page.locator("h1").is_visible()
    pressed = seen.page.locator("nav, button, [role=button], [role=slider]").all()
    assert [each.evaluate("each => each.outerHTML") for each in pressed if each.is_visible()] == []
    assert seen.page.evaluate(_CUT) == []
    assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= 718


@pytest.mark.parametrize("name", EVERY)
def test_a_page_fits_a_window_of_320_px_without_scripts(chromium: Browser, lab: Lab, empty: Lab, name: str) -> None:
    where, place = where_is(name, lab, empty)
    with context_of(chromium, viewport=SMALL, java_script_enabled=False) as context, watched(context) as page:
        visit(page, where, Place(place.path, place.scope, place.status))
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 320


def test_states_are_told_apart_by_words_and_shapes_where_all_colours_are_the_system_s(
    chromium: Browser, lab: Lab
) -> None:
    shapes: dict[str, str] = {}
    with context_of(chromium, forced_colors="active") as context, watched(context) as page:
        for path in ("/", "/run", "/run?state=timed_out,lost,cancelled,scheduled"):
            see(page, lab, Place(path))
            shapes |= page.evaluate(_SHAPES)
    assert len(shapes) == 8
    assert all(shapes.values())
    assert len(set(shapes.values())) == 8
