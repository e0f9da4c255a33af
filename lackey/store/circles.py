"""What runs and sweeps wait for, step by step, to find circles."""

from collections.abc import Collection, Iterator

from sqlalchemy import ColumnElement, Connection, func, or_, select

from lackey.domain.dependencies import Kind
from lackey.store.models import DependencyRow, RunRow, SweepDependencyRow

Node = tuple[Kind, int]

_RUN = RunRow.metadata.tables[RunRow.__tablename__]
_EDGE = DependencyRow.metadata.tables[DependencyRow.__tablename__]
_SWEEP_EDGE = SweepDependencyRow.metadata.tables[SweepDependencyRow.__tablename__]


def members(connection: Connection, run_ids: Collection[int]) -> list[int]:
    """These runs, and all in whose place they stand, or that stand in the same."""
    family = select(func.coalesce(_RUN.c.stands_for, _RUN.c.id)).where(_RUN.c.id.in_(run_ids))
    families = connection.execute(family.distinct()).scalars().all()
    wanted = select(_RUN.c.id).where(or_(_RUN.c.id.in_(families), _RUN.c.stands_for.in_(families)))
    return list(connection.execute(wanted).scalars())


def awaited_by_runs(connection: Connection, run_ids: Collection[int]) -> set[Node]:
    """What these runs wait for, be it met or not: themselves, or with their sweeps."""
    sweeps = select(_RUN.c.sweep_id).where(_RUN.c.id.in_(run_ids), _RUN.c.sweep_id.is_not(None))
    return {
        *_on_runs(connection, _EDGE.c.run_id.in_(run_ids)),
        *_with_sweeps(connection, or_(_SWEEP_EDGE.c.run_id.in_(run_ids), _SWEEP_EDGE.c.sweep_id.in_(sweeps))),
    }


def awaited_by_sweeps(connection: Connection, sweep_ids: Collection[int]) -> set[Node]:
    """What these sweeps wait for, or any of their runs."""
    theirs = select(_RUN.c.id).where(_RUN.c.sweep_id.in_(sweep_ids))
    return {
        *_on_runs(connection, _EDGE.c.run_id.in_(theirs)),
        *_with_sweeps(connection, or_(_SWEEP_EDGE.c.run_id.in_(theirs), _SWEEP_EDGE.c.sweep_id.in_(sweep_ids))),
    }


def _on_runs(connection: Connection, which: ColumnElement[bool]) -> Iterator[Node]:
    for run_id in connection.execute(select(_EDGE.c.on_run_id).where(which).distinct()).scalars():
        yield "run", run_id


def _with_sweeps(connection: Connection, which: ColumnElement[bool]) -> Iterator[Node]:
    rows = connection.execute(select(_SWEEP_EDGE.c.on_run_id, _SWEEP_EDGE.c.on_sweep_id).where(which).distinct())
    for run_id, sweep_id in rows:
        yield ("run", run_id) if sweep_id is None else ("sweep", sweep_id)
