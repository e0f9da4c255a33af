"""Sweeps in a real browser, with the mouse and by the keyboard alone: typed, made, looked at, drawn, run again."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from tests.browser.test_newcomer import Keyboard, Mouse
from tests.browser.test_pages import sign_in
from tests.cli.desk import Service, serving, wait_for

# Fails where a is 3, as long as nobody has mended it.
_SCRIPT = """
curl -fsS -o /dev/null -X PUT -d "token=$LACKEY_TOKEN" -d name=product -d "value=$(($1 * $2))" \
    "$LACKEY_URL/api/run/metric/$LACKEY_RUN_ID" || exit 7
[ "$1" != 3 ] || [ -e mended ]
"""
_LONG_MS = 120_000
_DROP = """(field, [name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([typeof text === "string" ? text : new Uint8Array(text)], name, {type: "text/csv"}));
    for (const type of ["dragover", "drop"])
        field.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as started:
        started.api("POST", "/api/project", json={"name": "lab", "directory": "lab"})
        parameters = [{"name": name, "kind": "integer", "default": "1"} for name in ("a", "b")]
        body = {"project": "lab", "name": "product", "command": "sh product.sh {a} {b}", "directory": "product"}
        started.api("POST", "/api/application", json={**body, "parameters": parameters})
        directory(started).mkdir(parents=True)
        (directory(started) / "product.sh").write_text(_SCRIPT)
        yield started


@pytest.fixture(params=[Mouse, Keyboard])
def hands(request: pytest.FixtureRequest, page: Page, service: Service) -> Any:
    """Somebody signed in, at the application's page."""
    sign_in(page, service)
    page.goto(f"{service.url}/application/1")
    return request.param(page)


def directory(service: Service) -> Path:
    return service.share / "lab" / "product"


def points(service: Service, sweep_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.api("GET", f"/api/sweep/{sweep_id}/table?limit=100")["items"]
    return found


def run_at(service: Service, sweep_id: str, **values: str) -> int:
    [run_id] = [row["run"] for row in points(service, sweep_id) if row["parameters"] == values]
    return int(run_id)


def plot(page: Page) -> Locator:
    return page.get_by_role("application")


def test_a_grid_of_twenty_is_made_looked_at_drawn_and_run_again_where_it_failed(
    hands: Any, page: Page, service: Service
) -> None:
    (directory(service) / "mended").unlink(missing_ok=True)
    # Four actions.
    hands.press(page.get_by_role("button", name="Run many"))
    hands.fill(page.get_by_label("a", exact=True), "1..5")
    hands.fill(page.get_by_label("b", exact=True), "1..4")
    hands.press(page.get_by_role("button", name="Make 20 runs"))

    page.wait_for_url(re.compile(r"/sweep/\d+$"))
    sweep_id = page.url.rpartition("/")[2]
    expect(page.locator("[data-part=state]")).to_contain_text("20 of 20 runs have ended", timeout=_LONG_MS)
    expect(page.locator("[data-part=state]")).to_contain_text(re.compile(r"16\s+succeeded\s+4\s+failed"))
    expect(page.locator("table.points tbody tr")).to_have_count(20)
    for way in ("ascending", "descending"):
        hands.press(page.locator("table.points th a", has_text="product"))
        expect(page.locator(f"th[aria-sort={way}]")).to_have_text("product")
    assert page.locator("table.points tbody tr").first.locator("td").all_inner_texts()[2:4] == ["5", "4"]

    _goes_to_a_run_from_the_plot(page, service, sweep_id)
    page.go_back()
    plot(page).wait_for()
    page.locator("[name=as]").select_option("heat")
    expect(page.locator(".scale")).to_be_visible()
    assert "as=heat" in page.url
    _goes_to_a_run_from_the_heat_map(page, service, sweep_id)
    page.go_back()

    (directory(service) / "mended").touch()
    hands.press(page.get_by_role("button", name="Run the 4 that failed again"))
    expect(page.locator("[data-part=state]")).to_contain_text(re.compile(r"20\s+succeeded"), timeout=_LONG_MS)
    assert service.api("GET", f"/api/run?sweep={sweep_id}&limit=100")["items"][24:] == []


def _goes_to_a_run_from_the_plot(page: Page, service: Service, sweep_id: str) -> None:
    """By keys: the third point of the second line."""
    plot(page).focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    run_id = run_at(service, sweep_id, a="3", b="2")
    readout = page.locator(".readout")
    expect(readout).to_have_text(f"a = 3, b = 2: product 6 run {run_id}")
    expect(readout.get_by_role("link")).to_have_attribute("href", f"/run/{run_id}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{service.url}/run/{run_id}")


def _goes_to_a_run_from_the_heat_map(page: Page, service: Service, sweep_id: str) -> None:
    """By the mouse: the cell at the lower right."""
    page.locator(".picked canvas").scroll_into_view_if_needed()
    box = page.locator(".picked canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + box["height"] - 90)
    run_id = run_at(service, sweep_id, a="5", b="1")
    expect(page.locator(".readout")).to_contain_text(f"a = 5, b = 1: product 5 run {run_id}")
    page.mouse.click(box["x"] + box["width"] - 40, box["y"] + box["height"] - 90)
    page.wait_for_url(f"{service.url}/run/{run_id}")


def test_what_it_comes_to_is_told_as_it_is_typed(page: Page, service: Service) -> None:
    sign_in(page, service)
    page.goto(f"{service.url}/application/1/many")
    says, button = page.locator("#many-says"), page.locator("#many button")
    page.get_by_label("a", exact=True).fill("1..1200")
    expect(says).to_contain_text("1,200 runs")
    expect(button).to_have_text("Make 1,200 runs")
    page.get_by_label("b", exact=True).fill("1..x, 2")
    expect(says).to_contain_text("b ")
    expect(says).not_to_contain_text("runs")
    expect(button).to_have_text("See how many runs that is")
    page.get_by_label("b", exact=True).fill("1..1000")
    expect(says).to_contain_text("1200000 runs are more than a sweep may have")
    assert service.api("GET", "/api/sweep?application=lab/product")["items"][2:] == []


@pytest.mark.parametrize("way", ["dropped", "chosen", "pasted"])
def test_a_table_is_dropped_chosen_or_pasted(page: Page, service: Service, way: str) -> None:
    sign_in(page, service)
    page.goto(f"{service.url}/application/1/many")
    text = "a;b\n7;1\n7;2\n7;4\n"
    page.get_by_text("Or a table").click()
    if way == "dropped":
        page.locator("#points").evaluate(_DROP, ["points.csv", text])
    elif way == "chosen":
        chosen = FilePayload(name="points.csv", mimeType="text/csv", buffer=text.encode())
        page.get_by_label("A file instead").set_input_files(chosen)
    else:
        page.locator("#points").fill(text)
    with page.expect_navigation(url=re.compile(r"/sweep/\d+$")):
        page.get_by_role("button", name="Make 3 runs").click()
    rows = points(service, page.url.rpartition("/")[2])
    assert [row["parameters"] for row in rows] == [{"a": "7", "b": b} for b in "124"]


def test_a_file_that_is_no_text_is_refused_where_it_was_dropped(page: Page, service: Service) -> None:
    sign_in(page, service)
    page.goto(f"{service.url}/application/1/many")
    page.locator("#many").evaluate(_DROP, ["<img src=x>.xlsx", [0xFF, 0xFE, 0x00]])
    expect(page.locator("#many-says")).to_have_text("<img src=x>.xlsx is not UTF-8: save it as CSV UTF-8")
    assert page.locator("#points").input_value() == ""


def test_what_is_drawn_is_chosen_and_stands_in_the_address(page: Page, service: Service) -> None:
    sweep_id = _ended(service, {"a": [1, 10, 100], "b": [1, 2]})
    sign_in(page, service)
    page.goto(f"{service.url}/sweep/{sweep_id}")
    expect(page.locator(".legend li")).to_have_text(["b = 1", "b = 2"])
    page.locator("[name=x]").select_option("parameters.b")
    expect(page.locator(".legend li")).to_have_text(["a = 1", "a = 10", "a = 100"])
    page.locator("[name=log-y]").check()
    page.locator("[name=y]").select_option("exit_code")
    expect(page.locator(".plots > .muted")).to_have_text(
        "exit code is not above zero everywhere, so its axis is not logarithmic."
    )
    page.reload()
    expect(page.locator(".legend li")).to_have_text(["a = 1", "a = 10", "a = 100"])
    assert page.locator("[name=log-y]").is_checked()
    assert page.locator("[name=y]").input_value() == "exit_code"


def test_very_many_points_are_drawn_for_who_asks_for_it(page: Page, service: Service) -> None:
    body = {"application": "lab/product", "grid": {"a": "1..75", "b": "1..80"}, "hold": True}
    sweep_id = service.api("POST", "/api/sweep", json=body)["id"]
    answer = {
        "values": ["metrics.product"],
        "parameters": ["parameters.a", "parameters.b"],
        "chosen": {"y": "metrics.product", "x": "parameters.a", "by": "parameters.b"},
        "run": [*range(1, 100_001)],
        "state": ["succeeded"] * 100_000,
        "x": [str(n % 10) for n in range(100_000)],
        "y": [float(n) for n in range(100_000)],
        "by": [str(n // 1000) for n in range(100_000)],
    }
    sign_in(page, service)
    asked: list[str] = []

    def tell(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(json=answer)

    page.route("**/points*", tell)
    page.goto(f"{service.url}/sweep/{sweep_id}")
    button = page.get_by_role("button", name="Draw all 6,000 points")
    button.wait_for()
    assert asked == []
    button.click()
    expect(page.locator(".plots > .muted")).to_contain_text("The first 12 of 100 lines are drawn")
    plot(page).press("ArrowRight")
    expect(page.locator(".readout")).to_have_text("a = 0, b = 0: product 0 run 1")
    page.locator("[name=as]").select_option("heat")
    page.locator(".scale").wait_for()
    plot(page).press("ArrowRight")
    expect(page.locator(".readout")).to_contain_text("a = 0, b = 99: product 99495, the mean of 100")
    service.api("POST", f"/api/sweep/cancel/{sweep_id}")


def test_it_is_held_changed_released_and_cancelled(hands: Any, page: Page, service: Service) -> None:
    body = {"application": "lab/product", "grid": {"a": [4], "b": [1, 2]}, "hold": True}
    sweep_id = service.api("POST", "/api/sweep", json=body)["id"]
    page.goto(f"{service.url}/sweep/{sweep_id}")
    hands.press(page.get_by_role("button", name="Change it"))
    hands.fill(page.get_by_label("At a time"), "1")
    hands.press(page.get_by_role("button", name=f"Change sweep {sweep_id}"))
    expect(page.locator("main dl.facts")).to_contain_text(re.compile(r"At a time\s*1"))
    hands.press(page.get_by_role("button", name="Cancel it"))
    hands.press(page.get_by_role("button", name=f"Cancel sweep {sweep_id}"))
    expect(page.locator("[data-part=state]")).to_contain_text(re.compile(r"2\s+cancelled"), timeout=_LONG_MS)
    hands.press(page.get_by_role("button", name="Run the 2 that were cancelled again"))
    expect(page.locator("[data-part=state]")).to_contain_text(re.compile(r"2\s+queued"))
    hands.press(page.get_by_role("button", name="Release"))
    expect(page.locator("[data-part=state]")).to_contain_text(re.compile(r"2\s+succeeded"), timeout=_LONG_MS)


def _ended(service: Service, grid: dict[str, list[int]]) -> int:
    made = service.api("POST", "/api/sweep", json={"application": "lab/product", "grid": grid})
    wait_for(lambda: service.api("GET", f"/api/sweep/{made['id']}")["state"], "the sweep to end")
    return int(made["id"])
