"""The words of logs: they come into the index some time after the bytes, many at once, and leave it with them.

To index a log by itself takes as long as all else that a report's end does, so a piece only says that its words are due
(`LogPieceRow.words_due`), in the transaction that stores it; nothing can be lost between. Whoever looks for words has
what is due indexed before (`services.runs.searchable`).

A text of the index holds the words of some bytes of one stored piece, and its row says of which. Held bytes stand, so
the words can be found anew in the bytes when both are let go: SQLite's FTS5 has to be told what it is to forget. A
piece has one text; a version before has left several of some.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, delete, select

from lackey.store import logs, words
from lackey.store.compiled import Compiled
from lackey.store.logs import StoredPiece
from lackey.store.models import IndexedTextRow

_TEXT = IndexedTextRow.metadata.tables[IndexedTextRow.__tablename__]
_OF_A_PIECE = Compiled(
    select(_TEXT.c.id, _TEXT.c.start, _TEXT.c.length).where(
        _TEXT.c.run_id == bindparam("its_run"),
        _TEXT.c.part == bindparam("its_part"),
        _TEXT.c.start >= bindparam("its_start"),
        _TEXT.c.start < bindparam("its_end"),
    )
)
_REMOVE = Compiled(delete(_TEXT).where(_TEXT.c.id == bindparam("its_id")))


def learn_due(connection: Connection, most: int) -> int:
    """Let runs be found by the words of their logs that are due, of `most` pieces at most; how many that were."""
    due = logs.with_words_due(connection, most)
    for run_id, part, piece in due:
        before = _texts(connection, run_id, part, piece)
        known = _known(piece, piece.start, piece.end)
        if known:
            words.add_text(connection, run_id, known, words.LogSpan(part, piece.start, len(piece.content)))
        _forget(connection, piece, before)
        logs.note_words(connection, run_id, part, piece.start)
    return len(due)


def forget(connection: Connection, run_id: int, part: str, pieces: Iterable[StoredPiece]) -> None:
    """Let the run be found no more by the words that only these pieces held, which were let go."""
    for piece in pieces:
        _forget(connection, piece, _texts(connection, run_id, part, piece))


def _texts(connection: Connection, run_id: int, part: str, piece: StoredPiece) -> list[list[int]]:
    place = {"its_run": run_id, "its_part": part, "its_start": piece.start, "its_end": piece.end}
    return _OF_A_PIECE.rows(connection, place)


def _forget(connection: Connection, piece: StoredPiece, texts: Iterable[list[int]]) -> None:
    for text_id, start, length in texts:
        # Bytes that an older version let go took no text along: what it held is not known any more.
        if start + length <= piece.end:
            words.remove_text(connection, text_id, _known(piece, start, start + length))
            _REMOVE.run(connection, {"its_id": text_id})


def _known(piece: StoredPiece, first: int, last: int) -> str:
    return words.known(piece.content[first - piece.start : last - piece.start].decode(errors="replace"))
