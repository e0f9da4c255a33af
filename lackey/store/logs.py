"""The bytes of logs. Held bytes stand; what lies between a long log's head and tail is let go.

A part of a log (`file`, `reported`, `stop`) is a row of pieces, each with the offset at which it begins in what was
sent. Up to `limit` bytes all are kept, beyond that the first and the last `limit / 2`. Which bytes those are depends on
how far the log reaches, not on the order in which the pieces came. A piece that reaches into the part that is let go is
stored whole, and cut when it is read.

Small pieces that touch are joined as they come, so that a log has as many rows as it has bytes and gaps, however many
reports brought it. Every question here is about a range of offsets, so pieces that are not joined are read as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)

from lackey.store import waiting_writes
from lackey.store.compiled import FIRST, Compiled
from lackey.store.models import LogPieceRow
from lackey.store.models.log import WORDS_DUE

# Up to this size pieces are joined: so that a log of many lines is few rows, and each line writes little anew.
JOINED_BYTES = 16 << 10

_PIECE = LogPieceRow.metadata.tables[LogPieceRow.__tablename__]
_LENGTH = func.length(_PIECE.c.content)
_ITS_PART = (_PIECE.c.run_id == bindparam("its_run"), _PIECE.c.part == bindparam("its_part"))
_FROM: BindParameter[int] = bindparam("its_start")
_TO: BindParameter[int] = bindparam("its_end")

_ADD = Compiled(insert(_PIECE).inline())
_CHANGE = Compiled(update(_PIECE).where(*_ITS_PART, _PIECE.c.start == _FROM))
# Pieces do not overlap, so of those that begin before a place only the last one can reach it.
_REACHING = func.coalesce(
    select(func.max(_PIECE.c.start)).where(*_ITS_PART, _PIECE.c.start <= _FROM).scalar_subquery(), _FROM
)
_AROUND = Compiled(
    select(_PIECE.c.start, _LENGTH)
    .where(*_ITS_PART, _PIECE.c.start >= _REACHING, _PIECE.c.start <= _TO)
    .order_by(_PIECE.c.start)
)
_WHOLE = (
    select(_PIECE.c.start, _PIECE.c.content)
    .where(*_ITS_PART, _PIECE.c.start >= _FROM, _PIECE.c.start < _TO)
    .order_by(_PIECE.c.start)
)
_SKIPPED = case((_PIECE.c.start < _FROM, _FROM - _PIECE.c.start), else_=0)
_WITHIN = (
    select(_PIECE.c.start + _SKIPPED, func.substr(_PIECE.c.content, cast(_SKIPPED + 1, Integer), bindparam("length")))
    .where(*_ITS_PART, _PIECE.c.start >= _REACHING, _PIECE.c.start < _TO)
    .order_by(_PIECE.c.start)
)
_ALL = select(_PIECE.c.start, _LENGTH).where(*_ITS_PART).order_by(_PIECE.c.start)
_REMOVE = delete(_PIECE).where(*_ITS_PART, _PIECE.c.start == _FROM)
# On PostgreSQL a piece that grows at this moment is left for later, and none grows until its words are known.
_DUE = Compiled(
    select(_PIECE.c.run_id, _PIECE.c.part, _PIECE.c.start, _PIECE.c.content)
    .where(WORDS_DUE)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_ANY_DUE = Compiled(select(_PIECE.c.start).where(WORDS_DUE).limit(FIRST))
_LET_GO = (
    select(_PIECE.c.start, _PIECE.c.content)
    .where(*_ITS_PART, _PIECE.c.start >= _FROM, _PIECE.c.start < _TO, _PIECE.c.start + _LENGTH <= _TO)
    .order_by(_PIECE.c.start)
)


@dataclass(frozen=True)
class Span:
    """Bytes from `start` up to `end` of what was sent, all of them held, or none."""

    start: int
    end: int
    is_held: bool


@dataclass(frozen=True)
class StoredPiece:
    """A stored piece of a log. `new`: the ranges of it, in bytes as sent, that were not held before."""

    start: int
    content: bytes
    new: tuple[tuple[int, int], ...] = ()

    @property
    def end(self) -> int:
        """Behind its last byte."""
        return self.start + len(self.content)


@dataclass(frozen=True)
class Stored:
    """The pieces in which new bytes are held now, and how many pieces there are more than before, which may be < 0."""

    pieces: list[StoredPiece]
    rows: int


def put(connection: Connection, run_id: int, part: str, start: int, content: bytes) -> Stored:
    """Keep those of the bytes that are not held yet, joined to small pieces that they touch."""
    if not content:
        return Stored([], 0)
    place = {"its_run": run_id, "its_part": part}
    end = start + len(content)
    known = [(first, first + length) for first, length in _AROUND.rows(connection, _at(place, start, end))]
    new = {first: content[first - start : last - start] for first, last in _missing(known, start, end)}
    if not new:
        return Stored([], 0)
    ranges = sorted([*known, *((first, first + len(piece)) for first, piece in new.items())])
    pieces, rows = [], 0
    for joined in _groups(ranges):
        fresh = tuple(one for one in joined if one[0] in new)
        if not fresh and len(joined) == 1:
            continue
        whole = _whole(connection, place, joined, new)
        rows += 1 - (len(joined) - len(fresh))
        _write(connection, place, joined, whole, new)
        pieces.append(StoredPiece(joined[0][0], whole, fresh))
    return Stored([piece for piece in pieces if piece.new], rows)


def _at(place: dict[str, object], start: int, end: int) -> dict[str, object]:
    return {**place, "its_start": start, "its_end": end}


def _missing(known: Sequence[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """The parts of [start, end) that none of the known ranges holds."""
    missing = []
    for first, last in known:
        if start < first <= end:
            missing.append((start, first))
        start = max(start, last)
    return [*missing, (start, end)] if start < end else missing


def _groups(ranges: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Ranges that touch and are small, together."""
    groups = [[ranges[0]]]
    for (_, end), one in pairwise(ranges):
        touches = one[0] == end and one[1] - groups[-1][0][0] <= JOINED_BYTES
        if touches:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _whole(
    connection: Connection, place: dict[str, object], joined: list[tuple[int, int]], new: dict[int, bytes]
) -> bytes:
    held = {}
    if any(first not in new for first, _ in joined):
        held = {first: bytes(it) for first, it in connection.execute(_WHOLE, _at(place, joined[0][0], joined[-1][1]))}
    return b"".join(new[first] if first in new else held[first] for first, _ in joined)


