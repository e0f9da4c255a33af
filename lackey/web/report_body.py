"""What comes of reading a report's body: its fields, as much of its log as is kept, what was odd, or an error."""

from dataclasses import dataclass, field
from typing import Any

from lackey.domain.refusals import FieldError

# The tail is cut only now and then, for each cut moves what stays.
_SLACK = 1 << 20
# What these say is shown, and nothing follows from it.
SHOWN_ONLY = frozenset({"host", "message"})
_NAMED_AT_MOST = 5
_NAME_CHARACTERS = 40


class BodyError(Exception):
    """The body can't be read. `field` is the one at fault, if it is one; `too_large` asks for 413 instead of 400."""

    def __init__(self, field: str | None, message: str, *, too_large: bool = False) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field
        self.message = message
        self.too_large = too_large


@dataclass(frozen=True)
class KeptBytes:
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

    def kept(self) -> KeptBytes:
        self._cut()
        return KeptBytes(bytes(self._head), bytes(self._tail), self._size)


@dataclass
class Oddities:
    """What a body holds beside what is understood. It costs no outcome that is named, and counts where none is.

    `unknown`: the first names of fields that nobody knows; `faults`: what is wrong with the body itself; `decoded`:
    text in it was not UTF-8, and what was no text stands as U+FFFD.
    """

    unknown: list[str] = field(default_factory=list)
    faults: list[FieldError] = field(default_factory=list)
    decoded: bool = False

    @property
    def has_room(self) -> bool:
        """Whether another name would be noted."""
        return len(self.unknown) < _NAMED_AT_MOST

    def note_unknown(self, name: str) -> None:
        """There is a field of this name; the first few are noted, each once."""
        name = name[:_NAME_CHARACTERS]
        if self.has_room and name not in self.unknown:
            self.unknown.append(name)

    def note_fault(self, field: str, message: str) -> None:
        """Something is wrong with the body; noted once."""
        if (fault := FieldError(field, message)) not in self.faults:
            self.faults.append(fault)

    def text(self, sent: bytes | bytearray) -> str:
        """What was sent, as text."""
        try:
            return sent.decode()
        except UnicodeDecodeError:
            self.decoded = True
            return sent.decode(errors="replace")


@dataclass(frozen=True)
class ReportBody:
    """The fields of a report, without its log, which is None if there was none. Not shown, for one may be the token."""

    fields: dict[str, Any] = field(repr=False)
    log: KeptBytes | None
    odd: Oddities = field(default_factory=Oddities, repr=False)
