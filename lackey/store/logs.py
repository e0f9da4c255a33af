"""The bytes of logs. Held bytes stand; what lies between a long log's head and tail is let go.

A part of a log (`file`, `reported`, `stop`) is a row of pieces, each with the offset at which it begins in what was
sent. Up to `limit` bytes all are kept, beyond that the first and the last `limit / 2`. Which bytes those are depends on
how far the log reaches, not on the order in which the pieces came. A piece that reaches into the part that is let go is
stored whole, and cut when it is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from lackey.store.models import LogPieceRow

_PIECE = LogPieceRow.metadata.tables[LogPieceRow.__tablename__]
_LENGTH = func.length(LogPieceRow.content)
_ADD = insert(_PIECE)
_OVERLAPPING = (
    select(LogPieceRow.start, _LENGTH)
    .where(
        LogPieceRow.run_id == bindparam("its_run"),
        LogPieceRow.part == bindparam("its_part"),
        LogPieceRow.start < bindparam("its_end"),
        LogPieceRow.start + _LENGTH > bindparam("its_start"),
    )
    .order_by(LogPieceRow.start)
)


# Pieces are joined up to this size: so that a log of many lines is few pieces, and each line rewrites little.
_JOINED_BYTES = 16 << 10
_LAST_BEFORE = (
    select(LogPieceRow.start, LogPieceRow.content)
    .where(
        LogPieceRow.run_id == bindparam("its_run"),
        LogPieceRow.part == bindparam("its_part"),
        LogPieceRow.start < bindparam("its_start"),
        _LENGTH < _JOINED_BYTES,
    )
    .order_by(LogPieceRow.start.desc())
    .limit(1)
)
_GROW = (
    update(_PIECE)
    .where(
        _PIECE.c.run_id == bindparam("its_run"),
        _PIECE.c.part == bindparam("its_part"),
        _PIECE.c.start == bindparam("its_start"),
    )
    .values(content=bindparam("whole"))
)


@dataclass(frozen=True)
class Span:
    """Bytes from `start` up to `end` of what was sent; `piece` is the stored piece they are in, None if none is."""

    start: int
    end: int
    piece: int | None


def put(connection: Connection, run_id: int, part: str, start: int, content: bytes) -> int:
    """Keep those of the bytes that are not held yet; how many these are."""
    missing = _missing(connection, run_id, part, start, start + len(content))
    for first, last in missing:
        piece = content[first - start : last - start]
        if _joined(connection, run_id, part, first, piece):
            continue
        connection.execute(_ADD, {"run_id": run_id, "part": part, "start": first, "content": piece})
    return sum(last - first for first, last in missing)


def _joined(connection: Connection, run_id: int, part: str, start: int, content: bytes) -> bool:
    """Whether the bytes were put behind the small piece that ends where they begin: a log comes line by line."""
    before = connection.execute(_LAST_BEFORE, {"its_run": run_id, "its_part": part, "its_start": start}).one_or_none()
    if before is None or before[0] + len(before[1]) != start or len(before[1]) + len(content) > _JOINED_BYTES:
        return False
    joined = {"its_run": run_id, "its_part": part, "its_start": before[0], "whole": bytes(before[1]) + content}
    connection.execute(_GROW, joined)
    return True


def count(connection: Connection, run_id: int, part: str) -> int:
    """How many pieces are held of a part."""
    return connection.execute(select(func.count()).where(*_of(run_id, part))).scalar_one()


def add_all(connection: Connection, pieces: Iterable[tuple[int, str, int, bytes]]) -> None:
    """Keep pieces of parts that hold nothing at these places: run, part, start and content of each."""
    names = ("run_id", "part", "start", "content")
    rows = [dict(zip(names, piece, strict=True)) for piece in pieces]
    if rows:
        connection.execute(_ADD, rows)


def drop(connection: Connection, run_id: int, part: str) -> None:
    """Let all of a part go."""
    connection.execute(delete(LogPieceRow).where(*_of(run_id, part)))


def let_go(connection: Connection, run_id: int, part: str, end: int, limit: int) -> None:
    """Drop the pieces that lie wholly between the head and the tail of a log that reaches up to `end`."""
    if end > limit:
        connection.execute(
            delete(LogPieceRow).where(
                *_of(run_id, part), LogPieceRow.start >= limit // 2, LogPieceRow.start + _LENGTH <= end - limit // 2
            )
        )


def spans(connection: Connection, run_id: int, part: str, end: int, limit: int) -> list[Span]:
    """What a log up to `end` consists of, from its start: spans that are held, and between them those that are not."""
    rows = connection.execute(select(LogPieceRow.start, _LENGTH).where(*_of(run_id, part)).order_by(LogPieceRow.start))
    cut = (limit // 2, end - limit // 2) if end > limit else (end, end)
    held = [Span(start, start + length, start) for start, length in rows]
    clipped = [Span(s.start, min(s.end, cut[0]), s.piece) for s in held] + [
        Span(max(s.start, cut[1]), s.end, s.piece) for s in held
    ]
    found: list[Span] = []
    reached = 0
    for span in (s for s in clipped if s.start < s.end):
        if span.start > reached:
            found.append(Span(reached, span.start, None))
        found.append(span)
        reached = span.end
    return [*found, Span(reached, end, None)] if reached < end else found


def content(connection: Connection, run_id: int, part: str, span: Span, start: int, length: int) -> bytes:
    """Up to `length` bytes of a held span, from `start` (in what was sent)."""
    length = min(length, span.end - start)
    piece = func.substr(LogPieceRow.content, start - (span.piece or 0) + 1, length)
    found = connection.execute(
        select(piece).where(*_of(run_id, part), LogPieceRow.start == span.piece)
    ).scalar_one_or_none()
    return bytes(found or b"")


def _of(run_id: int, part: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (LogPieceRow.run_id == run_id, LogPieceRow.part == part)


def _missing(connection: Connection, run_id: int, part: str, start: int, end: int) -> list[tuple[int, int]]:
    """The parts of [start, end) that no piece holds."""
    wanted = {"its_run": run_id, "its_part": part, "its_start": start, "its_end": end}
    rows = connection.execute(_OVERLAPPING, wanted)
    missing = []
    for first, length in rows:
        if first > start:
            missing.append((start, first))
        start = max(start, first + length)
    return [*missing, (start, end)] if start < end else missing
