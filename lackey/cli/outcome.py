"""What a run's outcome is in words, and as an exit code."""

from typing import Any

from lackey.cli import show
from lackey.domain.run import FINAL, said_of_left_behind

_SIGNAL_BASE = 128


def is_final(run: dict[str, Any]) -> bool:
    """Whether the run (the API's JSON) has ended, as far as is known."""
    return run["state"] in FINAL


def exit_code_for(run: dict[str, Any]) -> int:
    """With what a command that stood in for the run would have ended: 0 only if the run succeeded.

    Its own exit code; 128 and the signal, as shells have it; 1 where there is neither. Of the codes only the last byte
    reaches a parent (wait(2)).
    """
    if run["state"] == "succeeded":
        return 0
    if run["exit_code"] is not None:
        return int(run["exit_code"]) & 0xFF or 1
    if run["state"] == "failed" and run["signal"]:
        return (_SIGNAL_BASE + int(run["signal"])) & 0xFF or 1
    return 1


def outcome_line(run: dict[str, Any]) -> str:
    """State, duration, and why it ended so."""
    after = f" after {show.span(run['duration'])}" if run["duration"] is not None else ""
    why = ending(run)
    return f"run {run['id']} {run['state'].replace('_', ' ')}{after}{': ' if why else ''}{why}"


def ending(run: dict[str, Any]) -> str:
    """Why the run ended as it did, or why it waits; its exit code or signal where there is no reason. May be empty.

    And what its command left behind, for then it did not do all that it was to do.
    """
    why = [_cause(run), said_of_left_behind(run["left_behind"]) if run.get("left_behind") else ""]
    return "; ".join(part for part in why if part)


def _cause(run: dict[str, Any]) -> str:
    if run["reason"]:
        return str(run["reason"])
    if run["signal"]:
        return f"signal {run['signal']}"
    return f"exit code {run['exit_code']}" if run["exit_code"] else ""
