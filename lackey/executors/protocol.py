"""What every executor is asked, and what it may answer.

An executor knows tickets, not runs: a ticket is the name, used once, of one attempt to launch one run. What is known
of a ticket is an `Observation`, one of a closed set, so that whoever judges it has to say what each of them means;
none of them but a receipt says how a run ended.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from lackey.domain.evidence import KillCause
from lackey.domain.receipt import Receipt
from lackey.domain.resources import Capacity
from lackey.domain.shell.program import DEFAULT_SHELL, shell_words


@dataclass(frozen=True)
class Launch:
    """All that the launched side needs to know. Nothing of it is looked up later.

    `share_path` is absolute, as this host sees it; `directory` is the application's, relative to it. `kill_grace` is
    in seconds, from TERM to KILL. `user` is the one that the command runs as; None: the launching user. `wake_path` is
    a Unix datagram socket that is told when there is something new to look at. `shell` is a path with options behind
    it. `cpus`, `memory_bytes` and `gpus` are what it may use; `gpus` None: that is not the executor's to say.
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
    shell: str = DEFAULT_SHELL
    cpus: int = 1
    memory_bytes: int | None = None
    gpus: list[str] | None = None

    def check(self) -> None:
        """Raises NotStarted for what could never be launched, or not where it was meant to be.

        It comes out of a database, and whoever launches may be root: nothing in it is taken on trust.
        """
        wrong = [name for name, right in _LAUNCH_CHECKS.items() if not right(getattr(self, name))]
        if wrong:
            raise NotStarted(f"what is written down of this run makes no sense: {', '.join(wrong)}")

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


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _plain(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _named(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) and _text(of) for name, of in value.items())


def _shell(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(shell_words(value))
    except ValueError:
        return False


_LAUNCH_CHECKS: dict[str, Callable[[Any], bool]] = {
    "ticket": _text,
    "installation": _text,
    "run_id": lambda value: type(value) is int,
    "run_uid": _text,
    # A path that is not absolute would lead to wherever the launched side happens to be.
    "share_path": lambda value: _plain(value) and value.startswith("/"),
    "must_be_mounted": lambda value: isinstance(value, bool),
    "directory": _plain,
    "command": _text,
    "workdir": lambda value: value in ("application", "run"),
    "parameters": _named,
    "environment": _named,
    "url": _text,
    "token": _text,
    "user": lambda value: value is None or _plain(value),
    "kill_grace": lambda value: type(value) in (int, float) and 0 <= value < math.inf,
    "wake_path": _text,
    "shell": _shell,
    "cpus": lambda value: type(value) is int and value > 0,
    "memory_bytes": lambda value: value is None or (type(value) is int and value > 0),
    "gpus": lambda value: value is None or (isinstance(value, list) and all(map(_plain, value))),
}


@dataclass(frozen=True)
class Absent:
    """Nothing was ever made for this ticket. It may still come."""


@dataclass(frozen=True)
class Starting:
    """It was handed over by this scheduler, and is under way: that nothing was made for it yet says nothing."""


@dataclass(frozen=True)
class Unowned:
    """The mark is there, but nobody has signed it yet: its maker is slow, or dead."""


@dataclass(frozen=True)
class Void:
    """No command will ever run under this ticket."""


@dataclass(frozen=True)
class Running:
    """Its guard or its command lives. All but the first two are None until the command is on record.

    `started_at` is by the clock on the wall (unix seconds), `lasted_seconds` by one that nobody can set. `token_digest`
    is the SHA-256 of the command's token, in hexadecimal.
    """

    handle: str
    pid: int
    run_directory: str | None = None
    started_at: float | None = None
    lasted_seconds: float | None = None
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


Observation = Absent | Starting | Unowned | Void | Running | Ended | Gone | Unreadable


class Executor(Protocol):
    """A place where commands run. Each is asked by one thread of the scheduler, and may take its time.

    It touches no share itself, and waits for no command.
    """

    @property
    def name(self) -> str:
        """What runs call it by whose executor it is."""

    def capacity(self) -> Capacity:
        """What it has for its runs, all together."""

    def trouble(self) -> str | None:
        """Why nothing at all can be launched now, in a sentence for those who wait for it; None: it can."""

    def launch(self, launch: Launch) -> None:
        """Hand a launch over. Nothing is, where the ticket has been taken before: `observe` says what came of it.

        Raises NotStarted for one that could never work, and OSError if it failed half-way: void the ticket, then.
        """

    def observe(self, tickets: Collection[str]) -> dict[str, Observation]:
        """What is known now of each of the tickets. From now on it is noticed, where possible, when it changes."""

    def fileno(self) -> int:
        """A descriptor that can be read when there is news. It stays the executor's own."""

    def news(self, tickets: Collection[str]) -> set[str]:
        """Those of the tickets that are to be observed: something may have changed, or it can't be noticed if it does.

        Until there is more, the descriptor can't be read any more. News of other tickets is kept for who asks for them.
        """

    def void(self, ticket: str) -> bool:
        """Settle that no command ever runs under this ticket, unless it has been taken up: then False.

        Raises OSError if it can't be settled now.
        """

    def kill(self, ticket: str, cause: KillCause, grace_seconds: float) -> None:
        """Have a ticket's processes end: TERM, after `grace_seconds` KILL. Call it again until none is left.

        Where nothing lives, it does nothing, and leaves no trace. Raises OSError if it can't be done now.
        """

    def clear(self, ticket: str, grace_seconds: float) -> int | None:
        """Have what a ticket that is gone has left behind end: TERM, after `grace_seconds` KILL. Waits for nothing.

        How many processes that were, once none of them lives; None: not yet, ask again. Raises OSError, with the
        reason, if something can't be ended.
        """

    def forget(self, ticket: str) -> None:
        """The ticket's attempt is closed: nothing of it is to be noticed any more."""

    def close(self) -> None:
        """Let go of what the executor holds. What it has launched lives on."""
