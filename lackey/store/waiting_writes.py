"""On PostgreSQL what a use case writes waits until it asks something or ends, and is sent as one statement.

Each statement that is answered by itself costs client and server together some 0.2 ms, most of it to send, to wake up
and to wait. So a guarded UPDATE waits with the INSERTs beside it, and they become one statement, in which nothing is
inserted if the guard finds the row changed. If a transaction consists of nothing else, it needs neither BEGIN nor
COMMIT. Whatever else is said on the connection comes after what waits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Insert, Select, Table, Update, bindparam, func, literal_column, select

from lackey.store.compiled import WAITING, Compiled, Given

_Shape = tuple[Compiled, tuple[str, ...]]


class Changed(Exception):
    """A guarded UPDATE found the row changed since it was read; the use case is tried again from its start."""


class WaitingWrites:
    """What one transaction has still to send: an UPDATE of one row and INSERTs into other tables, each once at most."""

    def __init__(self, connection: Connection) -> None:
        """The transaction's connection to PostgreSQL."""
        self._connection = connection
        self._change: tuple[Compiled, Given] | None = None
        self._inserts: list[tuple[Compiled, Given]] = []

    def change(self, statement: Compiled, given: Given) -> None:
        """Let an UPDATE wait."""
        if self._change is not None:
            self.send()
        self._change = statement, given

    def insert(self, statement: Compiled, given: Given) -> None:
        """Let an INSERT wait. Of two into the same table the first is sent before, for they stay in their order."""
        if any(other is statement for other, _ in self._inserts):
            self.send()
        self._inserts.append((statement, given))

    def send(self) -> None:
        """Send what waits. Raises Changed if the UPDATE has not found its row."""
        change, inserts = self._change, self._inserts
        self._change, self._inserts = None, []
        if change is None:
            for statement, given in inserts:
                statement.run(self._connection, given)
        elif _carried_out(self._connection, change, inserts) != 1:
            raise Changed

    def end(self) -> None:
        """Send what waits at the end of a transaction: as one of its own if nothing was sent before. As `send`."""
        driver: Any = self._connection.connection.driver_connection
        if self._change is None or driver.info.transaction_status != driver.info.transaction_status.IDLE:
            self.send()
            return
        driver.autocommit = True
        try:
            self.send()
        finally:
            if not driver.closed:
                driver.autocommit = False


@contextmanager
def waiting(connection: Connection) -> Iterator[None]:
    """Within the block, a transaction on PostgreSQL, writes may wait; at its end they are sent. Raises Changed."""
    writes = connection.info[WAITING] = WaitingWrites(connection)
    info = connection.info
    try:
        yield
        writes.end()
    finally:
        info.pop(WAITING, None)


def insert(connection: Connection, statement: Compiled, given: Given) -> None:
    """Carry out an INSERT that answers nothing, now or together with what follows."""
    writes: WaitingWrites | None = connection.info.get(WAITING)
    if writes is None:
        statement.run(connection, given)
    else:
        writes.insert(statement, given)


def change(connection: Connection, statement: Compiled, given: Given) -> None:
    """Carry out the guarded UPDATE of one row, now or together with what follows. Raises Changed, if it waits later."""
    writes: WaitingWrites | None = connection.info.get(WAITING)
    if writes is not None:
        writes.change(statement, given)
    elif statement.run(connection, given) != 1:
        raise Changed


def _carried_out(connection: Connection, change: tuple[Compiled, Given], inserts: list[tuple[Compiled, Given]]) -> int:
    """How many rows the UPDATE has written."""
    if not inserts:
        return change[0].run(connection, change[1])
    shapes = tuple((statement, tuple(given)) for statement, given in (change, *inserts))
    together = _TOGETHER.get(shapes)
    if together is None:
        together = _TOGETHER[shapes] = Compiled(_as_one(*shapes))
    values = {
        _name(statement, column): value for statement, given in (change, *inserts) for column, value in given.items()
    }
    [[changed]] = together.rows(connection, values)
    return int(changed)


_TOGETHER: dict[tuple[_Shape, ...], Compiled] = {}


def _name(statement: Compiled, column: str) -> str:
    """The name of a value among those of several statements."""
    table = _table(statement)
    return f"{table.name}__{column}" if column in table.c else column


def _table(statement: Compiled) -> Table:
    written = statement.statement
    assert isinstance(written, Insert | Update) and isinstance(written.table, Table)
    return written.table


def _values(shape: _Shape) -> dict[str, Any]:
    statement, given = shape
    columns = _table(statement).c
    return {name: bindparam(_name(statement, name), type_=columns[name].type) for name in given if name in columns}


def _as_one(change: _Shape, *inserts: _Shape) -> Select[int]:
    """The INSERTs with as many rows as the UPDATE changes, and how many that are."""
    update: Any = change[0].statement
    changed = update.values(_values(change)).returning(literal_column("1").label("one")).cte("changed")
    beside = []
    for shape in inserts:
        values = _values(shape)
        added: Any = shape[0].statement
        rows = select(*values.values()).select_from(changed)
        beside.append(added.from_select(list(values), rows).cte(f"added_{_table(shape[0]).name}"))
    return select(func.count()).select_from(changed).add_cte(*beside)
