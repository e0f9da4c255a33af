"""What has happened to a run, and how it ended, in words."""

import signal
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
_SIGNALS = {
    "SIGHUP": "the terminal or session that it was started from was closed",
    "SIGINT": "it was interrupted, as by Ctrl-C",
    "SIGQUIT": "it was told to quit, as by Ctrl-\\",
    "SIGILL": "it came to an instruction that this processor does not have",
    "SIGABRT": "it ended itself, after a fault that it had found: a failed assertion, say",
    "SIGBUS": "it used memory that is not there: a file that was cut while it was mapped, say",
    "SIGFPE": "it divided whole numbers by zero, or the like",
    "SIGKILL": "it was killed: by somebody, or by the system, which does so when memory runs out",
    "SIGSEGV": "it used memory that is not its own",
    "SIGPIPE": "who read its output was gone",
    "SIGTERM": "it was asked to end",
    "SIGXCPU": "it had used up its processor time",
    "SIGXFSZ": "a file of its became larger than it may",
}
_SHELL = {
    126: "the command is there, but can't be executed",
    127: "the command was not found",
}


@dataclass(frozen=True)
class Line:
    """One line of a run's history: who did what, the state that it came to, and what is known beside that."""

    at: datetime
    who: str
    what: str
    state: str | None = None
    why: str = ""
    told_at: datetime | None = None


def line_of(event: Event) -> Line:
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
    return Line(event.at, who, what, details.get("to"), why, moment(details.get("ts")))


def _changes(details: dict[str, Any]) -> str:
    words = []
    if "hold" in details:
        words.append("held it" if details["hold"] else "released it")
    if "priority" in details:
        words.append(f"gave it the priority {details['priority']}")
    if "at" in details:
        words.append(f"moved it to {details['at']}")
    return " and ".join(words)


def exit_meaning(code: int) -> str:
    """What an exit code means by the custom of shells (POSIX, Shell Command Language, 2.8.2); empty if nothing."""
    if code > 128 and (name := _signal_name(code - 128)):
        return f"as a shell says that {name} ended its command" + (f": {_SIGNALS[name]}" if name in _SIGNALS else "")
    return _SHELL.get(code, "")


def signal_meaning(number: int) -> str:
    """What it means that a signal ended a process; empty if nothing in particular."""
    return _SIGNALS.get(_signal_name(number), "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
