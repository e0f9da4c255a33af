"""What is nearly right is taken: numbers as simulations print them, clocks that count in other units."""

import json
from typing import Any

import pytest

from tests.web.client import Api, fields_at_fault
from tests.web.visitor import Visitor


@pytest.fixture
def api(api_on_each_database: Api) -> Api:
    return api_on_each_database


def figures_of(api: Api, run: dict[str, Any]) -> list[Any]:
    answer = api.get(f"/api/run/{run['id']}/metrics")
    shown = json.loads(answer.body, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return [one["value"] for one in shown["items"]]


class TestFigures:
    @pytest.mark.parametrize(
        ("printed", "value"),
        [
            *(
                ("1.0D-03", 0.001),
                ("1.0d+00", 1),
                ("-.5", -0.5),
                ("1.", 1),
                ("1.0-103", 1e-103),
                ("-2.5+100", -2.5e100),
            ),
            *((" 3.0E+00 ", 3), ("1q2", 100), ("1.0D3\r", 1000)),
            *((name, "NaN") for name in ("nan", "NaN", "-nan", "+NAN", "nan(0x8)", "1.#QNAN", "-1.#IND", "NaNQ")),
            *((name, "Infinity") for name in ("inf", "+Inf", "INFINITY", "1.#INF", "1e999")),
            *((name, "-Infinity") for name in ("-inf", "-Infinity", "-1.#INF00")),
        ],
    )
    def test_a_figure_is_taken_as_it_is_printed(self, api: Api, printed: str, value: Any) -> None:
        run = api.reported_run()
        assert api.report("metric", run, name="residual", value=printed, step=1).status_int == 200
        assert figures_of(api, run) == [value]

    def test_json_may_hold_the_numbers_that_it_has_no_words_for(self, api: Api) -> None:
        run = api.reported_run()
        batch = [
            {"name": "r", "value": value, "step": step} for step, value in enumerate((1, float("nan"), float("inf")))
        ]
        assert api.report("metric", run, metrics=[*batch, {"name": "r", "value": 2, "step": 3}]).status_int == 200
        assert figures_of(api, run) == [1, "NaN", "Infinity", 2]

    @pytest.mark.parametrize(
        "value", ["*****", "", "1.0D", "D-3", "1,5", "0x1", "1.0 2", "--1", "nano", "infinit", True, []]
    )
    def test_what_is_no_figure_is_refused(self, api: Api, value: Any) -> None:
        answer = api.report("metric", api.reported_run(), name="residual", value=value)
        assert fields_at_fault(answer) == ["value"]
        assert value != "*****" or "format" in answer.json["detail"]

    def test_a_bad_figure_loses_no_other(self, api: Api) -> None:
        run = api.reported_run()
        figures = [{"name": "r", "value": value, "step": step} for step, value in enumerate((1, "x", 3, None))]
        answer = api.report("metric", run, metrics=[*figures, 7, {"name": "r"}])
        assert fields_at_fault(answer) == ["metrics.1.value", "metrics.3.value", "metrics.4.body", "metrics.5.value"]
        assert "the 2 that are right were kept" in answer.json["detail"]
        assert figures_of(api, run) == [1, 3]
        assert api.run(run)["state"] == "running"

    def test_progress_takes_them_too_where_they_are_numbers(self, api: Api) -> None:
        run = api.reported_run()
        assert api.report("progress", run, fraction="5.0D-01").json["progress"]["fraction"] == 0.5
        for name in ("fraction", "done", "total"):
            assert fields_at_fault(api.report("progress", run, **{name: "nan", "message": "x"})) == [name]


class TestProgress:
    @pytest.mark.parametrize(
        ("told", "shown"), [(1.0000000001, 1), (1.0000001, 1), ("1.0000000001", 1), (-1e-12, 0), (1 - 1e-9, 1 - 1e-9)]
    )
    def test_a_fraction_that_is_off_by_rounding_is_taken(self, api: Api, told: Any, shown: float) -> None:
        assert api.report("progress", api.reported_run(), fraction=told).json["progress"]["fraction"] == shown

    def test_a_message_leaves_the_rest_as_it_is(self, api: Api) -> None:
        run = api.reported_run()
        api.report("progress", run, fraction=0.5, done=5, total=10, message="half", ts=100)
        shown = api.report("progress", run, message="writing", ts=200).json["progress"]
        assert (shown["fraction"], shown["done"], shown["total"], shown["message"]) == (0.5, 5, 10, "writing")
        assert shown["at"] == "1970-01-01T00:01:40Z"
        shown = api.report("progress", run, done=7, ts=150).json["progress"]
        assert (shown["fraction"], shown["done"], shown["message"]) == (0.7, 7, "writing")
        assert api.report("progress", run, fraction=0.8, ts=300).json["progress"]["fraction"] == 0.8

    @pytest.mark.parametrize("unit", [1e3, 1e6, 1e9])
    def test_a_time_in_other_units_is_recognised_and_freezes_nothing(self, api: Api, unit: float) -> None:
        run = api.reported_run()
        now = api.clock.now.timestamp()
        shown = api.report("progress", run, fraction=0.2, ts=(now - 20) * unit).json
        assert (shown["progress"]["at"], shown["marks"]) == ("2026-03-01T11:59:40Z", ["clock"])
        assert api.report("progress", run, fraction=0.4, ts=now - 10).json["progress"]["fraction"] == 0.4
        shown = api.report("progress", run, fraction=0.6, ts=(now - 5) * unit).json
        assert (shown["progress"]["fraction"], shown["marks"]) == (0.6, ["clock"])

    @pytest.mark.parametrize("ahead", [3600, 86400 * 365, 1e300])
    def test_a_clock_that_is_ahead_freezes_nothing_once_it_is_set(self, api: Api, ahead: float) -> None:
        run = api.reported_run()
        now = api.clock.now.timestamp()
        assert api.report("progress", run, fraction=0.2, ts=now + ahead).json["marks"] == ["clock"]
        api.report("metric", run, name="r", value=1, step=1, ts=now + ahead)
        api.clock.advance(60)
        assert api.report("progress", run, fraction=0.4, ts=now + 60).json["progress"]["fraction"] == 0.4
        api.report("metric", run, name="r", value=2, step=1, ts=now + 60)
        assert figures_of(api, run) == [2]
        assert api.report("stop", run, exit=0).json["marks"] == ["clock"]


def test_a_curve_has_a_gap_where_a_value_is_none(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    values = [1, "nan", "inf", 4]
    figures = [{"name": "r", "value": value, "step": step} for step, value in enumerate(values)]
    visitor.api.report("metric", run, metrics=[*figures, {"name": "only", "value": "nan", "step": 1}])
    for name, shown in (("r", [1, None, None, 4]), ("only", [None])):
        answer = visitor.browser.get(f"/run/1/curves?name={name}")
        curve = json.loads(answer.body, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))["curves"][0]
        assert curve["y"] == shown
    table = visitor.see("/run/1").html.find(attrs={"data-part": "figures"}).find("tbody").get_text(" ")
    assert table.split() == ["only", "1", *["nan"] * 4, "r", "4", "1", "4", "1", "inf"]


def test_of_many_points_the_gaps_stay(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    figures = [{"name": "r", "value": "nan" if step == 2500 else step, "step": step} for step in range(5000)]
    visitor.api.report("metric", run, metrics=figures)
    curve = visitor.browser.get("/run/1/curves").json["curves"][0]
    assert len(curve["y"]) <= 1000
    assert curve["y"].count(None) == 1


def test_runs_are_compared_by_figures_that_are_no_numbers(visitor: Visitor) -> None:
    for _ in range(2):
        run = visitor.api.reported_run()
        visitor.api.report("metric", run, name="r", value="nan", step=1)
    assert "nan" in visitor.see("/compare?run=1&run=2").html.get_text()
