"""All rows of one database into another, by the metadata's tables: those that are added later come along by themselves.

The words that runs are found by are not copied, since each database keeps them in a form of its own and lets nobody
read them; they are made anew from what they came from.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import Any

from sqlalchemy import Connection, LargeBinary, Row, String, Table, collate, func, insert, inspect, select, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from lackey.store import sequences, words
from lackey.store.models import Base, IndexedTextRow, LogPieceRow, RunRow
from lackey.store.words import LogSpan

# PostgreSQL: any number will do, as long as nothing else in the same database uses it.
_COPYING = 0x636F70796E67
_NOT_COPIED = {IndexedTextRow.__tablename__}
_ROWS_AT_ONCE = 500
# Of rows that hold bytes of a log, each of which may be megabytes.
_LARGE_ROWS_AT_ONCE = 4
_BYTES_AT_ONCE = 4 << 20
_TEXTS_AT_ONCE = 50


class NotTheSame(Exception):
    """A row can't be had on the other side as it is on this one; `str()` says which, and why."""


@dataclass(frozen=True)
class Both:
    """Two databases, each in a transaction of its own."""

    source: Connection
    target: Connection


def tables() -> list[Table]:
    """Those that are copied, each behind those that it refers to."""
    return [table for table in Base.metadata.sorted_tables if table.name not in _NOT_COPIED]


def begin(connection: Connection) -> bool:
    """Whether no other transaction copies from or to this database; none does before this one has ended."""
    if connection.dialect.name == "postgresql":
        return bool(connection.execute(_BEGIN, {"it": _COPYING}).scalar_one())
    return True


def keep_writers_out(connection: Connection) -> None:
    """Until the end of this transaction. On SQLite to begin it was enough."""
    if connection.dialect.name == "postgresql":
        names = ", ".join(_quoted(connection, table) for table in Base.metadata.sorted_tables)
        connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))


def has_tables(connection: Connection) -> bool:
    """Whether there are any, anybody's."""
    return bool(inspect(connection).get_table_names())


def filled(connection: Connection) -> list[str]:
    """The tables of lackey's that hold rows."""
    found = Base.metadata.sorted_tables
    return [table.name for table in found if connection.execute(select(table).limit(1)).first() is not None]


def copy(both: Both, table: Table) -> int:
    """Write all rows of a table, a few at a time, and number on where the source would; how many they were.

    Raises NotTheSame where a row can't be stored.
    """
    statement, count = insert(table), 0
    for batch in _batches(_rows(both.source, table)):
        try:
            both.target.execute(statement, batch)
        except (DataError, IntegrityError) as error:
            raise NotTheSame(f"a row of the table {table.name} can't be stored: {_first_line(error)}") from error
        count += len(batch)
    if (number := _last_number(both.source, table)) is not None:
        _number_on(both.target, table, number)
    return count


def verify(both: Both, table: Table) -> int:
    """Read a table again on both sides and compare; how many rows there are. Raises NotTheSame."""
    count = 0
    for wanted, found in zip_longest(_rows(both.source, table), _rows(both.target, table)):
        if wanted is None or found is None or tuple(wanted) != tuple(found):
            known = wanted if wanted is not None else found
            raise NotTheSame(f"a row of the table {table.name} is not the same on both sides: {_key(known, table)}")
        count += 1
    return count


def index(both: Both) -> int:
    """Let the runs be found by the words of their names, commands and held logs; how many texts that took."""
    texts = chain(_descriptions(both.source), _logs(both.source))
    for first in texts:
        # One text at a time: what is indexed of it is far shorter than it may be.
        words.index_all(both.target, chain([first], islice(texts, _TEXTS_AT_ONCE - 1)))
    return int(both.target.execute(select(func.count()).select_from(IndexedTextRow)).scalar_one())


