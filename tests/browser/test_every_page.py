"""What holds of every page: for those who see little, print, have a small screen or a slow line."""

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args, get_type_hints

import pytest
from playwright.sync_api import Browser, Page, Response

import lackey.web.pages
from lackey.web.pages.routes import Html
from tests.browser.browsers import AXE, context_of, watched
from tests.browser.every_page import EMPTY_PAGES, PAGES, Place, visit
from tests.browser.lab import Lab
from tests.waiting import wait_until

HTML_BYTES = 60_000
ALL_BYTES = 150_000
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


@contextmanager
def opened(browser: Browser, name: str, lab: Lab, empty: Lab, **details: Any) -> Iterator[Page]:
    """The page of this name, in a browser that is as `details` say, with the log in its window if there is one."""
    place, where = (PAGES[name], lab) if name in PAGES else (EMPTY_PAGES[name], empty)
    with context_of(browser, **details) as context, watched(context) as page:
        see(page, where, place)
        yield page


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


@pytest.mark.parametrize("name", EVERY)
def test_axe_finds_nothing_in_either_colour_scheme(chromium: Browser, lab: Lab, empty: Lab, name: str) -> None:
    # Colours that are on their way to others would be neither's.
    with opened(chromium, name, lab, empty, reduced_motion="reduce") as page:
        page.evaluate(AXE.read_text(encoding="utf-8"))
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(_VIOLATIONS) == [], scheme


@pytest.mark.parametrize("name", EVERY)
def test_a_page_is_small_with_all_that_it_loads(chromium: Browser, lab: Lab, empty: Lab, name: str) -> None:
    place, where = (PAGES[name], lab) if name in PAGES else (EMPTY_PAGES[name], empty)
    loaded: dict[str, int] = {}
    html = 0

    def weigh(answer: Response) -> None:
        nonlocal html
        kind = answer.request.resource_type
        if kind == "document" and answer.status < 300 or answer.status >= 400:
            html = len(answer.body())
        elif kind in ("script", "stylesheet", "image", "font"):
            loaded[answer.url] = len(gzip.compress(answer.body()))

    with context_of(chromium) as context, watched(context) as page:
        page.on("response", weigh)
        see(page, where, place)
        page.wait_for_load_state("load")
        print(f"{name}: {html} bytes of HTML, with {len(loaded)} files {html + sum(loaded.values())}")
    assert len(loaded) > 2
    assert 1000 < html <= HTML_BYTES
    assert html + sum(loaded.values()) <= ALL_BYTES


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("name", EVERY)
def test_a_page_fits_a_window_of_320_px(chromium: Browser, lab: Lab, empty: Lab, name: str, scripts: bool) -> None:
    place, where = (PAGES[name], lab) if name in PAGES else (EMPTY_PAGES[name], empty)
    small = {"width": 320, "height": 600}
    with context_of(chromium, viewport=small, java_script_enabled=scripts) as context, watched(context) as page:
        if scripts:
            see(page, where, place)
        else:
            visit(page, where, Place(place.path, place.scope, place.status))
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 320


@pytest.mark.parametrize("name", EVERY)
def test_a_page_is_printed_whole_and_without_what_is_to_be_pressed(
    chromium: Browser, lab: Lab, empty: Lab, name: str
) -> None:
    # What A4 has between its margins.
    with opened(chromium, name, lab, empty, viewport={"width": 718, "height": 1000}) as page:
        page.emulate_media(media="print")
        assert page.locator("h1").is_visible()
        pressed = page.locator("nav, button, [role=button], [role=slider]").all()
        assert [each.evaluate("each => each.outerHTML") for each in pressed if each.is_visible()] == []
        assert page.evaluate(_CUT) == []
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 718


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


@pytest.mark.parametrize("name", ["now", "run-running", "runs"])
def test_nothing_moves_for_those_who_do_not_want_it(chromium: Browser, lab: Lab, empty: Lab, name: str) -> None:
    with opened(chromium, name, lab, empty, reduced_motion="reduce") as page:
        assert page.evaluate("document.getAnimations({subtree: true}).length") == 0
