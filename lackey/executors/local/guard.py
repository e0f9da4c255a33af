"""The guard: a process that launches, outlives the scheduler, waits for the command and writes its receipt.

It is a session leader of its own and child subreaper (prctl(2)): whatever the command starts, however it detaches,
becomes the guard's child in the end, so nothing gets away. SIGTERM ends the command only where the scheduler has
written down why; without, it is the host that goes down, and the receipt is still to be written.

It sees one launch through after the other (`guards`), as long as nothing is left of the one before: no process, no
descriptor, and no doubt about its receipt.
"""

import ctypes
import json
import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lackey.accounts import Account, NoSuchAccount
from lackey.domain.evidence import KillCause
from lackey.domain.receipt import Receipt
from lackey.executors.local import command as commands
from lackey.executors.local.directories import RanAlready, RunDirectories, forget_run, make_run_directories
from lackey.executors.local.ending import Ending
from lackey.executors.local.environment import environment
from lackey.executors.local.guards import BEGUN, ENDED, FREE, RECEIPT, received
from lackey.executors.local.processes import start_ticks, tree
from lackey.executors.local.receipts import hand_in, leave_with_run
from lackey.executors.local.tickets import Command, Mark, Owner
from lackey.executors.local.usage import Usage
from lackey.executors.protocol import Launch, NotStarted
from lackey.wake import send_to

_PR_SET_CHILD_SUBREAPER = 36
_SIGNALS = (signal.SIGCHLD, signal.SIGTERM)
_RETRY_SECONDS = 1.0
_LOOK_SECONDS = 0.1
# What needs no more than this to end by itself once its command has ended was not left behind: `> >(tee log)`, say.
_LINGER_SECONDS = 0.5
# For how long the mark is tried again once the service has the receipt: an older copy of the database, put in its
# place, has it not, and goes by the mark.
_KEEP_SECONDS = 3600.0
# For how long it is tried again to end what is left, where that can't even be looked for.
SPARE_SECONDS = 10.0
_LONG = 3600.0
# A command that has lasted so long is said to have begun; what is over sooner is told of once.
BEGUN_SECONDS = 0.02
# The scheduler lets go of guards it does not need. One that is stopped, or stuck, does not.
IDLE_SECONDS = 30.0


@dataclass
class Launched:
    """A command that was started: where, when (by a clock that can't be set), and what became of it.

    `ended_at` and `duration` go up to its own end or, where lackey ends it, to that of the last process of it.
    """

    process: commands.HeldProcess
    directories: RunDirectories
    account: Account
    started_at: float
    began: float
    usage: Usage
    status: int | None = None
    ended_at: float = 0.0
    duration: float = 0.0
    killed: KillCause | None = None
    ending: Ending | None = None


def serve(channel: socket.socket, tickets: Path) -> None:
    """See launches through that come over this socket; until it ends, or none comes for long."""
    settle_in()
    while True:
        _close_all_but(channel.fileno())
        message = received(channel) if _is_asked(channel) else b""
        if not message:
            return
        launch = Launch(**json.loads(message))
        if not guard(launch, tickets, partial(_say, channel, launch)):
            return
        with suppress(OSError):
            channel.sendall(FREE + b"\n")


def _close_all_but(kept: int) -> None:
    """Close what the launcher has opened, or an earlier launch."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def _is_asked(channel: socket.socket) -> bool:
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    return bool(poll.poll(IDLE_SECONDS * 1000))


def _say(channel: socket.socket, launch: Launch, word: bytes) -> None:
    """Tell the scheduler that has handed over the launch; where that is gone, wake another one, if there is one.

    That one goes by what is in the mark, so for a receipt that is not there yet it is not woken.
    """
    try:
        channel.sendall(word + b"\n")
    except OSError:
        if not word.startswith(RECEIPT):
            send_to(Path(launch.wake_path))


def guard(launch: Launch, tickets: Path, say: Callable[[bytes], object]) -> bool:
    """Launch, once, and see it through to its receipt. Returns when nothing of it is left.

    Whether this process may take another: only if what has come of this one is in its mark, and nothing is left of it.
    For as long as its owner lives, and there is no receipt, a ticket counts as one under which something runs.
    `say` is told that its command has begun, if it is not over at once, its receipt, and that this is kept.
    """
    mark = Mark(tickets, launch.ticket)
    if not take(mark, launch):
        return False
    try:
        followed = start(launch, mark)
    except NotStarted as refused:
        return finish(launch, mark, not_started(launch, refused), say)
    except Exception as error:
        # Whatever it was: an attempt that leaves no word would be taken for lost.
        return finish(launch, mark, not_started(launch, NotStarted(f"the launch failed: {error}")), say)
    follow(launch, mark, followed, say)
    receipt = outcome(launch, followed)
    is_over = finish(launch, mark, receipt, say, followed.ending)
    leave_with_run(launch, mark, receipt, followed.directories, followed.account)
    return is_over


def settle_in() -> None:
    """Become a process that depends on nobody and that loses no child."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for signum in (signal.SIGHUP, signal.SIGINT):
        signal.signal(signum, signal.SIG_IGN)


