"""Edges with a sweep at one end, or at both. Those between two runs are in `dependencies`.

On PostgreSQL whoever adds an edge on a sweep and whoever counts its points must not miss each other. So both lock the
row of that sweep before they look.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, delete, insert, or_, select, update

from lackey.domain.dependencies import Dependency, EdgeOutcome, Kind, Wants
from lackey.store.models import SweepDependencyRow, SweepRow

_EDGE: Table = SweepDependencyRow.metadata.tables[SweepDependencyRow.__tablename__]
_SWEEP = SweepRow.metadata.tables[SweepRow.__tablename__]
_WAITING: dict[Kind, ColumnElement[int]] = {"run": _EDGE.c.run_id, "sweep": _EDGE.c.sweep_id}
_AWAITED: dict[Kind, ColumnElement[int]] = {"run": _EDGE.c.on_run_id, "sweep": _EDGE.c.on_sweep_id}
_OTHER = (
    and_(_EDGE.c.wants == wants, _EDGE.c.outcome.is_distinct_from(bindparam(wants, type_=_EDGE.c.outcome.type)))
    for wants in get_args(Wants)
)
_UNLIKE = select(_EDGE).where(or_(*_OTHER)).order_by(_EDGE.c.id)


@dataclass(frozen=True)
class SweepEdge:
    """What waits, by kind and id, and what for; and what has come of that."""

    id: int
    waiting: tuple[Kind, int]
    awaited: Dependency
    outcome: EdgeOutcome | None

    @property
    def wants(self) -> Wants:
        """What is waited for."""
        return self.awaited.wants


def add_all(
    connection: Connection, kind: Kind, waiting_id: int, awaited: Iterable[tuple[Dependency, EdgeOutcome | None]]
) -> None:
    """Insert edges of a run or a sweep."""
    none = dict.fromkeys(("run_id", "sweep_id", "on_run_id", "on_sweep_id"))
    rows = [
        {**none, _WAITING[kind].key: waiting_id, _AWAITED[one.kind].key: one.on_id, "wants": one.wants, "outcome": out}
        for one, out in awaited
    ]
    if rows:
        connection.execute(insert(_EDGE), rows)


def unlike(
    connection: Connection,
    kind: Kind,
    awaited_ids: Sequence[int],
    outcomes: dict[Wants, EdgeOutcome | None],
    limit: int,
) -> list[SweepEdge]:
    """Edges on these runs or sweeps that have another outcome than these for what they want, in order."""
    given: dict[str, Any] = dict(outcomes.items())
    rows = connection.execute(_UNLIKE.where(_AWAITED[kind].in_(awaited_ids)).limit(limit), given)
    return [_edge(row) for row in rows.mappings()]


def change(connection: Connection, edge_ids: Sequence[int], outcome: EdgeOutcome | None) -> None:
    """Write the outcome of these edges."""
    connection.execute(update(_EDGE).where(_EDGE.c.id.in_(edge_ids)).values(outcome=outcome))


def failed_of(connection: Connection, kind: Kind, waiting_id: int, limit: int) -> list[Dependency]:
    """What a run or a sweep waits for and can't come any more; the first of it."""
    return _of(connection, kind, waiting_id, limit, _EDGE.c.outcome == "failed")


def unmet_of(connection: Connection, kind: Kind, waiting_id: int, limit: int) -> list[Dependency]:
    """What a run or a sweep still waits for, or waits for in vain; the first of it."""
    return _of(connection, kind, waiting_id, limit, _EDGE.c.outcome.is_distinct_from("met"))


def waiting_for(connection: Connection, run_id: int, limit: int) -> list[int]:
    """The sweeps that wait for a run, or have waited for it, the first first."""
    mine = (_EDGE.c.on_run_id == run_id, _EDGE.c.sweep_id.is_not(None))
    return list(connection.execute(select(_EDGE.c.sweep_id).where(*mine).order_by(_EDGE.c.id).limit(limit)).scalars())


def remove_of(connection: Connection, sweep_id: int) -> None:
    """A sweep waits for nothing any more."""
    connection.execute(delete(_EDGE).where(_EDGE.c.sweep_id == sweep_id))


def await_all(connection: Connection, sweep_ids: Sequence[int]) -> None:
    """Something is about to wait for these sweeps; nobody else does so, or counts them, before the transaction ends."""
    locked = select(_SWEEP.c.id).where(_SWEEP.c.id.in_(sweep_ids)).order_by(_SWEEP.c.id).with_for_update()
    connection.execute(locked).all()
    connection.execute(update(_SWEEP).where(_SWEEP.c.id.in_(sweep_ids), ~_SWEEP.c.awaited).values(awaited=True))


def note(connection: Connection, sweep_ids: Sequence[int]) -> None:
    """What waits for any of these sweeps is yet to be told what has become of it."""
    # Locked before it is looked whether anything waits: an edge may be about to be added.
    locked = select(_SWEEP.c.id).where(_SWEEP.c.id.in_(sweep_ids)).order_by(_SWEEP.c.id).with_for_update()
    connection.execute(locked).all()
    connection.execute(
        update(_SWEEP).where(_SWEEP.c.id.in_(sweep_ids), _SWEEP.c.awaited, ~_SWEEP.c.untold).values(untold=True)
    )


def _of(
    connection: Connection, kind: Kind, waiting_id: int, limit: int, condition: ColumnElement[bool]
) -> list[Dependency]:
    wanted = select(_EDGE).where(_WAITING[kind] == waiting_id, condition).order_by(_EDGE.c.id).limit(limit)
    return [_edge(row).awaited for row in connection.execute(wanted).mappings()]


def _edge(row: Any) -> SweepEdge:
    waiting: tuple[Kind, int] = ("run", row["run_id"]) if row["sweep_id"] is None else ("sweep", row["sweep_id"])
    if row["on_sweep_id"] is None:
        awaited = Dependency(row["on_run_id"], row["wants"])
    else:
        awaited = Dependency(row["on_sweep_id"], row["wants"], "sweep")
    return SweepEdge(row["id"], waiting, awaited, row["outcome"])
