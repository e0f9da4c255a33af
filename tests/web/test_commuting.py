"""Reports commute: any order, any repetition gives the same run."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.web.client import Api
from tests.web.conftest import MakeApi

REPORTS: list[tuple[str, dict[str, Any]]] = [
    ("start", {"ts": 1369312595, "host": "n2"}),
    ("start", {"ts": 1369312700, "host": "n1"}),
    ("progress", {"ts": 1369315000, "fraction": 0.25}),
    ("progress", {"ts": 1369316000000, "message": "in milliseconds"}),
    ("progress", {"ts": 1369318000, "done": 6, "total": 10, "message": "sweeping"}),
    ("progress", {"ts": 1369318000, "done": 5, "total": 10}),
    ("metric", {"ts": 1369315000, "name": "residual", "value": 0.5, "step": 1}),
    ("metric", {"ts": 1369316000, "name": "residual", "value": 0.25, "step": 1}),
    ("metric", {"ts": 1369316000, "name": "residual", "value": 0.125}),
    ("log", {"offset": 0, "text": "first\n"}),
    ("log", {"offset": 6, "text": "second\n"}),
    ("log", {"offset": 20, "text": "after a gap\n"}),
    ("metric", {"ts": 1369316000, "name": "residual", "value": "NaN", "step": 2}),
    ("metric", {"ts": 1369316000, "name": "residual", "value": 7, "step": 2}),
    ("stop", {"ts": 1369322595, "exit": 3, "log": "asdf 123", "host": "n3"}),
    ("stop", {"exit": 3, "log": "asdf 124 and more"}),
    ("stop", {"exit_code": 3, "log": "asdf 125 and more", "host": "n4"}),
    ("stop", {"ts": 1369322500, "log": "a stop that says less has a longer log", "host": "n0"}),
]
TIMELESS = ("id", "token")


def outcome(api: Api, order: list[int]) -> tuple[Any, ...]:
    """What a new run comes to after these reports, in this order."""
    run = api.reported_run()
    for number in order:
        verb, fields = REPORTS[number]
        assert api.report(verb, run, **fields).status_int == 200
    shown = {name: value for name, value in api.run(run).items() if name not in TIMELESS}
    path = f"/api/run/{run['id']}"
    return shown, api.get(f"{path}/metrics").json["items"], api.get(f"{path}/log").body


def test_reports_in_any_order_and_repetition_give_the_same_run(make_api: MakeApi) -> None:
    api = make_api()
    expected = outcome(api, list(range(len(REPORTS))))
    assert (expected[0]["state"], expected[0]["exit_code"], expected[0]["duration"]) == ("failed", 3, 10000.0)
    assert (expected[0]["host"], expected[0]["marks"]) == ("n2", ["clock"])
    assert (expected[0]["progress"]["fraction"], expected[0]["progress"]["message"]) == (0.6, "sweeping")
    assert expected[2].endswith(b"asdf 125 and more")
    everything = some.permutations(range(len(REPORTS)))
    again = some.lists(some.integers(0, len(REPORTS) - 1), max_size=6)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(everything, again, again)
    def shuffled(order: list[int], before: list[int], after: list[int]) -> None:
        assert outcome(api, [*before, *order, *after]) == expected

    shuffled()
