"""Starts the command's process held at a pipe, so that its pid is on record before the command runs.

It waits for one byte from its guard. Were the guard to die first, the pipe would end, and nothing would run: so no
command ever runs without its pid on record. A second pipe closes when the command takes over (execve(2)), or brings
back why it could not.
"""

import errno
import json
import os
import select
import signal
from dataclasses import dataclass
from typing import NoReturn

from lackey.accounts import Account
from lackey.domain.shell.program import shell_words
from lackey.executors.local.directories import RunDirectories, refusal
from lackey.executors.protocol import Launch, NotStarted

_RESETTABLE = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


@dataclass(frozen=True)
class HeldProcess:
    """A process that becomes the command when told to `begin`."""

    pid: int
    go: int
    said: int

    def begin(self) -> None:
        """Let it run. Raises OSError if it has ended meanwhile."""
        os.write(self.go, b"!")
        os.close(self.go)

    def abandon(self) -> None:
        """Let it end without having run anything."""
        os.close(self.go)

    def has_begun(self) -> bool:
        """Whether it has become the command, or come to nothing."""
        poll = select.poll()
        poll.register(self.said, select.POLLIN)
        return bool(poll.poll(0))

    def refusal(self) -> NotStarted | None:
        """Why it never became the command, once it has ended; None if it did."""
        said = os.read(self.said, 1 << 16)
        if not said:
            return None
        step, code, words = json.loads(said)
        if code is None:
            return NotStarted(f"{step} can not be used: {words}")
        if code == errno.E2BIG:
            return NotStarted("the command, its parameters and its environment are together too long for the system")
        return refusal(step, OSError(code, words))


def prepare(launch: Launch, account: Account, directories: RunDirectories, env: dict[str, str]) -> HeldProcess:
    """Fork the command's process, which then waits. Raises OSError."""
    go, tell_go = os.pipe()
    said, tell_said = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(tell_go)
        _become(launch, account, directories, env, go, tell_said)
    for descriptor in (go, tell_said, directories.application):
        os.close(descriptor)
    return HeldProcess(pid, tell_go, said)


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
        step = f"the directory {launch.directory!r}" if launch.workdir == "application" else "the run directory"
        os.fchdir(directories.application if launch.workdir == "application" else directories.run)
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
