"""The launcher: a small process, without threads and without anything of the service's, that forks the guards.

To start Python anew would cost more than all else in a launch. It lives as long as the scheduler holds the other end of
its socket; its guards live on. Over the socket, which is a stream, for parameters may be larger than any packet: four
bytes of length and a `Launch` as JSON come in; `GUARDED` with the guard's pidfd, or else why there is none, goes out.
"""

import codecs
import gc
import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from lackey.accounts import Account
from lackey.executors.local.descriptors import limit_to
from lackey.executors.local.guard import guard
from lackey.executors.protocol import Launch

LENGTH = struct.Struct("!I")
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
    gc.freeze()  # so that the guards share its memory
    while message := _received(scheduler):
        launch = Launch(**json.loads(message))
        try:
            _fork(launch, tickets, scheduler)
        except OSError as error:
            with suppress(OSError):
                scheduler.sendall((error.strerror or "no process").encode())


def look_up_names() -> None:
    """Have the C library load what it looks up users, groups and hosts with, and Python its codecs, once for all."""
    Account.of(None)
    os.getgrouplist("root", 0)
    for codec in ("ascii", "latin-1", "idna"):
        codecs.lookup(codec)
    with suppress(OSError):
        socket.getaddrinfo("localhost", 80)


def _received(scheduler: socket.socket) -> bytes:
    """The next message; empty at the end."""
    with suppress(ConnectionError):
        head = scheduler.recv(LENGTH.size, socket.MSG_WAITALL)
        if len(head) == LENGTH.size:
            (length,) = LENGTH.unpack(head)
            body = scheduler.recv(length, socket.MSG_WAITALL)
            return body if len(body) == length else b""
    return b""


def _fork(launch: Launch, tickets: Path, scheduler: socket.socket) -> None:
    # A guard that ends at once must be there until it has its pidfd; after that, the kernel may bury it.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        _guard(launch, tickets, scheduler)
    try:
        pidfd = os.pidfd_open(pid)
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    try:
        socket.send_fds(scheduler, [GUARDED], [pidfd])
    finally:
        os.close(pidfd)


def _guard(launch: Launch, tickets: Path, scheduler: socket.socket) -> NoReturn:
    try:
        scheduler.close()
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        os.close(null)
        guard(launch, tickets)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
