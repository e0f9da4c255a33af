"""The pages of sweeps."""

import csv
import io
import json
from typing import Any

import pytest

from lackey.services.sweeps.care import Care
from tests.web.client import Api
from tests.web.visitor import HOSTILE, Visitor, form_to


@pytest.fixture(autouse=True)
def application(api: Api) -> None:
    api.application(parameters=[{"name": "n", "default": "1"}, {"name": "eps", "default": "0"}])


def make(api: Api, **fields: Any) -> dict[str, Any]:
    answer = api.post("/api/sweep", {"application": "heat/explicit", **fields})
    assert answer.status_int == 201, answer
    made: dict[str, Any] = answer.json
    return made


def run_of(api: Api, sweep: dict[str, Any], point: int) -> dict[str, Any]:
    rows = api.get(f"/api/sweep/{sweep['id']}/table?limit=1000").json["items"]
    found: dict[str, Any] = api.get(f"/api/run/{rows[point - 1]['run']}").json
    return found


def now(api: Api, sweep: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/api/sweep/{sweep['id']}").json
    return found


def care(api: Api) -> None:
    known = Care()
    while known.tick(api.database, api.clock()):
        pass


def shown_table(page: Any) -> list[list[str]]:
    return [[cell.text.strip() for cell in row.find_all("td")] for row in page.html.find("table", "points").tbody("tr")]


def test_a_sweep_s_page_says_how_it_goes_and_has_its_table(visitor: Visitor, api: Api) -> None:
    sweep = make(api, name="study", grid={"n": [1, 2], "eps": [0, 0.5]}, max_running=2)
    api.post(f"/api/run/cancel/{run_of(api, sweep, 3)['id']}")
    page = visitor.see(f"/sweep/{sweep['id']}")
    state = " ".join(page.html.find(attrs={"data-part": "state"}).text.split())
    assert "study: 1 of 4 runs have ended" in state
    assert "3 queued 1 cancelled" in state
    assert [row[2:5] for row in shown_table(page)] == [
        ["1", "0", "queued"],
        ["1", "0.5", "queued"],
        ["2", "0", "cancelled"],
        ["2", "0.5", "queued"],
    ]
    run_id = run_of(api, sweep, 3)["id"]
    assert page.click(str(run_id), href=f"/run/{run_id}$").status_int == 200


def test_the_table_is_sorted_by_any_column_both_ways(visitor: Visitor, api: Api) -> None:
    sweep = make(api, grid={"n": [9, 10, 1]})
    page = visitor.see(f"/sweep/{sweep['id']}").click("n", index=0, href="sort=parameters.n")
    assert [row[2] for row in shown_table(page)] == ["1", "9", "10"]
    assert page.html.find(attrs={"aria-sort": "ascending"}).text == "n"
    page = page.click("n", index=0, href="sort=-parameters.n")
    assert [row[2] for row in shown_table(page)] == ["10", "9", "1"]
    for column in ("point", "run", "state", "exit_code", "duration", "metrics.none"):
        visitor.see(f"/sweep/{sweep['id']}?sort=-{column}")
    visitor.see(f"/sweep/{sweep['id']}?sort=nonesuch", 400)


def test_a_long_table_has_pages(visitor: Visitor, api: Api) -> None:
    sweep = make(api, grid={"n": "1..120"})
    page = visitor.see(f"/sweep/{sweep['id']}?sort=-point")
    assert [row[0] for row in shown_table(page)] == [str(n) for n in range(120, 70, -1)]
    page = page.click("After").click("After")
    assert [row[0] for row in shown_table(page)] == [str(n) for n in range(20, 0, -1)]
    assert "page=4" not in page.text
    assert [row[0] for row in shown_table(page.click("Before"))][0] == "70"
    visitor.see(f"/sweep/{sweep['id']}?page=0", 400)
    assert "no points here" in visitor.see(f"/sweep/{sweep['id']}?page=9").text


def test_all_of_it_is_downloaded_sorted_as_it_is_shown(visitor: Visitor, api: Api) -> None:
    sweep = make(api, grid={"n": "1..120"})
    page = visitor.see(f"/sweep/{sweep['id']}?sort=-parameters.n").click("Download all")
    rows = list(csv.DictReader(io.StringIO(page.text)))
    assert [row["n"] for row in rows] == [str(n) for n in range(120, 0, -1)]


def test_it_is_held_and_released(visitor: Visitor, api: Api) -> None:
    path = f"/sweep/{make(api, grid={'n': [1, 2]})['id']}"
    held = form_to(visitor.see(path), f"{path}/hold").submit().follow()
    assert "It is held" in held.text
    assert api.get(f"/api{path}").json["hold"] is True
    form_to(held, f"{path}/release").submit()
    assert api.get(f"/api{path}").json["hold"] is False


def test_how_many_run_at_a_time_is_changed(visitor: Visitor, api: Api) -> None:
    path = f"/sweep/{make(api, grid={'n': [1, 2]}, max_running=1)['id']}"
    form = form_to(visitor.see(path), f"{path}/change")
    form["max_running"], form["priority"] = "7", "3"
    form.submit()
    assert (api.get(f"/api{path}").json["max_running"], api.get(f"/api{path}").json["priority"]) == (7, 3)
    form["max_running"] = ""
    form.submit()
    assert api.get(f"/api{path}").json["max_running"] is None
    form["max_running"] = "none"
    assert "At a time" in form.submit(status=409).html.find(attrs={"role": "alert"}).text


def test_it_is_cancelled_and_what_failed_is_run_again(visitor: Visitor, api: Api) -> None:
    sweep = make(api, grid={"n": [1, 2, 3]})
    path = f"/sweep/{sweep['id']}"
    page = form_to(visitor.see(path), f"{path}/cancel").submit().follow()
    assert "It is being cancelled" in page.text
    care(api)
    page = visitor.see(path)
    assert now(api, sweep)["counts"] == {"cancelled": 3}
    assert "3 that were cancelled again" in page.text
    form_to(page, f"{path}/rerun").submit()
    assert now(api, sweep)["counts"] == {"queued": 3}
    assert "again</button>" not in visitor.see(path).text


def test_only_what_failed_is_run_again_if_that_is_asked(visitor: Visitor, api: Api) -> None:
    sweep = make(api, grid={"n": [1, 2, 3]})
    path = f"/sweep/{sweep['id']}"
    failed = run_of(api, sweep, 2)
    token = api.post(f"/api/run/rerun/{failed['id']}").json
    api.report("stop", token, exit=3)
    api.post(f"/api/run/cancel/{run_of(api, sweep, 3)['id']}")
    page = visitor.see(path)
    assert "Run the one that failed again" in page.text
    form_to(page, f"{path}/rerun").submit()
    assert now(api, sweep)["counts"] == {"queued": 2, "cancelled": 1}


def test_what_is_over_can_t_be_cancelled(visitor: Visitor, api: Api) -> None:
    sweep = make(api, grid={"n": [1, 2]})
    path = f"/sweep/{sweep['id']}"
    form = form_to(visitor.see(path), f"{path}/cancel")
    for point in (1, 2):
        api.post(f"/api/run/cancel/{run_of(api, sweep, point)['id']}")
    assert "have ended already" in form.submit(status=409).html.find(attrs={"role": "alert"}).text


def test_sweeps_are_listed_and_those_of_an_application(visitor: Visitor, api: Api) -> None:
    first = make(api, grid={"n": [1, 2]}, name="first")
    api.post("/api/application", {"project": "heat", "name": "other", "directory": "o", "command": "x"})
    api.post("/api/sweep", {"application": "heat/other", "points": [{}, {}]})
    page = visitor.see("/sweep")
    assert [row.find("a").text for row in page.html.find("tbody")("tr")] == ["2", "1"]
    page = visitor.see("/application/1").click("All of them", href="sweep")
    assert [row.find("a").text for row in page.html.find("tbody")("tr")] == [str(first["id"])]
    visitor.see("/sweep?application=nonesuch/none", 400)
    visitor.see("/sweep?before=x", 400)


def test_a_long_list_of_sweeps_has_pages(visitor: Visitor, api: Api) -> None:
    for _ in range(51):
        make(api, grid={"n": [1]})
    page = visitor.see("/sweep")
    assert len(page.html.find("tbody")("tr")) == 50
    page = page.click("Older")
    assert [row.find("a").text for row in page.html.find("tbody")("tr")] == ["1"]
    assert len(page.click("Newest").html.find("tbody")("tr")) == 50


def test_now_runs_and_their_list_lead_to_the_sweep(visitor: Visitor, api: Api) -> None:
    sweep = make(api, grid={"n": [1, 2]})
    path = f"/sweep/{sweep['id']}"
    other = api.reported_run()
    for page in ("/", "/run", f"/run/{run_of(api, sweep, 1)['id']}", "/application/1"):
        assert visitor.see(page).click(f"(sweep )?{sweep['id']}", href=f"{path}$", index=0).request.path == path
    listed = visitor.see(path).click("All its runs")
    assert "2 runs" in listed.text
    assert f"/run/{other['id']}" not in listed.text
    assert f"/run/{run_of(api, sweep, 2)['id']}" in listed.text
    visitor.see("/run?sweep=x", 400)


def test_a_sweep_that_has_ended_is_not_among_what_goes_on(visitor: Visitor, api: Api) -> None:
    sweep = make(api, grid={"n": [1]})
    assert "Sweeps that go on" in visitor.see("/").text
    api.post(f"/api/run/cancel/{run_of(api, sweep, 1)['id']}")
    assert "Sweeps that go on" not in visitor.see("/").text


@pytest.fixture(params=["sqlite", "postgresql"])
def each_api(request: pytest.FixtureRequest) -> Api:
    """A service over each kind of database in turn."""
    api: Api = request.getfixturevalue("api_on_each_database" if request.param == "postgresql" else "api")
    if request.param == "postgresql":
        api.application(parameters=[{"name": "n", "default": "1"}, {"name": "eps", "default": "0"}])
    return api


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("postgresql_url"))