def _descriptions(connection: Connection) -> Iterator[tuple[int, str, None]]:
    statement = select(RunRow.id, RunRow.name, RunRow.command).order_by(RunRow.id)
    for run_id, name, command in _streamed(connection, statement, _ROWS_AT_ONCE):
        yield run_id, words.description(name, command), None


def _logs(connection: Connection) -> Iterator[tuple[int, str, LogSpan]]:
    wanted = (LogPieceRow.run_id, LogPieceRow.part, LogPieceRow.start, LogPieceRow.content)
    statement = select(*wanted).order_by(LogPieceRow.run_id)
    for run_id, part, start, content in _streamed(connection, statement, _LARGE_ROWS_AT_ONCE):
        yield run_id, content.decode(errors="replace"), LogSpan(part, start, len(content))


def _rows(connection: Connection, table: Table) -> Iterator[Row[Any]]:
    """All rows in the order of their keys, which is the same on every database."""
    binary = connection.dialect.name == "postgresql"
    order = [collate(key, "C") if binary and isinstance(key.type, String) else key for key in table.primary_key]
    return _streamed(connection, select(table).order_by(*order), _at_once(table))


def _streamed(connection: Connection, statement: Any, at_once: int) -> Iterator[Any]:
    yield from connection.execute(statement.execution_options(yield_per=at_once))


def _batches(rows: Iterator[Row[Any]]) -> Iterator[list[dict[str, Any]]]:
    """The rows by name, as many at once as are neither too many nor too large."""
    batch, size = [], 0
    for row in rows:
        batch.append(dict(row._mapping))
        size += sum(len(value) for value in row if isinstance(value, bytes | str))
        if len(batch) == _ROWS_AT_ONCE or size > _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _key(row: Row[Any], table: Table) -> str:
    """What it is known by, in words; digests tell nobody anything."""
    values = ((column.name, row._mapping[column]) for column in table.primary_key)
    return ", ".join(f"{name} {value}" for name, value in values if not isinstance(value, bytes))


def _first_line(error: DBAPIError) -> str:
    """What the database says, without the row itself, which it may show in further lines."""
    return str(error.orig).partition("\n")[0]


def _at_once(table: Table) -> int:
    large = any(isinstance(column.type, LargeBinary) and not column.primary_key for column in table.columns)
    return _LARGE_ROWS_AT_ONCE if large else _ROWS_AT_ONCE


def _last_number(connection: Connection, table: Table) -> int | None:
    """The last id that the database gave by itself, even if its row is gone; None where it gives none, or has not."""
    column = table.autoincrement_column
    if column is None:
        return None
    greatest = connection.execute(select(func.max(column))).scalar_one()
    if connection.dialect.name == "postgresql":
        named = {"table": _quoted(connection, table), "column": column.name}
        sequence = connection.execute(_SEQUENCE, named).scalar_one()
        given = connection.execute(text(f"SELECT last_value FROM {sequence} WHERE is_called")).scalar_one_or_none()
    elif table.dialect_options["sqlite"]["autoincrement"]:
        given = connection.execute(_GIVEN, {"table": table.name}).scalar_one_or_none()
    else:
        given = None
    return max((number for number in (greatest, given) if number is not None), default=None)


def _number_on(connection: Connection, table: Table, number: int) -> None:
    """Let the next id be greater than `number`, as it is by itself where the greatest id in use decides."""
    sequences.move_past(connection, table.name, number)
    if connection.dialect.name == "sqlite" and table.dialect_options["sqlite"]["autoincrement"]:
        connection.execute(_FORGET_GIVEN, {"table": table.name})
        connection.execute(_NOTE_GIVEN, {"table": table.name, "number": number})


def _quoted(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)


_BEGIN = text("SELECT pg_try_advisory_xact_lock(:it)")
_SEQUENCE = text("SELECT pg_get_serial_sequence(:table, :column)")
# https://www.sqlite.org/autoinc.html
_GIVEN = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
_FORGET_GIVEN = text("DELETE FROM sqlite_sequence WHERE name = :table")
_NOTE_GIVEN = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)")
