"""What comes of reading a report's body: its fields, as much of its log as is kept, or an error."""

from dataclasses import dataclass, field
from typing import Any

# The tail is cut only now and then, for each cut moves what stays.
_SLACK = 1 << 20


class BodyError(Exception):
    """The body can't be read. `field` is the one at fault, if it is one; `too_large` asks for 413 instead of 400."""

    def __init__(self, field: str | None, message: str, *, too_large: bool = False) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field
        self.message = message
        self.too_large = too_large


@dataclass(frozen=True)
class Kept:
    """What is left of a log of `size` bytes: `head` begins at byte 0, `tail` at byte `size - len(tail)`.

    Where nothing had to be left out, the tail begins where the head ends.
    """

    head: bytes = field(repr=False)
    tail: bytes = field(repr=False)
    size: int


class LogSink:
    """Keeps the first `limit // 2` bytes written to it, the last `limit - limit // 2`, and the count of all."""

    def __init__(self, limit: int) -> None:
        self._head_room = limit // 2
        self._tail_room = limit - self._head_room
        self._head = bytearray()
        self._tail = bytearray()
        self._size = 0

    def write(self, piece: bytes) -> None:
        self._size += len(piece)
        room = self._head_room - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:] if room else piece
        if len(self._tail) > self._tail_room + _SLACK:
            self._cut()

    def _cut(self) -> None:
        del self._tail[: max(0, len(self._tail) - self._tail_room)]

    def kept(self) -> Kept:
        self._cut()
        return Kept(bytes(self._head), bytes(self._tail), self._size)


@dataclass(frozen=True)
class ReportBody:
    """The fields of a report, without its log, which is None if there was none. Not shown, for one may be the token."""

    fields: dict[str, Any] = field(repr=False)
    log: Kept | None