def test_one_whose_runs_still_wait_goes_on_however_many_were_made_since(visitor: Visitor, api: Api) -> None:
    old = make(api, grid={"n": [1]})
    for _ in range(21):
        api.post(f"/api/sweep/cancel/{make(api, grid={'n': [1]})['id']}")
    care(api)
    rows = visitor.see("/").html.find("caption", string="Sweeps that go on").find_parent("table").tbody("tr")
    assert [row.find("a").text for row in rows] == [str(old["id"])]


def test_its_points_are_there_to_be_drawn(each_api: Api) -> None:
    api, visitor = each_api, Visitor(each_api)
    visitor.sign_in()
    sweep = make(api, grid={"n": [1, 2], "eps": [0.1, 0.2]})
    run = api.post(f"/api/run/rerun/{run_of(api, sweep, 2)['id']}").json
    api.report("metric", run, name="loss", value=0.25, step=1)
    api.report("metric", run, name="odd", value="inf", step=1)
    path = f"/sweep/{sweep['id']}/points"
    drawn = visitor.see(path).json
    assert drawn["values"] == ["metrics.loss", "metrics.odd", "duration", "exit_code"]
    assert drawn["chosen"] == {"y": "metrics.loss", "x": "parameters.n", "by": "parameters.eps"}
    assert (drawn["x"], drawn["by"], drawn["y"]) == (["1", "1", "2", "2"], ["0.1", "0.2"] * 2, [None, 0.25, None, None])
    assert drawn["run"][1] == run["id"]
    assert visitor.see(f"{path}?y=metrics.odd").json["y"] == [None] * 4
    alone = visitor.see(f"{path}?y=duration&x=parameters.eps&by=none").json
    assert (alone["x"], alone["by"]) == (["0.1", "0.2"] * 2, None)
    json.dumps(alone, allow_nan=False)


