"""A run's figures, as a table and as curves."""

from typing import Any

import pytest

from tests.web.client import Api
from tests.web.visitor import Visitor


def test_figures_are_a_short_table_of_their_own(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    told = [{"name": "residual", "value": value, "step": step} for step, value in enumerate((0.5, -2, 8, 3))]
    visitor.api.report("metric", run, metrics=told)
    row = visitor.see("/run/1").html.find(attrs={"data-part": "figures"}).find("tbody").get_text(" ")
    assert row.split() == ["residual", "4", "0.5", "3", "-2", "8"]


def curves(visitor: Visitor, query: str = "", **headers: str) -> Any:
    return visitor.browser.get(f"/run/1/curves{query}", headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_only_what_is_new_of_a_curve_travels(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    visitor.api.report("metric", run, metrics=[{"name": "a", "value": 1.5, "step": step} for step in range(3)])
    first = curves(visitor).json
    assert (first["names"], first["final"]) == (["a"], False)
    assert first["curves"] == [
        {"name": "a", "by": "step", "count": 3, "whole": True, "x": [0, 1, 2], "y": [1.5, 1.5, 1.5]}
    ]
    known = curves(visitor, "?name=a&known=2.0,3")
    assert (known.json["curves"][0]["x"], known.json["curves"][0]["whole"]) == ([], False)
    tag = known.headers["ETag"]
    assert curves(visitor, "?name=a&known=2.0,3", If_None_Match=tag).status_int == 304
    visitor.api.report("metric", run, name="a", value=9, step=3)
    later = curves(visitor, "?name=a&known=2.0,3", If_None_Match=tag).json["curves"][0]
    assert (later["x"], later["y"], later["count"]) == ([3], [9], 4)
    visitor.api.report("metric", run, name="a", value=0, step=0.5)
    assert curves(visitor, "?name=a&known=3.0,4").json["curves"][0]["whole"]


def test_no_more_curves_than_fit_a_page_are_given_at_once(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    visitor.api.report("metric", run, metrics=[{"name": f"m{n:02}", "value": 1, "step": 1} for n in range(20)])
    told = curves(visitor).json
    assert (len(told["names"]), len(told["curves"]), told["most"]) == (20, 12, 12)
    assert [curve["name"] for curve in curves(visitor, "?name=m19&known=").json["curves"]] == ["m19"]
    many = "&".join(f"name=m{n:02}" for n in range(13))
    visitor.see(f"/run/1/curves?{many}", 400)


@pytest.mark.parametrize("known", ["x", "nan,1", "inf,1", "1", "1,x"])
def test_what_is_no_place_of_a_curve_is_refused(visitor: Visitor, known: str) -> None:
    visitor.api.reported_run()
    visitor.see(f"/run/1/curves?name=a&known={known}", 400)


def test_a_part_of_a_curve_is_given_in_finer_points(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    told = [{"name": "a", "value": step % 5, "step": step} for step in range(4000)]
    visitor.api.report("metric", run, metrics=told)
    (whole,) = curves(visitor).json["curves"]
    assert (whole["count"], 250 < len(whole["x"]) <= 1000, whole["x"][0], whole["x"][-1]) == (4000, True, 0, 3999)
    (part,) = curves(visitor, "?name=a&from=1000.5&to=1100").json["curves"]
    assert (part["x"], part["y"]) == ([*range(1001, 1101)], [step % 5 for step in range(1001, 1101)])
    assert curves(visitor, "?name=a&from=9000&to=9001").json["curves"][0]["x"] == []
    for query in ("from=1", "from=x&to=2", "from=2&to=1", "from=nan&to=nan"):
        visitor.see(f"/run/1/curves?name=a&{query}", 400)


def test_figures_are_thinned_out_on_request_with_their_peaks_and_gaps(api_on_each_database: Api) -> None:
    api = api_on_each_database
    run = api.reported_run()
    peaks = {1234: 50.0, 2345: -50.0, 3456: "NaN", 3700: "Infinity"}
    told = [{"name": "a", "value": peaks.get(step, step % 5), "step": step, "ts": step} for step in range(4000)]
    for begin in range(0, 4000, 1000):
        assert api.report("metric", run, metrics=told[begin : begin + 1000]).status_int == 200
    assert api.report("metric", run, name="b", value=7, ts=9).status_int == 200

    def shown(query: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = api.get(f"/api/run/{run['id']}/metrics?{query}").json["items"]
        return items

    thinned = shown("points=100&limit=1000")
    assert (sum(one["name"] == "a" for one in thinned) <= 100, thinned[-1]["name"]) == (True, "b")
    values = {one["step"]: one["value"] for one in thinned if one["name"] == "a"}
    assert {step: values.get(step) for step in peaks} == peaks
    assert {0, 3999} <= set(values)
    part = shown("name=a&points=500&from=100&to=300&limit=1000")
    assert [one["step"] for one in part] == [*range(100, 301)]
    assert [one["step"] for one in shown("name=a&from=100&to=102")] == [100, 101, 102]
    refused = api.get(f"/api/run/{run['id']}/metrics?points=1")
    assert refused.status_int == 400
