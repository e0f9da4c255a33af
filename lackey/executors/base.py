"""What every executor is asked, and what it may answer.

An executor knows tickets, not runs: a ticket is the name, used once, of one attempt to launch one run. What is known
of a ticket is a `Look`, one of a closed set, so that whoever judges it has to say what each of them means; none of them
but a receipt says how a run ended.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

KillCause = Literal["cancelled", "timed_out"]

RECEIPT_VERSION = 1


@dataclass(frozen=True)
class Launch:
    """All that the launched side needs to know. Nothing of it is looked up later.

    `share_path` is absolute, as this host sees it; `directory` is the application's, relative to it. `kill_grace` is
    in seconds, from TERM to KILL. `user` is the one that the command runs as; None: the launching user. `wake_path` is
    a Unix datagram socket that is told when there is something new to look at.
    """

    ticket: str
    installation: str
    run_id: int
    run_uid: str
    share_path: str
    must_be_mounted: bool
    directory: str
    command: str
    workdir: Literal["application", "run"]
    parameters: dict[str, str]
    environment: dict[str, str]
    url: str
    token: str = field(repr=False)
    user: str | None
    kill_grace: float
    wake_path: str

    def identity(self) -> dict[str, Any]:
        """Which attempt at which run this is, as everything that is left of it says."""
        run = {"installation": self.installation, "run_id": self.run_id, "run_uid": self.run_uid}
        return {**run, "ticket": self.ticket}


class NotStarted(Exception):
    """The command could not be started; `reason` is a sentence for the person who scheduled the run.

    `share_away`: it may work once the share is back. `ran_as`: the ticket that this same run has already run under.
    """

    def __init__(self, reason: str, *, share_away: bool = False, ran_as: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.share_away = share_away
        self.ran_as = ran_as


@dataclass(frozen=True)
class Receipt:
    """How an attempt went, as written by the process that waited for the command.

    `ended`: exactly one of `exit_code` and `signal` is set; `duration` (seconds) is by a clock that nobody can set,
    `started_at` and `ended_at` (unix seconds) are not. `not_started`: neither, but a `reason`. `left_behind` counts the
    processes that the command left when it ended by itself. `max_rss_bytes` is of the largest process (getrusage(2));
    Linux never reports less there than the process held before it became the command, some 15 MB.
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
        return json.dumps(asdict(self), allow_nan=False)


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


@dataclass(frozen=True)
class Absent:
    """Nothing was ever made for this ticket. It may still come."""


@dataclass(frozen=True)
class Unowned:
    """The mark is there, but nobody has signed it yet: its maker is slow, or dead."""


@dataclass(frozen=True)
class Void:
    """No command will ever run under this ticket."""


@dataclass(frozen=True)
class Running:
    """Its guard or its command lives. `started_at` and `run_directory` are None until the command is on record.

    `token_digest` is the SHA-256 of the command's token, in hexadecimal.
    """

    handle: str
    pid: int
    run_directory: str | None
    started_at: float | None
    token_digest: str | None = None


@dataclass(frozen=True)
class Ended:
    """There is a receipt."""

    receipt: Receipt


@dataclass(frozen=True)
class Gone:
    """Nothing of it lives, and there is no receipt. `killed`: what lackey had told its living processes to end for."""

    killed: KillCause | None


@dataclass(frozen=True)
class Unreadable:
    """Nothing may be concluded."""

    why: str


Look = Absent | Unowned | Void | Running | Ended | Gone | Unreadable


@dataclass(frozen=True)
class Started:
    """A launch was handed over. `pidfd` is readable when its guard has ended (pidfd_open(2)); the caller closes it."""

    pidfd: int | None


class Executor(Protocol):
    """A place where commands run. No method waits for a command or touches a share."""

    def launch(self, launch: Launch) -> Started:
        """Hand a launch over. Raises OSError if that failed half-way: void the ticket, and try again later."""

    def look(self, ticket: str) -> Look:
        """What is known of a ticket now."""

    def void(self, ticket: str) -> bool:
        """Settle that no command ever runs under this ticket, unless it has been taken up: then False.

        Raises OSError if it can't be settled now.
        """

    def kill(self, ticket: str, cause: KillCause, grace_seconds: float) -> None:
        """Have a ticket's processes end: TERM, after `grace_seconds` KILL. Call it again until none is left.

        Where nothing lives, it does nothing, and leaves no trace. Raises OSError if it can't be done now.
        """

    def watch(self, ticket: str) -> int | None:
        """A pidfd, readable when what lives of the ticket has ended; None if nothing does. The caller closes it."""

    def close(self) -> None:
        """Let go of what the executor holds. What it has launched lives on."""