def take(mark: Mark, launch: Launch) -> bool:
    """Take the right to run the ticket; False if it is another's, or can't be had."""
    try:
        mark.make()
        return mark.own(Owner.of(launch))
    except OSError:
        return False


def start(launch: Launch, mark: Mark) -> Launched:
    """Have the command run. Raises NotStarted if it can't; nothing has run then, whatever is raised."""
    launch.check()
    try:
        account = Account.of(launch.user)
    except NoSuchAccount as error:
        raise NotStarted(str(error)) from error
    directories = _make_directories(launch, mark, account)
    env = environment(launch, account, directories.run_directory, os.environ)
    try:
        process = commands.prepare(launch, account, directories, env)
    except OSError as error:
        with account.acting():
            forget_run(directories.run)
        raise NotStarted(f"this host could not make a process for it: {error.strerror}", share_away=True) from error
    try:
        ticks = start_ticks(process.pid)
        if ticks is None:
            raise NotStarted("the command's process was ended before it began")
        now = time.time()
        mark.add_token(launch.token)
        mark.add_command(Command(process.pid, ticks, directories.run_directory, now))
    except OSError as error:
        process.abandon()
        with account.acting():
            forget_run(directories.run)
        # Not the run's fault: it is tried again.
        raise NotStarted(f"its process could not be put on record: {error.strerror}", share_away=True) from error
    except BaseException:
        process.abandon()
        raise
    process.begin()
    return Launched(process, directories, account, now, time.monotonic(), Usage(process))


def _make_directories(launch: Launch, mark: Mark, account: Account) -> RunDirectories:
    try:
        with account.acting():
            return make_run_directories(launch, lambda earlier: never_ran(mark.path.parent, earlier))
    except RanAlready as earlier:
        reason = f"this run ran already, as ticket {earlier.ticket}: the database is older than the run directory"
        raise NotStarted(reason, ran_as=earlier.ticket) from None


def never_ran(tickets: Path, ticket: str) -> bool:
    """Whether it is on record that an earlier attempt came to nothing, say because its share went away."""
    try:
        receipt = Mark(tickets, ticket).receipt()
    except (OSError, ValueError):
        return False  # no record, or no ticket at all: the file is in reach of others
    return receipt is not None and receipt.result == "not_started" and receipt.ran_as is None


def follow(launch: Launch, mark: Mark, followed: Launched, say: Callable[[bytes], object]) -> None:
    """Wait until the command has ended, and end it when told to, with all that it has started: wait for that, too."""
    linger_until, say_at = math.inf, followed.began + BEGUN_SECONDS
    while True:
        told = signal.sigtimedwait(_SIGNALS, min(_wait(followed), max(0.0, say_at - time.monotonic())))
        left = _reap(followed)
        now = time.monotonic()
        if followed.status is not None and followed.ending is None:
            linger_until = min(linger_until, now + _LINGER_SECONDS)
        if _is_over(followed, left, now) or now >= linger_until:
            return
        if now >= say_at:
            say(BEGUN)
            say_at = math.inf
        followed.usage.look_if_due()
        if told and told.si_signo == signal.SIGTERM and followed.killed is None and followed.status is None:
            followed.killed = _cause(mark)
            if followed.killed:
                followed.ending = Ending(now + launch.kill_grace)
        if followed.ending:
            _end(followed, followed.ending)


def _wait(followed: Launched) -> float:
    """For how many seconds there is nothing to do but to wait for a signal."""
    rounds = followed.ending is not None or followed.status is not None
    return min(max(0.0, followed.usage.due - time.monotonic()), _LOOK_SECONDS if rounds else _LONG)


