"""A receipt decides how a run ended, so nothing passes for one that is not."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lackey.domain.receipt import Receipt, parse_receipt

ENDED = Receipt("here", 7, "uid", "ticket", "ended", 12.5, exit_code=0, started_at=2.0, duration=10.5)
REFUSED = Receipt("here", 7, "uid", "ticket", "not_started", 12.5, reason="no directory")


@pytest.mark.parametrize("receipt", [ENDED, REFUSED, replace(ENDED, exit_code=None, signal=9, killed="timed_out")])
def test_a_receipt_is_read_as_it_was_written(receipt: Receipt) -> None:
    assert parse_receipt(receipt.to_json()) == receipt


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("version", True),
        ("result", "succeeded"),
        ("exit_code", None),
        ("exit_code", "0"),
        ("exit_code", False),
        ("exit_code", 0.0),
        ("exit_code", 256),
        ("exit_code", -1),
        ("signal", 9),
        ("signal", 0),
        ("ended_at", None),
        ("ended_at", float("nan")),
        ("ended_at", float("inf")),
        ("duration", -1.0),
        ("killed", "murdered"),
        ("left_behind", -1),
        ("share_away", 0),
        ("ticket", None),
        ("run_id", "7"),
        ("result", ["ended"]),
        ("extra", 1),
    ],
)
def test_a_receipt_with_a_wrong_field_is_none(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match="not a receipt"):
        parse_receipt(json.dumps({**json.loads(ENDED.to_json()), field: value}))


@pytest.mark.parametrize("field", json.loads(ENDED.to_json()))
def test_a_receipt_without_one_of_its_fields_is_none(field: str) -> None:
    content = json.loads(ENDED.to_json())
    del content[field]
    with pytest.raises(ValueError, match="not a receipt"):
        parse_receipt(json.dumps(content))


@pytest.mark.parametrize("change", [{"exit_code": 0}, {"signal": 9}, {"reason": None}])
def test_an_attempt_that_came_to_nothing_has_a_reason_and_no_outcome(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a receipt"):
        parse_receipt(json.dumps({**json.loads(REFUSED.to_json()), **change}))


@pytest.mark.parametrize("text", ["", "null", "[]", "0", "{}", "[" * 100_000, '{"exit_code": 0}', "\0" * 300])
def test_what_is_no_receipt_at_all_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        parse_receipt(text)


@given(st.integers(0, len(ENDED.to_json()) - 1))
def test_a_receipt_that_is_cut_short_is_none(length: int) -> None:
    with pytest.raises(ValueError):
        parse_receipt(ENDED.to_json()[:length])
