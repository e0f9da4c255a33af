"""Finding runs by words in their name, command and log: whole words, without regard to case.

SQLite's FTS5 and PostgreSQL's tsvector hold the words only; a run has a row for each text that became known.
"""

import re
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, text, true

from lackey.store.models import IndexedTextRow

# PostgreSQL refuses a tsvector over 1 MiB; a long log's first and last words are those that people remember.
_INDEXED_AT_MOST = 400_000
_WORD = re.compile(r"\w+")

_TEXT = IndexedTextRow.metadata.tables[IndexedTextRow.__tablename__]
_ADD = insert(_TEXT).returning(_TEXT.c.id)


def index(connection: Connection, run_id: int, content: str) -> None:
    """Let the run be found by the words of `content` too."""
    known = " ".join(dict.fromkeys(word.casefold()[:100] for word in _WORD.findall(_ends(content))))
    if not known:
        return
    row_id = connection.execute(_ADD, {"run_id": run_id}).scalar_one()
    connection.execute(_INSERT[connection.dialect.name], {"id": row_id, "words": known})


def occur(connection: Connection, run_id: Any, wanted: str) -> ColumnElement[bool]:
    """A condition: each word of `wanted` occurs in one of the run's texts."""
    match = _MATCH[connection.dialect.name]
    condition: ColumnElement[bool] = true()
    for number, word in enumerate(dict.fromkeys(_WORD.findall(wanted.casefold()))):
        given = f'"{word[:100]}"' if connection.dialect.name == "sqlite" else word[:100]
        found = text(match.format(number)).bindparams(bindparam(f"word{number}", given)).columns(IndexedTextRow.id)
        texts = select(IndexedTextRow.run_id).where(IndexedTextRow.id.in_(found))
        condition = condition & run_id.in_(texts)
    return condition


def _ends(content: str) -> str:
    if len(content) <= _INDEXED_AT_MOST:
        return content
    half = _INDEXED_AT_MOST // 2
    return f"{content[:half]}\n{content[-half:]}"


_INSERT = {
    "sqlite": text("INSERT INTO run_words (rowid, words) VALUES (:id, :words)"),
    "postgresql": text("INSERT INTO run_words (id, words) VALUES (:id, to_tsvector('simple', :words))"),
}
_MATCH = {
    "sqlite": "SELECT rowid FROM run_words WHERE run_words MATCH :word{}",
    "postgresql": "SELECT id FROM run_words WHERE words @@ plainto_tsquery('simple', :word{})",
}
