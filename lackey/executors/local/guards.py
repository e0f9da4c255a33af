"""The guards that this scheduler hands launches to: each sees them through one after the other.

Over its socket, which is a stream, for parameters may be larger than any packet: four bytes of length and a `Launch` as
JSON go to the guard, and a line each comes back: BEGUN, if the command is not over at once; RECEIPT with the receipt,
once nothing of it lives, while that is written; ENDED once it is kept and nothing of it lives; FREE once the guard can
take another. It ends when its socket does: with its scheduler, that is, or when it is not needed any more. And by the
same the scheduler knows that a guard is gone.

Whoever records an end need not wait for the disk under its mark. Should the power fail meanwhile, the end is on record
in the database, or the run is lost with its host.

A guard has one ticket at a time. What it had before is over for good: it takes another only if the receipt of the one
before is in its mark, and if no process is left of that. So whatever a mark without a receipt says of its guard, it
says of a guard that is at this very ticket.
"""

import select
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from lackey.domain.receipt import Receipt, parse_receipt

LENGTH = struct.Struct("!I")
# Each is a line; behind RECEIPT stands what the receipt holds.
BEGUN, RECEIPT, ENDED, FREE = b"b", b"r", b"e", b"f"
_READ_AT_ONCE = 1 << 16
# What was told of more than so many that nobody asked about is let go: it is in their marks.
_RECEIPTS_AT_MOST = 1_000

# For so long it is waited for a guard to take a launch, and for another launch for a guard.
TAKE_SECONDS = 10.0
_SPARE_SECONDS = 5.0
# So long it may take to leave a receipt with its run; with a share that hangs, it takes as long as that does.
_LEAVE_SECONDS = 30.0


class _Guard:
    """One of them: its end of the socket, its ticket, and since when it has none (monotonic seconds)."""

    def __init__(self, channel: socket.socket) -> None:
        channel.settimeout(TAKE_SECONDS)
        self.channel = channel
        self.ticket: str | None = None
        self.idle_since = 0.0
        self.is_free = False
        self._line = b""

    def said(self) -> list[bytes] | None:
        """The lines that it has said since; None if it is gone. Never waits."""
        try:
            read = self.channel.recv(_READ_AT_ONCE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            return None
        *lines, self._line = (self._line + read).split(b"\n")
        return lines if read else None

    def has_spoken(self) -> bool:
        """Whether something can be read of it."""
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        return bool(poll.poll(0))


class Guards:
    """Those of one executor."""

    def __init__(self, fork: Callable[[], socket.socket]) -> None:
        """There is none yet. `fork` makes one, and returns the other end of its socket; it raises OSError."""
        self._fork = fork
        self._selector = selectors.EpollSelector()
        self._guards: list[_Guard] = []
        self._at_work: dict[str, _Guard] = {}
        self._begun: set[str] = set()
        self._receipts: dict[str, Receipt] = {}

    def fileno(self) -> int:
        """A descriptor that can be read when a guard has said something, or has ended."""
        return self._selector.fileno()

    def hand_over(self, ticket: str, launch: bytes) -> None:
        """Have a guard see this launch through. Raises OSError; whether one does is then unknown."""
        message = LENGTH.pack(len(launch)) + launch
        for guard in self._free():
            # One that has just ended has not taken it: it was not there to read all of it.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._send(guard, ticket, message)
                return
        guard = _Guard(self._fork())
        self._guards.append(guard)
        self._send(guard, ticket, message)

    def _free(self) -> Iterator[_Guard]:
        """Those that can take another, the one first that was at work last: what it needs is in the caches."""
        self._hear_idle()
        yield from sorted((each for each in self._guards if each.is_free), key=lambda guard: -guard.idle_since)

    def _hear_idle(self) -> None:
        for guard in [each for each in self._guards if each.ticket is None and not each.is_free]:
            if guard.has_spoken():
                self._hear(guard)

    def _send(self, guard: _Guard, ticket: str, message: bytes) -> None:
        self._selector.register(guard.channel, selectors.EVENT_READ, guard)
        guard.ticket, guard.is_free = ticket, False
        self._at_work[ticket] = guard
        try:
            guard.channel.sendall(message)
        except OSError:
            self._drop(guard)
            raise

    def __contains__(self, ticket: object) -> bool:
        """Whether a guard is at it, as far as was heard."""
        return ticket in self._at_work

    def hear(self) -> None:
        """Take note of what the guards have said, and let those go that are not needed any more."""
        for key, _ in self._selector.select(0):
            self._hear(key.data)
        self._hear_idle()
        now = time.monotonic()
        for guard in [one for one in self._guards if one.ticket is None]:
            if now - guard.idle_since > (_SPARE_SECONDS if guard.is_free else _LEAVE_SECONDS):
                self._drop(guard)

    def _hear(self, guard: _Guard) -> None:
        said = guard.said()
        if said is None:
            self._drop(guard)
            return
        for line in said:
            word = line[:1]
            if word == BEGUN and guard.ticket is not None:
                self._begun.add(guard.ticket)
            elif word == RECEIPT and guard.ticket is not None:
                self._note_receipt(guard.ticket, line[1:])
            if word != BEGUN:
                self._part(guard)
                guard.is_free = word == FREE

    def _note_receipt(self, ticket: str, told: bytes) -> None:
        # What is none is looked at where it is kept.
        with suppress(ValueError):
            receipt = parse_receipt(told.decode())
            if receipt.ticket == ticket:
                self._receipts[ticket] = receipt
        while len(self._receipts) > _RECEIPTS_AT_MOST:
            del self._receipts[next(iter(self._receipts))]

    def receipt(self, ticket: str) -> Receipt | None:
        """What its guard has told, until the ticket is forgotten; None if that is nothing, be it kept or not."""
        return self._receipts.get(ticket)

    def begun(self, ticket: str) -> bool:
        """Whether its guard has said that its command has begun; that is told once."""
        if ticket in self._begun:
            self._begun.remove(ticket)
            return True
        return False

    def forget(self, ticket: str) -> None:
        """Nothing of the ticket is of interest any more."""
        self._receipts.pop(ticket, None)
        if ticket in self._at_work:
            self._part(self._at_work[ticket])

    def _part(self, guard: _Guard) -> None:
        """It is at its ticket no more; that it is free then wakes nobody."""
        if guard.ticket is not None:
            self._selector.unregister(guard.channel)
            # An older copy of the database may have had its ticket handed over once more.
            if self._at_work.get(guard.ticket) is guard:
                del self._at_work[guard.ticket]
                self._begun.discard(guard.ticket)
            guard.ticket, guard.idle_since = None, time.monotonic()

    def _drop(self, guard: _Guard) -> None:
        self._part(guard)
        self._guards.remove(guard)
        guard.channel.close()

    def close(self) -> None:
        """Let all of them go: each ends when what it has been handed has."""
        for guard in list(self._guards):
            self._drop(guard)


def received(channel: socket.socket) -> bytes:
    """The next message that was sent with its `LENGTH`; empty at the end."""
    with suppress(ConnectionError):
        head = channel.recv(LENGTH.size, socket.MSG_WAITALL)
        if len(head) == LENGTH.size:
            (length,) = LENGTH.unpack(head)
            body = channel.recv(length, socket.MSG_WAITALL)
            return body if len(body) == length else b""
    return b""
