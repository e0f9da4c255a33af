"""Executors that somebody has paused."""

from sqlalchemy import Connection, delete, insert, select

from lackey.domain.policy import Paused
from lackey.store.models import PausedExecutorRow

_PAUSED = (PausedExecutorRow.name, PausedExecutorRow.since, PausedExecutorRow.by)


def paused(connection: Connection) -> dict[str, Paused]:
    """Those that are paused, by name."""
    return {name: Paused(name, since, by) for name, since, by in connection.execute(select(*_PAUSED))}


def pause(connection: Connection, wanted: Paused) -> None:
    """Let an executor that is not paused be so."""
    values = {"name": wanted.executor, "since": wanted.since, "by": wanted.by}
    connection.execute(insert(PausedExecutorRow).values(values))


def resume(connection: Connection, name: str) -> None:
    """Let it be paused no more."""
    connection.execute(delete(PausedExecutorRow).where(PausedExecutorRow.name == name))
