"""Where ids come from: each table counts on from the highest one it has given out."""

from sqlalchemy import Connection, text

_SEQUENCE = text("SELECT pg_get_serial_sequence(:of, 'id')")


def move_past(connection: Connection, table: str, highest: object) -> None:
    """Let ids given out later be higher than `highest`; what is no whole number is passed over.

    From here on, others wait for this transaction when they want an id in this table; if it fails, all is as it was.
    On SQLite there is one writer anyway, and it moves on by itself when a higher id is inserted (AUTOINCREMENT).
    """
    if connection.dialect.name != "postgresql" or not isinstance(highest, int):
        return
    sequence = connection.execute(_SEQUENCE, {"of": f'"{table}"'}).scalar_one()
    # Changes nothing, but takes the lock under which the sequence can be read and moved.
    connection.execute(text(f"ALTER SEQUENCE {sequence} NO CYCLE"))
    last = connection.execute(text(f"SELECT last_value FROM {sequence}")).scalar_one()
    if last <= highest < 2**62:
        connection.execute(text(f"ALTER SEQUENCE {sequence} RESTART WITH {highest + 1}"))
