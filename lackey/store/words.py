"""Finding runs by words in their name, command and log: whole words, without regard to case.

SQLite's FTS5 and PostgreSQL's tsvector hold the words only; a run has a row for each text that is known.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, exists, insert, select, text

from lackey.domain.application import composed
from lackey.store.compiled import Compiled
from lackey.store.models import IndexedTextRow

# PostgreSQL refuses a tsvector over 1 MiB, where a word takes its bytes in UTF-8 and up to five more. A long log's
# first and last words are those that people remember.
_INDEXED_AT_MOST_BYTES = 400_000
# Neither database takes _ for a part of a word.
_WORD = re.compile(r"[^\W_]+")

# So many runs are read and sorted at once.
FEW = 2_000
# Where PostgreSQL believes that a word is in more texts than this, it is not counted: its index can't stop half-way, so
# the count of a word that all runs have takes as long as there are runs.
SURELY_MANY = 40_000

_TEXT = IndexedTextRow.metadata.tables[IndexedTextRow.__tablename__]
_ADD = Compiled(insert(_TEXT).returning(_TEXT.c.id))
_ADD_ALL = insert(_TEXT).returning(_TEXT.c.id, sort_by_parameter_order=True)


_NOWHERE = {"part": None, "start": None, "length": None}


@dataclass(frozen=True)
class LogSpan:
    """Which bytes of a run's log a text is of; see `log_words`."""

    part: str
    start: int
    length: int


def index(connection: Connection, run_id: int, content: str) -> None:
    """Let the run be found by the words of `content` too, for as long as there is the run."""
    if words := known(content):
        add_text(connection, run_id, words, None)


def index_all(connection: Connection, texts: Iterable[tuple[int, str, LogSpan | None]]) -> None:
    """The same for many texts at once, each with the id of its run, and where it is of a log, its place there."""
    found = [(run_id, words, place) for run_id, content, place in texts if (words := known(content))]
    if found:
        places = [{"run_id": run_id, **(vars(place) if place else _NOWHERE)} for run_id, _, place in found]
        row_ids = connection.execute(_ADD_ALL, places).scalars()
        rows = [{"id": row_id, "words": words} for row_id, (_, words, _) in zip(row_ids, found, strict=True)]
        _ADD_WORDS[connection.dialect.name].run_each(connection, rows)


def known(content: str) -> str:
    """The words of a text as they are kept. SQLite forgets only what it is told in just these words.

    Whoever changes what they are has to have all texts indexed anew.
    """
    return " ".join(_words(_ends(_folded(content))))


def add_text(connection: Connection, run_id: int, words: str, place: LogSpan | None) -> None:
    """Keep the words of a text of a run; `place`: where in its log it is, if it is of that."""
    given = {"run_id": run_id, **(vars(place) if place else _NOWHERE)}
    if connection.dialect.name == "postgresql":
        _ADD_AT_ONCE.run(connection, {**given, "words": words})
        return
    [[text_id]] = _ADD.rows(connection, given)
    _ADD_WORDS["sqlite"].run(connection, {"id": text_id, "words": words})


def remove_text(connection: Connection, text_id: int, words: str) -> None:
    """Forget a text. `words`: those that were kept of it."""
    connection.execute(_DELETE[connection.dialect.name], {"id": text_id, "words": words})


def narrow(connection: Connection, run_id: Any, wanted: str) -> tuple[list[int] | None, list[ColumnElement[bool]]]:
    """The runs in whose texts each word of `wanted` occurs: those with the rarest one, if they are few, else None; and
    conditions for the rest.

    `run_id` is a column. Each condition costs a look into the index for each run that it is asked of.
    """
    found: list[int] | None = None
    conditions: list[ColumnElement[bool]] = []
    for number, word in enumerate(_words(_folded(wanted))):
        known = _few_with(connection, word)
        if known is None:
            conditions.append(_has(connection, run_id, number, word))
        else:
            found = known if found is None else sorted({*found} & {*known})
    return found, conditions


