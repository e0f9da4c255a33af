"""Starts the command's process held at a pipe, so that its pid is on record before the command runs.

It waits for a word from its guard. Were the guard to die first, the pipe would end, and nothing would run: so no
command ever runs without its pid on record.

It is forked, or spawned where that will do: to copy a process of Python costs more than all of a short command. Then it
is a shell that waits, and becomes the command's.
"""

import errno
import json
import os
import select
import signal
from dataclasses import dataclass
from typing import NoReturn

from lackey.accounts import Account
from lackey.domain.shell.program import DEFAULT_SHELL, shell_words
from lackey.executors.local.directories import RunDirectories, refusal
from lackey.executors.protocol import Launch, NotStarted

_RESETTABLE = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


_GO = b"!\n"
# The shell that waits is the one that the command is for: it makes of its environment what that one would.
_WAITS = 'read -r go <&3 || exit 1; exec "$@" 3<&-'


@dataclass(frozen=True)
class HeldProcess:
    """A process that becomes the command when told to `begin`.

    `said`: a pipe that closes when it does (execve(2)), or brings back why it could not; None for one that can.
    """

    pid: int
    go: int
    said: int | None

    def begin(self) -> None:
        """Let it run. Raises OSError if it has ended meanwhile."""
        os.write(self.go, _GO)
        os.close(self.go)

    def abandon(self) -> None:
        """Let it end without having run anything."""
        os.close(self.go)

    def is_copy(self) -> bool:
        """Whether it is a copy of this process still: it has neither become the command, nor come to nothing."""
        if self.said is None:
            return False
        poll = select.poll()
        poll.register(self.said, select.POLLIN)
        return not poll.poll(0)

    def refusal(self) -> NotStarted | None:
        """Why it never became the command, once it has ended; None if it did."""
        said = b"" if self.said is None else os.read(self.said, 1 << 16)
        if not said:
            return None
        step, code, words = json.loads(said)
        return NotStarted(f"{step} can not be used: {words}") if code is None else _refusal(step, OSError(code, words))


def prepare(launch: Launch, account: Account, directories: RunDirectories, env: dict[str, str]) -> HeldProcess:
    """Make the command's process, which then waits. Raises OSError if the host has none to give, NotStarted."""
    go, tell_go = os.pipe()
    quick = launch.shell == DEFAULT_SHELL and not account.other
    process = (_spawn if quick else _fork)(launch, account, directories, env, go, tell_go)
    for descriptor in (go, directories.application):
        os.close(descriptor)
    return process


def _fork(
    launch: Launch, account: Account, directories: RunDirectories, env: dict[str, str], go: int, tell_go: int
) -> HeldProcess:
    said, tell_said = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(tell_go)
        _become(launch, account, directories, env, go, tell_said)
    os.close(tell_said)
    return HeldProcess(pid, tell_go, said)


def _spawn(
    launch: Launch, account: Account, directories: RunDirectories, env: dict[str, str], go: int, tell_go: int
) -> HeldProcess:
    """For this process's own user, who has no capability that a program would keep (`privileges.settle`)."""
    step, directory = _place(launch, directories)
    try:
        os.fchdir(directory)
        step = f"the shell {launch.shell!r}"
        shell = [DEFAULT_SHELL, "-c", _WAITS, DEFAULT_SHELL, *shell_words(launch.shell), "-c", launch.command]
        # The log first: its descriptor may be 3.
        given = [(os.POSIX_SPAWN_DUP2, *each) for each in ((directories.log, 1), (directories.log, 2), (go, 3))]
        pid = os.posix_spawn(
            DEFAULT_SHELL, shell, env, file_actions=given, setpgroup=0, setsigmask=(), setsigdef=_RESETTABLE
        )
    except ValueError as error:
        raise NotStarted(f"{step} can not be used: {error}") from error
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.ENOMEM):
            raise
        raise _refusal(step, error) from error
    finally:
        os.chdir("/")
    return HeldProcess(pid, tell_go, None)


def _place(launch: Launch, directories: RunDirectories) -> tuple[str, int]:
    """Where the command is to run: what to call it, and a descriptor of it."""
    if launch.workdir == "application":
        return f"the directory {launch.directory!r}", directories.application
    return "the run directory", directories.run


def _refusal(step: str, error: OSError) -> NotStarted:
    if error.errno == errno.E2BIG:
        return NotStarted("the command, its parameters and its environment are together too long for the system")
    return refusal(step, error)


def _become(
    launch: Launch, account: Account, directories: RunDirectories, env: dict[str, str], go: int, said: int
) -> NoReturn:
    step = "the process"
    try:
        if not os.read(go, 1):
            os._exit(1)
        os.setpgid(0, 0)
        _reset_signals()
        os.dup2(directories.log, 1)
        os.dup2(directories.log, 2)
        step = f"the user {account.name!r}"
        account.become()
        step, directory = _place(launch, directories)
        os.fchdir(directory)
        step = f"the shell {launch.shell!r}"
        shell = shell_words(launch.shell)
        os.execve(shell[0], [*shell, "-c", launch.command], env)
    except Exception as error:
        code = error.errno if isinstance(error, OSError) else None
        os.write(said, json.dumps([step, code, str(error)]).encode())
    finally:
        os._exit(127)


def _reset_signals() -> None:
    """As a shell would have them: Python ignores SIGPIPE, the guard blocks and ignores some."""
    for signum in _RESETTABLE:
        signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
