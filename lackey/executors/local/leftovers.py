"""What lives of a launch whose guard and command are both gone, and how it is ended, before the launch counts as gone.

The kernel's OOM killer, say, may end both, and leave what the command had started, with pid 1 as its parent. It is
known by the session, which the guard had made, and by the token in its environment, which is of this one launch. The
environment of a process can be read by its own user alone, and to read it may take long: so this is done by a process
of its own, which becomes that user: `python -m lackey.executors.local.leftovers GRACE SESSION DIGEST [USER]`.
"""

import hashlib
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from lackey.accounts import Account, NoSuchAccount
from lackey.executors.local.processes import boot_id, start_ticks
from lackey.executors.local.tickets import Owner

AT_ONCE = 4
SPARE_SECONDS = 10.0
_LOOK_SECONDS = 0.1
_LIBRARY = Path(__file__).resolve().parents[3]

Process = tuple[int, int]  # its pid and its start ticks


class Leftovers:
    """Ends what is left of launches, each by a process that nobody waits for; a few at a time."""

    def __init__(self, user: str | None) -> None:
        """`user`: the one that simulations run as; None: this process's own."""
        self._user = [] if user is None else [user]
        self._at_work: dict[str, tuple[subprocess.Popen[str], float]] = {}

    def end(self, owner: Owner, digest: str | None, grace_seconds: float) -> int | None:
        """How many processes were left and have been ended; None: that goes on, ask again.

        `digest`: of the launch's token. Raises OSError, with the reason, if something can't be ended.
        """
        if owner.command is None or owner.boot_id != boot_id():
            return 0
        if owner.ticket not in self._at_work:
            self._drop_overdue()
            if len(self._at_work) < AT_ONCE:
                deadline = time.monotonic() + grace_seconds + 3 * SPARE_SECONDS
                self._at_work[owner.ticket] = self._start(owner, digest, grace_seconds), deadline
            return None
        process, deadline = self._at_work[owner.ticket]
        if process.poll() is None and time.monotonic() < deadline:
            return None
        del self._at_work[owner.ticket]
        process.kill()
        if process.returncode is None:
            raise OSError("to look for what it has left takes too long")
        said, _ = process.communicate()
        if process.returncode != 0:
            raise OSError(said.strip() or "it could not be looked for what it has left")
        return int(said)

    def _drop_overdue(self) -> None:
        """Make room: nobody asks any more for a ticket that an older copy of the database, put in place, has not."""
        for ticket, (process, deadline) in list(self._at_work.items()):
            if time.monotonic() >= deadline:
                del self._at_work[ticket]
                _end(process)

    def _start(self, owner: Owner, digest: str | None, grace_seconds: float) -> subprocess.Popen[str]:
        given = [str(grace_seconds), str(owner.pid), digest or "-", *self._user]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "lackey.executors.local.leftovers", *given],
            env={"PYTHONPATH": str(_LIBRARY)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def close(self) -> None:
        """Wait for none of them any more."""
        for process, _ in self._at_work.values():
            _end(process)
        self._at_work.clear()


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=1.0)


def _belongs(pid: int, session: int, digest: str) -> bool:
    """Whether the process is of the launch. Raises OSError for one that has ended, or is another user's."""
    # Nobody is given the number of a session that has members, but once it had none, the next leader may be.
    if os.getsid(pid) == session and start_ticks(session) is None:
        return True
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    tokens = [entry.removeprefix(b"LACKEY_TOKEN=") for entry in environment if entry.startswith(b"LACKEY_TOKEN=")]
    return any(hashlib.sha256(token).hexdigest() == digest for token in tokens)


def _tell(signum: int, session: int, digest: str) -> set[Process]:
    """Signal all that live of the launch; which these are. 0 signals nothing."""
    found = set()
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and int(name) != os.getpid() and _belongs(int(name), session, digest):
                pidfd = os.pidfd_open(int(name))
                try:
                    # Once more, now that the number can't go to another process.
                    ticks = start_ticks(int(name))
                    if ticks is not None and _belongs(int(name), session, digest):
                        found.add((int(name), ticks))
                        with suppress(PermissionError):
                            signal.pidfd_send_signal(pidfd, signum)
                finally:
                    os.close(pidfd)
    return found


def main() -> NoReturn:
    """End what is left, and print how many processes that were."""
    grace_seconds, session, digest, *user = sys.argv[1:]
    try:
        Account.of(user[0] if user else None).become()
    except NoSuchAccount as error:
        print(error)
        sys.exit(1)
    began = time.monotonic()
    seen: set[Process] = set()
    while True:
        killing = time.monotonic() - began >= float(grace_seconds)
        living = _tell(signal.SIGKILL if killing else 0, int(session), digest)
        if not living <= seen and not killing:
            living |= _tell(signal.SIGTERM, int(session), digest)
        seen |= living
        if not living:
            print(len(seen))
            sys.exit(0)
        if time.monotonic() - began > float(grace_seconds) + SPARE_SECONDS:
            print(f"it has left processes that can't be ended: {', '.join(str(pid) for pid, _ in sorted(living))}")
            sys.exit(1)
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    main()
