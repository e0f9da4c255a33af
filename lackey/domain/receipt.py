"""How an attempt to launch a run went, in the words of the process that waited for its command.

It is written by guards, read by the scheduler, and taken by the web service where a guard's disk won't have it.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lackey.domain.evidence import KillCause

RECEIPT_VERSION = 1


@dataclass(frozen=True)
class Receipt:
    """How an attempt went, as written by the process that waited for the command.

    `ended`: exactly one of `exit_code` and `signal` is set; `duration` (seconds) is by a clock that nobody can set,
    `started_at` and `ended_at` (unix seconds) are not. `not_started`: neither, but a `reason`. `ended_at` is when the
    command ended or, where lackey ended it (`killed`), when the last process of it had. `left_behind` counts the
    processes that the command left when it ended by itself. `cpu_seconds` is of all processes; `max_rss_bytes` the most
    that they were seen to hold at once, None if they ended before anything was seen.
    """

    installation: str
    run_id: int
    run_uid: str
    ticket: str
    result: Literal["ended", "not_started"]
    ended_at: float
    exit_code: int | None = None
    signal: int | None = None
    started_at: float | None = None
    duration: float = 0.0
    max_rss_bytes: int | None = None
    cpu_seconds: float | None = None
    killed: KillCause | None = None
    left_behind: int = 0
    reason: str | None = None
    share_away: bool = False
    ran_as: str | None = None
    run_directory: str | None = None
    version: int = RECEIPT_VERSION

    def to_json(self) -> str:
        """The inverse of `parse_receipt`."""
        return json.dumps(vars(self), allow_nan=False)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _maybe(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "version": lambda value: type(value) is int and value == RECEIPT_VERSION,
    "installation": _text,
    "run_id": _count,
    "run_uid": _text,
    "ticket": _text,
    "result": lambda value: value in ("ended", "not_started"),
    "exit_code": _maybe(lambda value: _count(value) and value <= 255),
    "signal": _maybe(lambda value: _count(value) and 1 <= value <= 64),
    "started_at": _maybe(_number),
    "ended_at": _number,
    "duration": lambda value: _number(value) and value >= 0,
    "max_rss_bytes": _maybe(_count),
    "cpu_seconds": _maybe(_number),
    "killed": lambda value: value in (None, "cancelled", "timed_out"),
    "left_behind": _count,
    "reason": _maybe(_text),
    "share_away": lambda value: isinstance(value, bool),
    "ran_as": _maybe(_text),
    "run_directory": _maybe(_text),
}


def parse_receipt(text: str) -> Receipt:
    """The receipt that `text` holds. Raises ValueError for whatever is not one, whole and consistent."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("not a receipt: nested too deeply") from error
    if not isinstance(found, dict) or found.keys() != _CHECKS.keys():
        raise ValueError("not a receipt: not its fields")
    wrong = [name for name, check in _CHECKS.items() if not check(found[name])]
    if wrong:
        raise ValueError(f"not a receipt: {', '.join(wrong)}")
    receipt = Receipt(**found)
    outcomes = [value for value in (receipt.exit_code, receipt.signal) if value is not None]
    if len(outcomes) != (1 if receipt.result == "ended" else 0):
        raise ValueError("not a receipt: result and outcome contradict each other")
    if receipt.result == "not_started" and receipt.reason is None:
        raise ValueError("not a receipt: no reason")
    return receipt
