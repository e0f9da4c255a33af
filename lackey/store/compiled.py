"""Statements of the hot path: compiled once for each dialect, and executed on the driver's cursor.

For a statement that SQLite carries out in 0.01 ms SQLAlchemy needs five times as long: it makes a cache key, a context
and a result of each execution. What it knows of a statement, its text and how values are turned into the database's and
back, is asked of it once here, and used as it is. The statements themselves are SQLAlchemy's like all others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Integer, literal_column
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Given = Mapping[str, Any]
# What of a transaction has not been sent yet, among what is noted of its connection; see `waiting_writes`.
WAITING = "waiting_writes"
# For `limit`. A number would become a parameter; a plan for any limit seems dear to PostgreSQL, so it would make one
# for this limit each time (plancache.c, choose_custom_plan), which takes longer than to carry it out.
FIRST = literal_column("1", Integer)
_Processor = Callable[[Any], Any]


@dataclass(eq=False)
class _ForDialect:
    """What the driver is given: a text, and values. `constants`: the statement's own; `types`: those of its columns."""

    sql: str
    is_positional: bool
    constants: dict[str, Any]
    binds: tuple[tuple[str, _Processor | None], ...]
    types: tuple[TypeEngine[Any], ...]
    processors: list[tuple[int, _Processor]] | None = None

    def bound(self, given: Given) -> Any:
        """The values as the driver takes them."""
        values = {**self.constants, **given} if self.constants else given
        if self.is_positional:
            return [process(values[name]) if process else values[name] for name, process in self.binds]
        return {name: process(values[name]) if process else values[name] for name, process in self.binds}

    def read(self, cursor: Any, dialect: Dialect) -> list[list[Any]]:
        """The rows that the driver has got, with the values that they stand for."""
        rows = [list(row) for row in cursor.fetchall()]
        if self.processors is None:
            # What there is to do with a value depends on the type in which the database gives it, too.
            columns = zip(self.types, cursor.description, strict=True)
            found = [(at, one.result_processor(dialect, told[1])) for at, (one, told) in enumerate(columns)]
            self.processors = [(at, process) for at, process in found if process is not None]
        for row in rows:
            for at, process in self.processors:
                if row[at] is not None:  # null is None whatever the type
                    row[at] = process(row[at])
        return rows


class Compiled:
    """A statement. Values are given by the names of its parameters; an INSERT or UPDATE writes the columns given.

    Raises what SQLAlchemy raises.
    """

    def __init__(self, statement: ClauseElement) -> None:
        """`statement`: of Core, without lists whose length differs. A text that answers rows names its columns."""
        self.statement = statement
        self._known: dict[tuple[str, ...], _ForDialect] = {}

    def rows(self, connection: Connection, given: Given) -> list[list[Any]]:
        """The rows that it answers, in the order of its columns."""
        one = self._of(connection.dialect, given)
        with _Cursor(connection, one.sql) as cursor:
            cursor.execute(one.sql, one.bound(given))
            return one.read(cursor, connection.dialect)

    def run(self, connection: Connection, given: Given) -> int:
        """How many rows it has written."""
        one = self._of(connection.dialect, given)
        with _Cursor(connection, one.sql) as cursor:
            cursor.execute(one.sql, one.bound(given))
            return int(cursor.rowcount)

    def run_each(self, connection: Connection, many: Sequence[Given]) -> None:
        """Carry it out with each of these, which are one at least and name the same."""
        one = self._of(connection.dialect, many[0])
        with _Cursor(connection, one.sql) as cursor:
            if len(many) == 1:
                cursor.execute(one.sql, one.bound(many[0]))
                return
            cursor.executemany(one.sql, [one.bound(given) for given in many])
            if connection.dialect.name == "postgresql":
                # psycopg sends them in a pipeline. After one the server does not count for how long the transaction
                # stands still (idle_in_transaction_session_timeout), until it has been asked something else.
                cursor.execute("SELECT 1")

    def _of(self, dialect: Dialect, given: Given) -> _ForDialect:
        names = (dialect.name, *given)
        found = self._known.get(names)
        if found is None:
            found = self._known[names] = _compiled(self.statement, dialect, list(given))
        return found


def say(connection: Connection, sql: str) -> None:
    """Carry out a command that has neither values nor an answer, such as SAVEPOINT."""
    with _Cursor(connection, sql) as cursor:
        cursor.execute(sql)


def send_waiting(connection: Connection) -> None:
    """Send what waits to be sent on this connection, before something else is said there."""
    writes = connection.info.get(WAITING)
    if writes is not None:
        writes.send()


class _Cursor:
    """A cursor of the driver. What goes wrong with it is said, and done, as SQLAlchemy does."""

    def __init__(self, connection: Connection, sql: str) -> None:
        self._connection, self._sql = connection, sql

    def __enter__(self) -> Any:
        send_waiting(self._connection)
        self._cursor = self._connection.connection.cursor()
        return self._cursor

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._cursor.close()
            return
        dialect, driver = self._connection.dialect, self._connection.dialect.loaded_dbapi
        if not isinstance(error, driver.Error):
            self._cursor.close()
            return
        if dialect.is_disconnect(error, self._connection.connection, self._cursor):
            self._connection.invalidate(error)
            self._connection.engine.dispose()  # the others are cut off too
        else:
            self._cursor.close()
        raise DBAPIError.instance(
            self._sql, None, error, driver.Error, hide_parameters=True, dialect=dialect
        ) from error


def _compiled(statement: ClauseElement, dialect: Dialect, names: list[str]) -> _ForDialect:
    compiled = statement.compile(dialect=dialect, column_keys=names)
    assert isinstance(compiled, SQLCompiler) and "POSTCOMPILE" not in str(compiled)
    types = {name: bind.type for name, bind in compiled.binds.items()}
    order = compiled.positiontup if compiled.positional else list(types)
    columns = getattr(statement, "exported_columns", ())
    return _ForDialect(
        sql=str(compiled),
        is_positional=compiled.positional,
        constants={name: bind.effective_value for name, bind in compiled.binds.items() if name not in names},
        binds=tuple((name, types[name].dialect_impl(dialect).bind_processor(dialect)) for name in order or ()),
        types=tuple(column.type.dialect_impl(dialect) for column in columns),
    )
