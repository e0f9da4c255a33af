"""The words of reported logs: they come into the index with the bytes, and leave it with them.

A text of the index holds the words of some bytes of one stored piece, and its row says of which. Held bytes stand, so
the words can be found anew in the bytes when both are let go: SQLite's FTS5 has to be told what it is to forget. Each
report adds a text; once a piece has several, they become one, so there are no more texts than the log has pieces for.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, delete, func, select

from lackey.store import words
from lackey.store.compiled import Compiled
from lackey.store.logs import StoredPiece
from lackey.store.models import IndexedTextRow

# So many texts of one piece are made one.
TEXTS_OF_A_PIECE = 32
# How far a word is followed beyond the bytes that came.
_WORD_BYTES = 256
_SPACE = b" \t\r\n"

_TEXT = IndexedTextRow.metadata.tables[IndexedTextRow.__tablename__]
_ITS_PART = (_TEXT.c.run_id == bindparam("its_run"), _TEXT.c.part == bindparam("its_part"))
_WITHIN = (*_ITS_PART, _TEXT.c.start >= bindparam("its_start"), _TEXT.c.start < bindparam("its_end"))
_COUNT = Compiled(select(func.count()).where(*_WITHIN))
_OF_A_PIECE = select(_TEXT.c.id, _TEXT.c.start, _TEXT.c.length).where(*_WITHIN)
_REMOVE = delete(_TEXT).where(_TEXT.c.id == bindparam("its_id"))


def learn(connection: Connection, run_id: int, part: str, pieces: Iterable[StoredPiece]) -> None:
    """Let the run be found by the words of what is new in these pieces."""
    for piece in pieces:
        place = _place(run_id, part, piece)
        for first, last in piece.new:
            _index(connection, run_id, part, piece, *_widened(piece, first, last))
        if piece.is_new:
            continue
        [[texts]] = _COUNT.rows(connection, place)
        if texts >= TEXTS_OF_A_PIECE:
            before = connection.execute(_OF_A_PIECE, place).all()
            _index(connection, run_id, part, piece, piece.start, piece.end)
            _forget(connection, piece, before)


def forget(connection: Connection, run_id: int, part: str, pieces: Iterable[StoredPiece]) -> None:
    """Let the run be found no more by the words that only these pieces held, which were let go."""
    for piece in pieces:
        _forget(connection, piece, connection.execute(_OF_A_PIECE, _place(run_id, part, piece)).all())


def _place(run_id: int, part: str, piece: StoredPiece) -> dict[str, object]:
    return {"its_run": run_id, "its_part": part, "its_start": piece.start, "its_end": piece.end}


def _index(connection: Connection, run_id: int, part: str, piece: StoredPiece, first: int, last: int) -> None:
    known = _known(piece, first, last)
    if known:
        words.add_text(connection, run_id, known, words.LogSpan(part, first, last - first))


def _forget(connection: Connection, piece: StoredPiece, texts: Iterable[tuple[int, int, int]]) -> None:
    for text_id, start, length in texts:
        # Bytes that an older version let go took no text along: what it held is not known any more.
        if start + length <= piece.end:
            words.remove_text(connection, text_id, _known(piece, start, start + length))
            connection.execute(_REMOVE, {"its_id": text_id})


def _known(piece: StoredPiece, first: int, last: int) -> str:
    return words.known(piece.content[first - piece.start : last - piece.start].decode(errors="replace"))


def _widened(piece: StoredPiece, first: int, last: int) -> tuple[int, int]:
    """The range with the words that it ends in whole, as far as the piece holds them."""
    before = piece.content[max(0, first - piece.start - _WORD_BYTES) : first - piece.start]
    behind = piece.content[last - piece.start : last - piece.start + _WORD_BYTES]
    begun = len(before) - 1 - max(before.rfind(bytes([space])) for space in _SPACE)
    ends = [at for space in _SPACE if (at := behind.find(bytes([space]))) >= 0]
    return first - begun, last + min(ends, default=len(behind))
