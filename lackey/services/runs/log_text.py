"""A log as it is read: what is held of its parts, one after the other, and a line where something is missing.

Nothing of a log is held in memory but the piece that is being handed on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from lackey.domain.refusals import Unavailable
from lackey.services.dispatch.kept_logs import FILE_LOG_LIMIT
from lackey.store import logs
from lackey.store.database import Database
from lackey.store.logs import Span

PIECE = 1 << 20

Part = Literal["file", "reported", "stop"]


@dataclass(frozen=True)
class Held:
    """`size` bytes that can be read: `read(start, length)`, `start` counting from the first, length ≤ `PIECE`."""

    size: int
    read: Callable[[int, int], bytes]


@dataclass(frozen=True)
class Missing:
    """`size` bytes that were sent or written and can't be read. `why` goes into the line that stands for them."""

    size: int
    why: Literal["left out", "not received"]


class LogText:
    """The text of a log as served: `size` in bytes; `complete` if nothing is missing from it."""

    def __init__(self, stretches: list[Held | Missing], complete: bool = True) -> None:
        """`stretches` follow one another; not `complete` if more may be missing than they say.

        Raises Unavailable while the database can't be reached.
        """
        self.complete = complete and not any(isinstance(stretch, Missing) for stretch in stretches)
        self._held: list[Held] = []
        for stretch in stretches:
            self._held.append(stretch if isinstance(stretch, Held) else _line(stretch, self._ends_a_line()))
        self.size = sum(held.size for held in self._held)

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to `end`, in pieces. Raises Unavailable if some of them have gone meanwhile."""
        reached = 0
        for held in self._held:
            first, last = max(start - reached, 0), min(end - reached, held.size)
            while first < last:
                piece = held.read(first, min(last - first, PIECE))
                if not piece:
                    raise Unavailable("the log has changed while it was read; read it again")
                yield piece
                first += len(piece)
            reached += held.size

    def _ends_a_line(self) -> bool:
        before = next((held for held in reversed(self._held) if held.size), None)
        return before is None or before.read(before.size - 1, 1) == b"\n"


def _line(missing: Missing, at_line_start: bool) -> Held:
    text = f"{'' if at_line_start else chr(10)}[lackey: {missing.size} bytes {missing.why}]\n".encode()
    return Held(len(text), lambda start, length: text[start : start + length])


def stored(database: Database, run_id: int, part: Part, end: int, log_limit: int) -> list[Held | Missing]:
    """What the database holds of one part of a run's log, which reaches up to `end` bytes."""
    limit = FILE_LOG_LIMIT if part == "file" else log_limit
    with database.read() as connection:
        spans = logs.spans(connection, run_id, part, end, limit)
    cut = (limit // 2, end - limit // 2) if end > limit else (end, end)
    stretches: list[Held | Missing] = []
    for span in spans:
        if span.is_held:
            stretches.append(_held(database, run_id, part, span))
        else:
            stretches += _missing(span, *cut)
    return stretches


def _held(database: Database, run_id: int, part: Part, span: Span) -> Held:
    def read(start: int, length: int) -> bytes:
        with database.read() as connection:
            return logs.content(connection, run_id, part, span.start + start, span.start + start + length)

    return Held(span.end - span.start, read)


def _missing(span: Span, cut_from: int, cut_to: int) -> list[Missing]:
    """What was cut on purpose, and before and after it what never came."""
    sizes: list[tuple[int, Literal["left out", "not received"]]] = [
        (min(span.end, cut_from) - span.start, "not received"),
        (min(span.end, cut_to) - max(span.start, cut_from), "left out"),
        (span.end - max(span.start, cut_to), "not received"),
    ]
    return [Missing(size, why) for size, why in sizes if size > 0]
