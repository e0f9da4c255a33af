"""Tags of runs, by which runs are found."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, insert, select

from lackey.store.compiled import Compiled
from lackey.store.models import TagRow

# What so many runs have is rare.
_FEW = 1_000

_ADD = Compiled(insert(TagRow.metadata.tables[TagRow.__tablename__]).inline())


def add_all(connection: Connection, run_id: int, tags: list[str]) -> None:
    """Let the run be found by these tags, each of which is named once."""
    for tag in tags:
        _ADD.run(connection, {"name": tag, "run_id": run_id})


def add_each(connection: Connection, run_ids: Iterable[int], tags: list[str]) -> None:
    """The same for many runs, each of which has all of them."""
    _ADD.run_each(connection, [{"name": tag, "run_id": run_id} for run_id in run_ids for tag in tags])


def narrow(
    connection: Connection, run_id: Any, wanted: str | None
) -> tuple[list[int] | None, list[ColumnElement[bool]]]:
    """The runs with this tag, if they are few, else None; and else a condition, which costs a look at each run.

    `run_id` is a column.
    """
    if wanted is None:
        return None, []
    some = select(TagRow.run_id).where(TagRow.name == wanted).limit(_FEW + 1)
    found = list(connection.execute(some).scalars())
    if len(found) <= _FEW:
        return found, []
    has = select(TagRow.run_id).where(TagRow.name == wanted, TagRow.run_id == run_id)
    return None, [exists(has.correlate(run_id.table))]