def test_nothing_new_is_said_to_be_nothing_new(visitor: Visitor, api: Api) -> None:
    sweep = make(api, grid={"n": [1, 2]})
    tag = visitor.see(f"/sweep/{sweep['id']}").headers["ETag"]
    known = {"If-None-Match": tag}
    assert visitor.browser.get(f"/sweep/{sweep['id']}", headers=known).status_int == 304
    api.post(f"/api/run/cancel/{run_of(api, sweep, 1)['id']}")
    known = {"If-None-Match": visitor.browser.get(f"/sweep/{sweep['id']}", headers=known, status=200).headers["ETag"]}
    api.put(f"/api/sweep/{sweep['id']}", {"hold": True})
    visitor.browser.get(f"/sweep/{sweep['id']}", headers=known, status=200)


def test_a_reader_sees_it_and_has_no_buttons(api: Api) -> None:
    sweep = make(api, grid={"n": [1, 2]})
    reader = Visitor(api)
    reader.sign_in("read")
    page = reader.see(f"/sweep/{sweep['id']}")
    assert not [form for form in page.forms.values() if form.action.startswith("/sweep")]
    assert len(shown_table(page)) == 2


def test_what_is_hostile_is_text(visitor: Visitor, api: Api) -> None:
    sweep = make(api, name=HOSTILE, grid={"n": [HOSTILE, "=1+1"]})
    run = api.post(f"/api/run/rerun/{run_of(api, sweep, 1)['id']}").json
    api.report("metric", run, name=HOSTILE, value=1, step=1)
    for path in ("/sweep", f"/sweep/{sweep['id']}", f"/sweep?application={HOSTILE}", "/", "/application/1"):
        page = visitor.browser.get(path, expect_errors=True)
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text


def test_a_sweep_s_page_says_what_it_waits_for_and_leads_there(visitor: Visitor, api: Api) -> None:
    first, run = make(api, grid={"n": [1, 2]}), api.post("/api/run", {"application": "heat/explicit"}).json
    waits = make(api, grid={"n": [1]}, after=[run["id"], {"sweep": first["id"], "on": "ended"}], tags=["paper"])
    page = visitor.see(f"/sweep/{waits['id']}")
    assert now(api, waits)["reason"] in page.html.find(attrs={"data-part": "state"}).text
    facts = page.html.find("dl", "facts").get_text(" ", strip=True)
    assert f"After run {run['id']} , sweep {first['id']} (once it has ended)" in facts
    assert "Tags paper" in facts
    for href in (f"/run/{run['id']}$", f"/sweep/{first['id']}$"):
        assert page.click(href=href, index=0).status_int == 200
