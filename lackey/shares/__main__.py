"""The reader of one share: `python -m lackey.shares [OPTION …] NAME PATH SOCKET`, started by `Readers`."""

import argparse
import json
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from lackey.accounts import Account, NoSuchAccount
from lackey.shares.answering import LINE_LIMIT, Answers
from lackey.shares.monitor import Monitor
from lackey.shares.reading import ShareRoot
from lackey.shares.sockets import listen

# More than what may wait for the share, so that its health can be told even then.
_CLIENTS = 256
_IDLE_SECONDS = 10.0
_TURNED_AWAY_SECONDS = 0.1


class _Server:
    """Answers each connection in a thread of its own, so that none waits for another."""

    def __init__(self, answers: Answers, listener: socket.socket) -> None:
        self._answers = answers
        self._listener = listener
        self._free = threading.Semaphore(_CLIENTS)

    def serve(self) -> None:
        """Go on until standard input ends: with the process that holds its other end, however that one ends."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(sys.stdin, select.POLLIN)
        while all(ready == self._listener.fileno() for ready, _ in poll.poll()):
            connection, _ = self._listener.accept()
            connection.settimeout(_IDLE_SECONDS)
            if self._free.acquire(blocking=False):
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
            else:
                self._turn_away(connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):  # the client may leave when it likes
                _send(connection, *self._answers.answer(_line(connection)))
        finally:
            self._free.release()

    def _turn_away(self, connection: socket.socket) -> None:
        why = f"The share's reader has {_CLIENTS} clients already; ask again."
        # What is closed with something unread is reset, and the client would not hear why.
        connection.settimeout(_TURNED_AWAY_SECONDS)
        with connection, suppress(OSError):
            _line(connection)
            _send(connection, {"ok": False, "error": "away", "why": why}, b"")


def _line(connection: socket.socket) -> bytes:
    """The client's line; if that is too long, more of it than the limit."""
    received = bytearray()
    while b"\n" not in received and len(received) <= LINE_LIMIT and (piece := connection.recv(LINE_LIMIT)):
        received += piece
    return bytes(received.partition(b"\n")[0])


def _send(connection: socket.socket, header: dict[str, Any], content: bytes) -> None:
    # Pure ASCII: a file name that is no UTF-8 travels as the lone surrogates that os.fsdecode makes of it.
    connection.sendall(json.dumps(header).encode() + b"\n" + content)


def main() -> None:
    """Serve one share until standard input ends, or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m lackey.shares", description="Reads one share for lackey.")
    parser.add_argument("name")
    parser.add_argument("path")
    parser.add_argument("socket", type=Path)
    parser.add_argument("--must-be-mounted", action="store_true")
    parser.add_argument("--user", help="The one to look at the share as.")
    given = parser.parse_args()
    # Both are inherited, and a parent that waits for its signals has blocked them.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The socket belongs to whoever started this, and its group; the user who looks at the share has no part in that.
    listener = listen(given.socket, _CLIENTS)
    try:
        account = Account.of(given.user)
    except NoSuchAccount as error:
        sys.exit(f"share {given.name}: {error}")
    account.look()
    share = ShareRoot(given.name, given.path, given.must_be_mounted)
    monitor = Monitor(share, account.name)
    monitor.start()
    _Server(Answers(share, monitor), listener).serve()


if __name__ == "__main__":
    main()
