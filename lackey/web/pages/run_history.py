"""What has happened to a run, in words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lackey.domain.run import Event, RunState
from lackey.web.present import moment

# By the kind of an event that moved the run to another state.
_MOVED = {
    "queued": "put it into the queue",
    "scheduled": "took it back from the queue",
    "running": "started it",
    "start": "reported its start",
    "stop": "reported its end",
    "ended": "saw its process end",
    "cancelled": "cancelled it",
    "lost": "heard no more of it",
    "timed_out": "ended it at its limit",
    "corrected": "learned better",
}


@dataclass(frozen=True)
class HistoryLine:
    """One line of a run's history: who did what, the state that it came to, and what is known beside that."""

    at: datetime
    who: str
    what: str
    state: str | None = None
    why: str = ""
    told_at: datetime | None = None


def line_of(event: Event) -> HistoryLine:
    """An event in words."""
    details = event.details
    what, why = event.text, ""
    if "to" in details:
        what = _MOVED.get(event.kind, "found it ended")
        if event.kind == RunState.RUNNING and event.by == "run":
            what = "was heard from, so it is"
        why = event.text.partition(": ")[2]
    elif event.kind in (RunState.QUEUED, RunState.SCHEDULED):
        what = "made it" + (f" from run {details['parent']}" if "parent" in details else "")
    elif event.kind == "changed":
        what = _changes(details)
    elif "exit" in details:
        why = f"exit code {details['exit']}"
    who = "the run itself" if event.by == "run" else event.by
    return HistoryLine(event.at, who, what, details.get("to"), why, moment(details.get("ts")))


def _changes(details: dict[str, Any]) -> str:
    words = []
    if "hold" in details:
        words.append("held it" if details["hold"] else "released it")
    if "priority" in details:
        words.append(f"gave it the priority {details['priority']}")
    if "at" in details:
        words.append(f"moved it to {details['at']}")
    return " and ".join(words)
