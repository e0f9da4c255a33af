"""A run's figures as charts: in a real browser, over a real service."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_pages import sign_in
from tests.cli.desk import Service, serving
from tests.waiting import wait_until

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service"), "--no-scheduler", ready="/healthz") as started:
        yield started


def new_run(service: Service) -> dict[str, Any]:
    made: dict[str, Any] = service.api("POST", "/api/run", json={"launch": False, "name": "by hand"})
    return made


def tell(service: Service, run: dict[str, Any], verb: str = "metric", **fields: Any) -> None:
    place = f"{service.url}/api/run/{verb}/{run['id']}"
    requests.put(place, json={"token": run["token"], **fields}, timeout=30).raise_for_status()


def see(page: Page, service: Service, run: dict[str, Any]) -> None:
    sign_in(page, service)
    page.goto(f"{service.url}/run/{run['id']}")


def test_a_curve_appears_with_its_first_value_and_grows_until_the_run_ends(page: Page, service: Service) -> None:
    run = new_run(service)
    see(page, service, run)
    expect(page.get_by_role("heading", name="Metrics")).to_be_hidden()
    tell(service, run, name="residual", value=0.5, step=0)
    chart = page.get_by_role("img", name=re.compile("^residual over steps"))
    expect(chart).to_have_attribute("aria-label", "residual over steps: 1 values, the last 0.5")
    tell(service, run, metrics=[{"name": "residual", "value": 1 / step, "step": step} for step in range(1, 101)])
    expect(chart).to_have_attribute("aria-label", "residual over steps: 101 values, the last 0.01")
    wait_until(lambda: _is_drawn(page))
    tell(service, run, name="energy", value=7, ts=1_700_000_000)
    tell(service, run, "stop", exit=0)
    expect(page.get_by_role("img", name=re.compile("^energy over time: 1 values, the last 7$"))).to_be_visible()
    page.get_by_text("As a table").click()
    expect(page.get_by_role("region", name="Metrics")).to_contain_text("energy")


def _is_drawn(page: Page) -> bool:
    """Whether something of the curve's colour is on the chart."""
    return bool(
        page.evaluate("""() => {
        const wanted = getComputedStyle(document.documentElement).getPropertyValue("--running").trim();
        const rgb = [1, 3, 5].map(at => parseInt(wanted.slice(at, at + 2), 16));
        const canvas = document.querySelector(".chart canvas");
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        for (let at = 0; at < data.length; at += 4)
            if (rgb.every((part, number) => Math.abs(data[at + number] - part) < 3) && data[at + 3] > 250) return true;
        return false;
    }""")
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_have_the_colours_of_the_page_and_fit_a_narrow_window(page: Page, service: Service, scheme: Any) -> None:
    run = new_run(service)
    tell(service, run, metrics=[{"name": "a", "value": step % 7, "step": step} for step in range(50)])
    see(page, service, run)
    expect(page.get_by_role("img", name=re.compile("^a over"))).to_be_visible()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 320, "height": 700})
    wait_until(lambda: _is_drawn(page))
    wait_until(lambda: page.evaluate("document.documentElement.scrollWidth") <= 320)


def test_of_many_figures_those_are_drawn_that_are_chosen(page: Page, service: Service) -> None:
    run = new_run(service)
    tell(service, run, metrics=[{"name": f"m{n:02}", "value": n, "step": 1} for n in range(15)])
    tell(service, run, "stop", exit=0)
    see(page, service, run)
    charts = page.locator(".chart")
    expect(charts).to_have_count(12)
    page.get_by_text("Choose up to 12 of 15").click()
    expect(page.get_by_role("checkbox", name="m14")).to_be_disabled()
    page.get_by_role("checkbox", name="m03").uncheck()
    expect(charts).to_have_count(11)
    page.get_by_role("checkbox", name="m14").check()
    expect(page.get_by_role("img", name=re.compile("^m14 over"))).to_be_visible()


NUMBERS = [
    [(0, 1e308), (1, -1e308)],
    [(1e300, 1), (-1e300, 2)],
    [(0, 5e-324), (1, 0)],
    [(0, 3)],
    [(step, 3) for step in range(3)],
    [(0.5, -1), (0.25, 1e-9)],
]


@pytest.mark.parametrize("numbers", NUMBERS, ids=["vast", "far", "tiny", "single", "constant", "fractions"])
def test_any_numbers_and_names_are_drawn_and_break_nothing(
    page: Page, service: Service, numbers: list[tuple[float, float]]
) -> None:
    run = new_run(service)
    tell(service, run, metrics=[{"name": HOSTILE, "value": value, "step": step} for step, value in numbers])
    see(page, service, run)
    name = re.compile(f"^{re.escape(HOSTILE)} over steps: {len(numbers)} values")
    expect(page.get_by_role("img", name=name)).to_be_visible()
    assert page.locator(".chart figcaption").inner_text() == HOSTILE
    page.get_by_label("Logarithmic").check()
    tell(service, run, name=HOSTILE, value=2, step=1e301)
    expect(page.get_by_role("img", name=re.compile(f"{len(numbers) + 1} values, the last 2"))).to_be_visible()


