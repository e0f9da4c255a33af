"""Runs on this host: each under a guard (`guards`), which the launcher forks."""

import errno
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from lackey.domain.evidence import KillCause
from lackey.domain.resources import Capacity
from lackey.executors.local.descriptors import check_spare
from lackey.executors.local.guards import Guards
from lackey.executors.local.launcher import GUARDED, WANTED
from lackey.executors.local.leftovers import Leftovers
from lackey.executors.local.processes import family, send
from lackey.executors.local.tickets import Mark, Owner, Torn, Voided, make_tickets
from lackey.executors.local.watches import Watches
from lackey.executors.protocol import (
    Absent,
    Ended,
    Gone,
    Launch,
    Observation,
    Running,
    Starting,
    Unowned,
    Unreadable,
    Void,
)

_ANSWER_SECONDS = 10.0
_LONGEST_ANSWER = 4096
_LIBRARY = Path(__file__).resolve().parents[3]


class LocalExecutor:
    """The executor for this host (`base.Executor`)."""

    name = "local"

    def __init__(
        self, data_dir: Path, capacity: Capacity, user: str | None = None, descriptors: int | None = None
    ) -> None:
        """Tickets are kept in `data_dir`, which must be on a local disk; `user`: as Launch has it. Raises OSError.

        `descriptors`: how many a command may have to begin with; None: as many as this process.
        """
        self._capacity = capacity
        self._leftovers = Leftovers(user)
        self._tickets = make_tickets(data_dir.absolute())
        self._descriptors = descriptors
        self._launcher: subprocess.Popen[bytes] | None = None
        self._wire: socket.socket | None = None
        self._guards = Guards(self._fork)
        self._watches = Watches()
        self._selector = selectors.EpollSelector()
        for each in (self._guards, self._watches):
            self._selector.register(each, selectors.EVENT_READ)
        # When a command whose guard is gone was first told to end; by a clock that can't be set.
        self._told: dict[str, float] = {}

    def capacity(self) -> Capacity:
        """As the configuration has it."""
        return self._capacity

    def trouble(self) -> str | None:
        """Whether descriptors are left."""
        try:
            check_spare()
        except OSError as error:
            return _why_nothing(error)
        return None

    def launch(self, launch: Launch) -> None:
        """Hand it over to a guard. Raises OSError if that fails; whether there is one at it is then unknown."""
        launch.check()
        Mark(self._tickets, launch.ticket)
        self._guards.hand_over(launch.ticket, json.dumps(vars(launch)).encode())

    def _fork(self) -> socket.socket:
        """A new guard; our end of its socket. Raises OSError."""
        check_spare()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                wire = self._connected()
                socket.send_fds(wire, [WANTED], [theirs.fileno()])
                answer = wire.recv(_LONGEST_ANSWER)
            if not answer:
                raise ConnectionResetError("the launcher has ended")
        except OSError:
            ours.close()
            self._disconnect()
            raise
        if answer != GUARDED:
            ours.close()
            raise OSError(f"no guard could be started: {answer.decode(errors='replace')}")
        return ours

    def observe(self, tickets: Collection[str]) -> dict[str, Observation]:
        """What each ticket's mark and processes say."""
        return {ticket: self._observe(ticket) for ticket in tickets}

    def _observe(self, ticket: str) -> Observation:
        if (told := self._guards.receipt(ticket)) is not None:
            return Ended(told)
        try:
            look = self._look(Mark(self._tickets, ticket))
        except (OSError, ValueError) as error:
            return Unreadable(str(error))
        except Exception as error:  # whatever one of them holds, the others are to be observed
            return Unreadable(f"{type(error).__name__}: {error}")
        if isinstance(look, Absent | Unowned) and ticket in self._guards:
            return Starting()
        if isinstance(look, Running) and look.started_at is not None and not self._tells(ticket):
            self._watch(ticket)
        return look

    def _tells(self, ticket: str) -> bool:
        """Whether it will be noticed when something changes."""
        return ticket in self._guards or ticket in self._watches

    def fileno(self) -> int:
        """Can be read when a guard has news, and when one of an earlier scheduler, or a command, has ended."""
        return self._selector.fileno()

    def news(self, tickets: Collection[str]) -> set[str]:
        """Those whose guards have something to tell, and those of which nothing that lives is watched."""
        self._guards.hear()
        self._watches.drop_ended()
        return {ticket for ticket in tickets if self._guards.begun(ticket) or not self._tells(ticket)}

    def forget(self, ticket: str) -> None:
        """Watch nothing of it."""
        self._guards.forget(ticket)
        self._watches.drop(ticket)

    def _look(self, mark: Mark) -> Observation:
        owner = mark.owner()
        if owner is None:
            return Unowned() if mark.path.is_dir() else Absent()
        if isinstance(owner, Voided):
            return Void()
        if isinstance(owner, Torn):
            return Gone(mark.kill_cause())
        if (ended := _ended(mark, owner)) is not None:
            return ended
        if not owner.lives():
            if mark.owner() != owner:
                return self._look(mark)  # the guard put its command on record, and died, in between
            # Once more: the guard may have written it, and ended, in between.
            return _ended(mark, owner) or Gone(mark.kill_cause())
        command = owner.command
        if command is None:
            return Running(str(owner.pid), owner.pid)
        return Running(
            str(command.command_pid),
            command.command_pid,
            command.run_directory,
            command.started_at,
            command.lasted_seconds,
            mark.token_digest(),
        )

    def void(self, ticket: str) -> bool:
        """Sign the mark, unless a guard has."""
        return Mark(self._tickets, ticket).void()

    def kill(self, ticket: str, cause: KillCause, grace_seconds: float) -> None:
        """Tell the guard to end its command; where the guard is gone, end the command without it."""
        mark = Mark(self._tickets, ticket)
        owner = mark.owner()
        # With a receipt nothing of it lives, and its guard may be at another one.
        if not isinstance(owner, Owner) or mark.has_receipt():
            return
        with owner.guard() as guard:
            if guard is not None:
                mark.order_kill(cause)
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(guard, signal.SIGTERM)
                return
        if not owner.lives():
            self._told.pop(ticket, None)
            return
        mark.order_kill(cause)
        self._end_orphan(owner, grace_seconds)

    def _end_orphan(self, owner: Owner, grace_seconds: float) -> None:
        """TERM, and at a call that comes `grace_seconds` after the first, KILL."""
        assert owner.command is not None
        now = time.monotonic()
        told = self._told.get(owner.ticket)
        self._told.setdefault(owner.ticket, now)
        late = told is not None and now - told >= grace_seconds
        send(family(owner.command.command_pid, owner.pid), signal.SIGKILL if late else signal.SIGTERM)

    def clear(self, ticket: str, grace_seconds: float) -> int | None:
        """End what lives in the guard's session, or has the command's token, though guard and command are gone."""
        mark = Mark(self._tickets, ticket)
        owner = mark.owner()
        return self._leftovers.end(owner, mark.token_digest(), grace_seconds) if isinstance(owner, Owner) else 0

    def _watch(self, ticket: str) -> None:
        """Watch the guard, or the command whose guard is gone. Where there is no descriptor for that, it is not."""
        with suppress(OSError):
            owner = Mark(self._tickets, ticket).owner()
            if not isinstance(owner, Owner):
                return
            for process in (owner.guard(), owner.commanded()):
                with process as pidfd:
                    if pidfd is not None:
                        self._watches.add(ticket, os.dup(pidfd))
                        return

    def close(self) -> None:
        """End the launcher and the guards that have nothing to do, watch nothing."""
        self._leftovers.close()
        self._disconnect()
        self._guards.close()
        self._watches.drop_all()

    def _connected(self) -> socket.socket:
        if self._launcher is not None and self._launcher.poll() is not None:
            self._disconnect()
        if self._wire is None:
            self._wire, theirs = socket.socketpair()
            self._wire.settimeout(_ANSWER_SECONDS)
            with theirs:
                self._launcher = self._start_launcher(theirs.fileno())
        return self._wire

    def _start_launcher(self, descriptor: int) -> subprocess.Popen[bytes]:
        # -P: nothing is imported from wherever lackey was started; utf8: names are bytes as UTF-8, in any locale.
        module = ("-P", "-X", "utf8", "-m", "lackey.executors.local.launcher")
        limit = () if self._descriptors is None else (str(self._descriptors),)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
        return subprocess.Popen(
            [sys.executable, *module, str(descriptor), str(self._tickets), *limit],
            pass_fds=[descriptor],
            env={**kept, "PYTHONPATH": str(_LIBRARY)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _disconnect(self) -> None:
        """End the launcher, which might hang; its guards are none the worse for it."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        if self._launcher is not None:
            self._launcher.kill()
            self._launcher.wait()
            self._launcher = None


def _ended(mark: Mark, owner: Owner) -> Observation | None:
    """What the receipt says; None if there is none."""
    receipt = mark.receipt()
    if receipt is None:
        return None
    if (receipt.installation, receipt.run_uid) != (owner.installation, owner.run_uid):
        return Unreadable("the receipt is another installation's")
    return Ended(receipt)


def _why_nothing(error: OSError) -> str:
    whose = "this host has" if error.errno == errno.ENFILE else "the scheduler may have (LimitNOFILE)"
    return f"waits for descriptors: all that {whose} are in use"
