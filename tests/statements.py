"""Which statements the database is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, event

from lackey.store import compiled
from lackey.store.database import Database


@contextmanager
def asked_of(database: Database) -> Iterator[list[str]]:
    """A list of the statements that only read, as they are asked while the block lasts."""
    asked: list[str] = []
    begin = compiled._Cursor.__init__

    def note(self: Any, connection: Connection, sql: str) -> None:
        if connection.engine is database.reader:
            asked.append(sql)
        begin(self, connection, sql)

    def note_sqlalchemys(*told: Any) -> None:
        asked.append(told[2])

    event.listen(database.reader, "before_cursor_execute", note_sqlalchemys)
    try:
        with patch.object(compiled._Cursor, "__init__", note):
            yield asked
    finally:
        event.remove(database.reader, "before_cursor_execute", note_sqlalchemys)
