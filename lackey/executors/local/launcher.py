"""The launcher: a small process, without threads and without anything of the service's, that forks the guards.

To start Python anew would cost more than all else in a launch. It lives as long as the scheduler holds the other end of
its socket; its guards live on. Over the socket comes `WANTED`, with one end of a socket that is to be a guard's;
`GUARDED`, or else why there is none, goes back.
"""

import codecs
import gc
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from lackey.accounts import Account
from lackey.executors.local.descriptors import limit_to
from lackey.executors.local.guard import serve

WANTED = b"guard"
GUARDED = b"guarded"


def main() -> None:
    """`python -m lackey.executors.local.launcher DESCRIPTOR TICKETS [DESCRIPTORS]`.

    It serves until the scheduler closes its end. DESCRIPTORS: how many it, and what it launches, may have.
    """
    # Whoever stops a service signals its processes; this one ends with the scheduler, and by nothing else.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    for signum in (signal.SIGHUP, signal.SIGINT):
        signal.signal(signum, signal.SIG_IGN)
    scheduler = socket.socket(fileno=int(sys.argv[1]))
    tickets = Path(sys.argv[2])
    if len(sys.argv) > 3:
        limit_to(int(sys.argv[3]))
    look_up_names()
    # Nobody waits for a guard.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()  # so that the guards share its memory
    while (asked := _asked(scheduler)) is not None:
        try:
            _fork(asked, tickets, scheduler)
        except OSError as error:
            with suppress(OSError):
                scheduler.sendall((error.strerror or "no process").encode())
        finally:
            os.close(asked)


def look_up_names() -> None:
    """Have the C library load what it looks up users, groups and hosts with, and Python its codecs, once for all."""
    Account.of(None)
    os.getgrouplist("root", 0)
    for codec in ("ascii", "latin-1", "idna"):
        codecs.lookup(codec)
    with suppress(OSError):
        socket.getaddrinfo("localhost", 80)


def _asked(scheduler: socket.socket) -> int | None:
    """The descriptor of the next guard's socket; None at the end."""
    with suppress(ConnectionError):
        _, descriptors, _, _ = socket.recv_fds(scheduler, len(WANTED), 1)
        for each in descriptors:
            os.set_inheritable(each, False)  # whatever the guard starts has no part in it
            return each
    return None


def _fork(channel: int, tickets: Path, scheduler: socket.socket) -> None:
    if os.fork() == 0:
        _guard(channel, tickets, scheduler)
    scheduler.sendall(GUARDED)


def _guard(channel: int, tickets: Path, scheduler: socket.socket) -> NoReturn:
    try:
        # It is to wait for what it starts.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        scheduler.close()
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        os.close(null)
        serve(socket.socket(fileno=channel), tickets)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
