"""Executors that somebody has paused."""

from sqlalchemy import Connection, delete, insert, select

from lackey.domain.policy import Paused
from lackey.store.compiled import Compiled
from lackey.store.models import PausedExecutorRow

_ROWS = PausedExecutorRow.metadata.tables[PausedExecutorRow.__tablename__]
_PAUSED = Compiled(select(_ROWS.c.name, _ROWS.c.since, _ROWS.c.by))


def paused(connection: Connection) -> dict[str, Paused]:
    """Those that are paused, by name."""
    return {name: Paused(name, since, by) for name, since, by in _PAUSED.rows(connection, {})}


def pause(connection: Connection, wanted: Paused) -> None:
    """Let an executor that is not paused be so."""
    values = {"name": wanted.executor, "since": wanted.since, "by": wanted.by}
    connection.execute(insert(PausedExecutorRow).values(values))


def resume(connection: Connection, name: str) -> None:
    """Let it be paused no more."""
    connection.execute(delete(PausedExecutorRow).where(PausedExecutorRow.name == name))