def _few_with(connection: Connection, word: str) -> list[int] | None:
    """The runs with this word in one of their texts; None if that are more texts than `FEW`, or may well be."""
    given = {"word": _given(connection, word), "most": FEW + 1}
    if connection.dialect.name == "postgresql" and _believed(connection, word) > SURELY_MANY:
        return None
    text_ids = list(connection.execute(_SOME[connection.dialect.name], given).scalars())
    if len(text_ids) > FEW:
        return None
    found = select(IndexedTextRow.run_id).where(IndexedTextRow.id.in_(text_ids)).distinct()
    return sorted(connection.execute(found).scalars())


def _believed(connection: Connection, word: str) -> int:
    """In how many texts PostgreSQL believes the word to be, by its statistics alone."""
    plan = connection.execute(_PLAN, {"word": word}).scalar_one()
    rows: int = plan[0]["Plan"]["Plan Rows"]
    return rows


def _has(connection: Connection, run_id: Any, number: int, word: str) -> ColumnElement[bool]:
    match = _HAS[connection.dialect.name].format(number)
    given = text(match).bindparams(bindparam(f"word{number}", _given(connection, word)))
    return exists(select(IndexedTextRow.id).where(IndexedTextRow.run_id == run_id, given).correlate(run_id.table))


def _given(connection: Connection, word: str) -> str:
    return f'"{word}"' if connection.dialect.name == "sqlite" else word


def description(name: str, command: str | None) -> str:
    """The text by which a run is found from its first moment on."""
    return f"{name}\n{command or ''}"


def _folded(content: str) -> str:
    """Without regard to case, and to how accents are written."""
    return composed(content).casefold()


def _words(folded: str) -> dict[str, None]:
    """Each word once, in the order of the text."""
    return dict.fromkeys(word[:100] for word in _WORD.findall(folded))


def _ends(content: str) -> str:
    encoded = content.encode(errors="replace")
    if len(encoded) <= _INDEXED_AT_MOST_BYTES:
        return content
    half = _INDEXED_AT_MOST_BYTES // 2
    return f"{encoded[:half].decode(errors='ignore')}\n{encoded[-half:].decode(errors='ignore')}"


_ADD_WORDS = {
    "sqlite": Compiled(text("INSERT INTO run_words (rowid, words) VALUES (:id, :words)")),
    "postgresql": Compiled(text("INSERT INTO run_words (id, words) VALUES (:id, to_tsvector('simple', :words))")),
}
# PostgreSQL's server and driver need as long for a statement as for what it does.
_ADD_AT_ONCE = Compiled(
    text(
        "WITH added AS (INSERT INTO indexed_text (run_id, part, start, length) VALUES (:run_id, :part, :start, :length)"
        " RETURNING id) INSERT INTO run_words (id, words) SELECT id, to_tsvector('simple', :words) FROM added"
    )
)
_DELETE = {
    # https://www.sqlite.org/fts5.html#the_delete_command
    "sqlite": text("INSERT INTO run_words (run_words, rowid, words) VALUES ('delete', :id, :words)"),
    "postgresql": text("DELETE FROM run_words WHERE id = :id AND CAST(:words AS text) IS NOT NULL"),
}
_MATCH = {
    "sqlite": "SELECT rowid FROM run_words WHERE run_words MATCH :word{}",
    "postgresql": "SELECT id FROM run_words WHERE words @@ plainto_tsquery('simple', :word{})",
}
_HAS = {
    "sqlite": "EXISTS (SELECT 1 FROM run_words WHERE rowid = indexed_text.id AND run_words MATCH :word{})",
    "postgresql": "EXISTS (SELECT 1 FROM run_words WHERE id = indexed_text.id"
    " AND words @@ plainto_tsquery('simple', :word{}))",
}
_SOME = {
    "sqlite": text(_MATCH["sqlite"].format("") + " LIMIT :most"),
    # Materialized: else the limit would lure it into reading the whole table for a word that only new runs have.
    "postgresql": text(
        f"WITH found AS MATERIALIZED ({_MATCH['postgresql'].format('')}) SELECT id FROM found LIMIT :most"
    ),
}
_PLAN = text(f"EXPLAIN (FORMAT JSON) {_MATCH['postgresql'].format('')}")
