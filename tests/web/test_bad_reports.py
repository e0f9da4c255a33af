"""Reports that can't be understood: they are refused field by field, and change nothing."""

from typing import Any

import pytest

from tests.web.client import Api, fields_at_fault


@pytest.mark.parametrize("ts", ["abc", "nan", "inf", "-inf", "1e400", True, [], {}, "1 2", "0x10", 10**400])
def test_a_time_that_is_no_finite_number_is_refused(api: Api, ts: Any) -> None:
    run = api.reported_run()
    for verb in ("start", "stop"):
        assert fields_at_fault(api.report(verb, run, ts=ts)) == ["ts"]
    assert api.run(run)["state"] == "scheduled"


@pytest.mark.parametrize("body", [b'{"ts": NaN, "token": "%s"}', b'{"ts": 1e400, "token": "%s"}'])
def test_numbers_that_only_python_knows_are_refused(api: Api, body: bytes) -> None:
    run = api.reported_run()
    answer = api.put(f"/api/run/stop/{run['id']}", body.replace(b"%s", run["token"].encode()), key="")
    assert fields_at_fault(answer) == ["ts"]


@pytest.mark.parametrize("status", ["3.5", 3.5, "abc", "", True, "1e2", 2**32, -(2**31) - 1, "9" * 30, "9" * 5000])
def test_an_exit_code_that_is_none_is_refused(api: Api, status: Any) -> None:
    run = api.reported_run()
    assert fields_at_fault(api.report("stop", run, exit=status)) == ["exit"]
    assert api.run(run)["state"] == "scheduled"


def test_all_faulty_fields_are_named_at_once(api: Api) -> None:
    run = api.reported_run()
    assert fields_at_fault(api.report("stop", run, ts="abc", exit=3.5)) == ["ts", "exit"]


@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b'"text"',
        b"\xff\xfe{",
        b"{",
        b'{"a": 1}x',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"ts": 1' + b"0" * 5000,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(api: Api, body: bytes) -> None:
    run = api.reported_run()
    answer = api.put(f"/api/run/stop/{run['id']}", body, key=run["token"])
    assert (answer.status_int, answer.content_type) == (400, "application/problem+json")
    assert api.run(run)["state"] == "scheduled"


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"fraction": 1.1}, "fraction"),
        ({"fraction": -0.1}, "fraction"),
        ({"fraction": "half"}, "fraction"),
        ({"done": "x", "total": 3}, "done"),
        ({"done": 1, "total": 0}, "total"),
        ({}, "body"),
    ],
)
def test_progress_that_says_nothing_sensible_is_refused(api: Api, fields: Any, faulty: str) -> None:
    assert fields_at_fault(api.report("progress", api.reported_run(), **fields)) == [faulty]


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"name": "a\0b", "value": 1}, "name"),
        ({"name": "residual"}, "body"),
        ({"name": "residual", "value": "****"}, "value"),
        ({"name": "residual", "value": "1,5"}, "value"),
        ({"name": "residual", "value": "nano"}, "value"),
        ({"metrics": []}, "metrics"),
        ({"metrics": "residual"}, "metrics"),
        ({"metrics": [{"name": "a", "value": 1}, {"name": "b", "value": "x"}]}, "metrics.1.value"),
        ({"metrics": [{"name": "a\0", "value": 1}]}, "metrics.0.name"),
    ],
)
def test_a_figure_that_is_none_is_refused(api: Api, fields: Any, faulty: str) -> None:
    assert fields_at_fault(api.report("metric", api.reported_run(), **fields)) == [faulty]


def test_a_piece_of_log_needs_text_and_a_sensible_offset(api: Api) -> None:
    run = api.reported_run()
    assert fields_at_fault(api.report("log", run)) == ["text"]
    assert fields_at_fault(api.report("log", run, text="x", offset=-1)) == ["offset"]
    assert fields_at_fault(api.put(f"/api/run/log/{run['id']}?offset=x", {"text": "x"}, key=run["token"])) == ["offset"]