def test_times_that_no_calendar_has_are_drawn_too(page: Page, service: Service) -> None:
    run = new_run(service)
    for ts in (-1e15, 0, 1e15):
        tell(service, run, name="a", value=1, ts=ts)
    see(page, service, run)
    expect(page.get_by_role("img", name=re.compile("^a over time: 3 values"))).to_be_visible()


def test_without_the_library_or_without_scripts_the_table_stays(chromium: Browser, service: Service) -> None:
    run = new_run(service)
    tell(service, run, name="residual", value=0.25, step=1)
    for scripts in (True, False):
        context = chromium.new_context(java_script_enabled=scripts)
        page = context.new_page()
        page.route("**/uPlot*", lambda route: route.abort())
        see(page, service, run)
        expect(page.get_by_role("region", name="Metrics")).to_contain_text("0.25")
        context.close()


def test_whoever_has_signed_out_meanwhile_is_told_where_to_sign_in(page: Page, service: Service) -> None:
    run = new_run(service)
    see(page, service, run)
    page.get_by_role("button", name="Follow").wait_for()
    page.context.clear_cookies()
    way = page.get_by_role("link", name="Sign in again")
    expect(page.get_by_text("you are not signed in any more")).to_be_visible()
    way.click()
    page.get_by_label("Your key").fill(service.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name=f"Run {run['id']} of")).to_be_visible()


def _zoom(page: Page, first: float, last: float) -> None:
    """Drag over a part of the chart's width."""
    box = page.locator(".chart .u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * first, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * last, box["y"] + 50, steps=5)
    page.mouse.up()


def _steps_seen(page: Page) -> set[float]:
    """The steps of the points that the legend shows as the mouse goes over the chart."""
    box = page.locator(".chart .u-over").bounding_box()
    assert box
    legend, seen = page.locator(".chart .u-legend .u-value").first, set()
    for part in range(1, 40):
        page.mouse.move(box["x"] + box["width"] * part / 40, box["y"] + 60)
        seen.add(float(legend.inner_text().replace(",", "")))
    return seen


@pytest.mark.parametrize("logarithmic", [False, True], ids=["linear", "logarithmic"])
def test_a_closer_look_at_a_long_curve_shows_finer_points(page: Page, service: Service, logarithmic: bool) -> None:
    run = new_run(service)
    for begin in range(0, 20_000, 5_000):
        steps = range(begin, begin + 5_000)
        figures = [{"name": "a", "value": "nan" if step % 997 == 0 else 1 + step % 5, "step": step} for step in steps]
        tell(service, run, metrics=figures)
    see(page, service, run)
    chart = page.get_by_role("img", name=re.compile("^a over steps: 20000 values"))
    expect(chart).to_be_visible()
    if logarithmic:
        page.get_by_label("Logarithmic").check()
    _zoom(page, 0.500, 0.515)
    # Of the whole curve two of each 64 steps are drawn.
    wait_until(lambda: len(_steps_seen(page)) > 30)
    seen = _steps_seen(page)
    assert max(seen) - min(seen) < 600
    tell(service, run, name="a", value=2, step=20_000)
    expect(page.get_by_role("img", name=re.compile("^a over steps: 20001 values"))).to_be_visible()
    assert len(_steps_seen(page)) > 30
    page.locator(".chart .u-over").dblclick()
    wait_until(lambda: max(_steps_seen(page)) > 19_000)


def test_what_is_zoomed_into_stays_when_a_value_comes(page: Page, service: Service) -> None:
    run = new_run(service)
    tell(service, run, "start")
    tell(service, run, metrics=[{"name": "residual", "value": 1 / step, "step": step} for step in range(1, 101)])
    see(page, service, run)
    chart = page.get_by_role("img", name=re.compile("^residual over steps"))
    expect(chart).to_be_visible()
    legend = page.locator(".chart .u-legend")
    plot = page.locator(".chart .u-over")
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 50, steps=5)
    page.mouse.up()

    def step_at_the_right_edge() -> float:
        page.mouse.move(box["x"] + 5, box["y"] + 60)
        page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 60)
        return float(legend.locator(".u-value").first.inner_text().replace(",", ""))

    assert step_at_the_right_edge() < 50
    for step in (101, 102):
        tell(service, run, name="residual", value=0.005, step=step)
        expect(chart).to_have_attribute("aria-label", re.compile(f"{step} values"))
        assert step_at_the_right_edge() < 50
    plot.dblclick()
    assert step_at_the_right_edge() > 95