def _write(
    connection: Connection,
    place: dict[str, object],
    joined: list[tuple[int, int]],
    whole: bytes,
    new: dict[int, bytes],
) -> None:
    """Let one row hold them all."""
    first = joined[0][0]
    gone = [{**place, "its_start": start} for start, _ in joined[1:] if start not in new]
    if gone:
        connection.execute(_REMOVE, gone)
    if first in new:
        names = {"run_id": place["its_run"], "part": place["its_part"]}
        piece = {**names, "start": first, "content": whole, "words_due": True}
        waiting_writes.insert(connection, _ADD, piece)
    else:
        _CHANGE.run(connection, {**place, "its_start": first, "content": whole, "words_due": True})


def with_words_due(connection: Connection, most: int) -> list[tuple[int, str, StoredPiece]]:
    """Pieces whose words are not all in the index, `most` at most: the run, the part and the piece."""
    rows = _DUE.rows(connection, {"most": most})
    return [(run_id, part, StoredPiece(start, bytes(content))) for run_id, part, start, content in rows]


def are_words_due(connection: Connection) -> bool:
    """Whether any piece has words that are not in the index."""
    return bool(_ANY_DUE.rows(connection, {}))


def note_words(connection: Connection, run_id: int, part: str, start: int) -> None:
    """All words of the piece that begins there are in the index."""
    _CHANGE.run(connection, {"its_run": run_id, "its_part": part, "its_start": start, "words_due": False})


def count(connection: Connection, run_id: int, part: str, most: int) -> int:
    """How many pieces are held of a part, counted up to `most`."""
    some = select(LogPieceRow.start).where(*_of(run_id, part)).limit(most)
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def add_all(connection: Connection, pieces: Sequence[tuple[int, str, int, bytes]]) -> None:
    """Keep pieces of parts that hold nothing at these places: run, part, start and content of each."""
    names = ("run_id", "part", "start", "content")
    rows = [dict(zip(names, piece, strict=True)) for piece in pieces]
    if rows:
        _ADD.run_each(connection, rows)


def let_go(connection: Connection, run_id: int, part: str, end: int, limit: int) -> list[StoredPiece]:
    """Drop the pieces that lie wholly between the head and the tail of a log that reaches up to `end`; which these are.

    With a `limit` of 0 that is all of it.
    """
    if end <= limit:
        return []
    place = {"its_run": run_id, "its_part": part}
    found = connection.execute(_LET_GO, _at(place, limit // 2, end - limit // 2))
    gone = [StoredPiece(start, bytes(content)) for start, content in found]
    if gone:
        connection.execute(_REMOVE, [{**place, "its_start": piece.start} for piece in gone])
    return gone


def spans(connection: Connection, run_id: int, part: str, end: int, limit: int) -> list[Span]:
    """What a log up to `end` consists of, from its start: spans that are held, and between them those that are not."""
    cut = (limit // 2, end - limit // 2) if end > limit else (end, end)
    found: list[Span] = []
    reached = 0
    for first, length in connection.execute(_ALL, {"its_run": run_id, "its_part": part}):
        last = first + length
        for start, stop in ((first, min(last, cut[0])), (max(first, cut[1]), last)):
            if start >= stop:
                continue
            if start > reached:
                found.append(Span(reached, start, is_held=False))
            elif found and found[-1].is_held:
                start = found.pop().start
            found.append(Span(start, stop, is_held=True))
            reached = stop
    return [*found, Span(reached, end, is_held=False)] if reached < end else found


def content(connection: Connection, run_id: int, part: str, start: int, end: int) -> bytes:
    """The bytes from `start` up to `end`, or up to the first of them that is not held."""
    size = end - start
    given = {"its_run": run_id, "its_part": part, "its_start": start, "its_end": end, "length": size}
    found = []
    for first, held in connection.execute(_WITHIN, given):
        if first != start:
            break
        found.append(bytes(held))
        start += len(held)
    return b"".join(found)[:size]


def _of(run_id: int, part: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (LogPieceRow.run_id == run_id, LogPieceRow.part == part)
