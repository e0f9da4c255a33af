"""What every executor is asked, and what it may answer.

An executor knows tickets, not runs: a ticket is the name, used once, of one attempt to launch one run. What is known
of a ticket is a `Look`, one of a closed set, so that whoever judges it has to say what each of them means; none of them
but a receipt says how a run ended.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from lackey.domain.receipt import KillCause, Receipt


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

    def clear(self, ticket: str, grace_seconds: float) -> int | None:
        """Have what a ticket that is gone has left behind end: TERM, after `grace_seconds` KILL. Waits for nothing.

        How many processes that were, once none of them lives; None: not yet, ask again. Raises OSError, with the
        reason, if something can't be ended.
        """

    def watch(self, ticket: str) -> int | None:
        """A pidfd, readable when what lives of the ticket has ended; None if nothing does. The caller closes it."""

    def close(self) -> None:
        """Let go of what the executor holds. What it has launched lives on."""