def _is_over(followed: Launched, left: bool, now: float) -> bool:
    """Whether all that counts has ended: the command, and where lackey ends it, all else, unless nothing ends that."""
    if followed.status is None:
        return False
    return not left or (followed.ending is not None and now >= followed.ending.kill_at + SPARE_SECONDS)


def _end(followed: Launched, ending: Ending) -> None:
    """Whatever goes wrong with that, the receipt is still to be written."""
    try:
        ending.go_on()
    except Exception:
        if followed.status is None:
            ending.tell_group(followed.process.pid)


def _cause(mark: Mark) -> KillCause | None:
    try:
        return mark.kill_cause()
    except OSError:
        return None  # no reason on record, so none to end anything


def _reap(followed: Launched | None) -> bool:
    """Bury what has ended; keep the command's status. Returns whether any child is left."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if followed:
            followed.usage.reaped(usage)
            if pid == followed.process.pid:
                followed.status = status
            if pid == followed.process.pid or followed.killed:
                followed.ended_at = time.time()
                followed.duration = time.monotonic() - followed.began


def outcome(launch: Launch, followed: Launched) -> Receipt:
    """The receipt of a command that has ended, or that failed in becoming one."""
    refused = followed.process.refusal()
    if refused:
        return not_started(launch, refused)
    assert followed.status is not None
    code = os.waitstatus_to_exitcode(followed.status)
    left = 0
    if _reap(followed):
        left = 0 if followed.killed else _count_left()
        followed.usage.look()
    return Receipt(
        **launch.identity(),
        result="ended",
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        started_at=followed.started_at,
        ended_at=followed.ended_at,
        duration=followed.duration,
        max_rss_bytes=followed.usage.max_rss_bytes,
        cpu_seconds=followed.usage.cpu_seconds,
        killed=followed.killed,
        left_behind=left,
        run_directory=followed.directories.run_directory,
    )


def _count_left() -> int:
    """How many processes there are, one at least; where it can't be told, one."""
    with suppress(Exception):
        return len(tree(os.getpid())) or 1
    return 1


def not_started(launch: Launch, refused: NotStarted) -> Receipt:
    """The receipt of an attempt in which no command ran."""
    return Receipt(
        **launch.identity(),
        result="not_started",
        ended_at=time.time(),
        reason=refused.reason,
        share_away=refused.share_away,
        ran_as=refused.ran_as,
    )


def finish(
    launch: Launch, mark: Mark, receipt: Receipt, say: Callable[[bytes], object], ending: Ending | None = None
) -> bool:
    """Keep the receipt, and end what the command has left, if that is not being done already by `ending`.

    While the disk won't take it, the service is to have it, which is enough if the disk never does. The receipt comes
    first, for the outcome must not depend on how the rest goes. Returns when both are done: whether the receipt is in
    the mark and nothing is left.
    """
    if receipt.result == "ended" and not _reap(None):
        say(RECEIPT + receipt.to_json().encode())
    ending = ending or Ending(time.monotonic() + launch.kill_grace)
    kept, tried, ended, give_up_at = False, -math.inf, False, math.inf
    while True:
        if not kept and time.monotonic() - tried >= _RETRY_SECONDS:
            tried = time.monotonic()
            kept = _keep(mark, receipt, say)
            if not kept and give_up_at == math.inf and hand_in(launch, receipt):
                give_up_at = time.monotonic() + (_KEEP_SECONDS if mark.path.is_dir() else 0.0)
        gone = False
        try:
            gone = ended = not _reap(None)
            if not ended:
                ending.go_on()
        except Exception:
            # The host has no descriptor left, say. None of this may keep the receipt from being handed in.
            ended = time.monotonic() >= ending.kill_at + SPARE_SECONDS
        if ended and (kept or time.monotonic() >= give_up_at):
            if kept:
                say(ENDED)
            return kept and gone
        signal.sigtimedwait(_SIGNALS, _LOOK_SECONDS)


def _keep(mark: Mark, receipt: Receipt, say: Callable[[bytes], object]) -> bool:
    """Have the outcome kept in the mark; False if the disk won't take it now."""
    try:
        mark.add_receipt(receipt, lambda: None if _reap(None) else say(ENDED))
    except OSError:
        return False
    return True
