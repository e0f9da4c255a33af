"""Sweeps: insert, read, change, make their runs. Their points are in `sweep_points`."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, literal, or_, select, text, update

from lackey.domain.refusals import NotFound
from lackey.domain.run import Event, RunState
from lackey.domain.sweep import Sweep
from lackey.store import events, tags, words
from lackey.store.compiled import Compiled
from lackey.store.models import RunRow, SweepCountRow, SweepPointRow, SweepRow
from lackey.store.models.sweep import OF_ONE, UNFINISHED
from lackey.store.runs import UNBORN

_SWEEP = SweepRow.metadata.tables[SweepRow.__tablename__]
_POINT = SweepPointRow.metadata.tables[SweepPointRow.__tablename__]
_COUNT = SweepCountRow.metadata.tables[SweepCountRow.__tablename__]
_RUN = RunRow.metadata.tables[RunRow.__tablename__]
_NAMES = tuple(each.name for each in fields(Sweep))
_COLUMNS = tuple(_SWEEP.c[name] for name in _NAMES)
# Random, as the uid of any run is.
_UID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "replace(CAST(gen_random_uuid() AS text), '-', '')"}
_UNFINISHED = Compiled(select(*_COLUMNS).where(UNFINISHED).order_by(_SWEEP.c.id))


def _sweep(row: Sequence[Any]) -> Sweep:
    return Sweep(**dict(zip(_NAMES, row, strict=True)))


def add(connection: Connection, values: dict[str, Any]) -> int:
    """Insert a sweep of which nothing counts yet; its id."""
    return int(connection.execute(insert(_SWEEP).values(values).returning(_SWEEP.c.id)).scalar_one())


def get(connection: Connection, sweep_id: int) -> Sweep:
    """A complete sweep. Raises NotFound."""
    wanted = select(*_COLUMNS).where(_SWEEP.c.id == sweep_id, _SWEEP.c.complete_at.is_not(None))
    row = connection.execute(wanted).one_or_none()
    if row is None:
        raise NotFound(f"there is no sweep {sweep_id}")
    return _sweep(row)


def lock(connection: Connection, sweep_id: int) -> Sweep | None:
    """The sweep, be it complete or not; nobody else changes it before this transaction ends."""
    row = connection.execute(select(*_COLUMNS).where(_SWEEP.c.id == sweep_id).with_for_update()).one_or_none()
    return None if row is None else _sweep(row)


def share(connection: Connection, sweep_id: int) -> Sweep:
    """A complete sweep, which nobody changes before this transaction ends; others may share it. Raises NotFound."""
    locked = select(_SWEEP.c.id).where(_SWEEP.c.id == sweep_id).with_for_update(read=True)
    connection.execute(locked).all()
    return get(connection, sweep_id)


def existing(connection: Connection, sweep_ids: Sequence[int]) -> set[int]:
    """Those of the sweeps that exist, and are complete."""
    wanted = select(_SWEEP.c.id).where(_SWEEP.c.id.in_(sweep_ids), _SWEEP.c.complete_at.is_not(None))
    return set(connection.execute(wanted).scalars()) if sweep_ids else set()


def with_ids(connection: Connection, sweep_ids: Sequence[int]) -> dict[int, Sweep]:
    """Those of the sweeps that exist, by their ids."""
    rows = connection.execute(select(*_COLUMNS).where(_SWEEP.c.id.in_(sweep_ids)))
    return {row.id: _sweep(row) for row in rows}


def listing(connection: Connection, before_id: int | None, limit: int, application_id: int | None) -> list[Sweep]:
    """Complete sweeps, the newest first; those below the id `before_id`."""
    wanted = select(*_COLUMNS).where(_SWEEP.c.complete_at.is_not(None))
    if before_id is not None:
        wanted = wanted.where(_SWEEP.c.id < before_id)
    if application_id is not None:
        wanted = wanted.where(_SWEEP.c.application_id == application_id)
    return [_sweep(row) for row in connection.execute(wanted.order_by(_SWEEP.c.id.desc()).limit(limit))]


def last_of_schedule(connection: Connection, schedule_id: int) -> int | None:
    """The last complete sweep that a recurring schedule has made."""
    mine = select(func.max(_SWEEP.c.id)).where(OF_ONE, _SWEEP.c.schedule_id == schedule_id)
    found: int | None = connection.execute(mine.where(_SWEEP.c.complete_at.is_not(None))).scalar_one()
    return found


def unfinished(connection: Connection) -> list[Sweep]:
    """Those of which something is still to be done by the leading scheduler."""
    return [_sweep(row) for row in _UNFINISHED.rows(connection, {})]


def are_being_made(connection: Connection, *, project_id: int | None = None, application_id: int | None = None) -> bool:
    """Whether a project or an application has a sweep of which there are not all runs yet."""
    column, wanted = (
        (_SWEEP.c.project_id, project_id) if project_id is not None else (_SWEEP.c.application_id, application_id)
    )
    made = select(_SWEEP.c.id).where(
        UNFINISHED, column == wanted, or_(_SWEEP.c.unmade > 0, _SWEEP.c.complete_at.is_(None))
    )
    return connection.execute(made.limit(1)).first() is not None


def change(connection: Connection, sweep_id: int, values: dict[str, Any]) -> None:
    """Write `values` to the sweep."""
    connection.execute(update(_SWEEP).where(_SWEEP.c.id == sweep_id).values(values))


def remove(connection: Connection, sweep_id: int) -> None:
    """Delete a sweep that never was complete, and has no points any more."""
    connection.execute(delete(_SWEEP).where(_SWEEP.c.id == sweep_id, _SWEEP.c.complete_at.is_(None)))


def count_unmade(connection: Connection, by: str) -> int:
    """How many runs of this user's complete sweeps are still to be made."""
    wanted = select(func.coalesce(func.sum(_SWEEP.c.unmade), 0)).where(
        UNFINISHED, _SWEEP.c.by == by, _SWEEP.c.complete_at.is_not(None)
    )
    return int(connection.execute(wanted).scalar_one())


def make_runs(connection: Connection, sweep: Sweep, limit: int, now: datetime) -> int:
    """Make runs of the first points that have none; how many. The caller has locked the sweep.

    The database copies the points into runs by itself: only so it takes no longer than it has to.
    """
    first = sweep.points - sweep.unmade + 1
    made = min(limit, sweep.unmade)
    if made < 1:
        return 0
    # As they were counted when it was completed, be they due by now or not.
    state = RunState.QUEUED if sweep.begins_queued else RunState.SCHEDULED
    values = {
        **{name: value for name, value in UNBORN.items() if name not in ("sweep_id", "point")},
        **sweep.inputs,
        "name": sweep.name,
        "project_id": sweep.project_id,
        "application_id": sweep.application_id,
        "project": sweep.project,
        "application": sweep.application,
        "by": sweep.by,
        "launched": True,
        "state": state.value,
        "cause": "sweep",
        "priority": sweep.priority,
        "after": [],
        "created_at": now,
        "scheduled_at": sweep.scheduled_at,
        "queued_at": now if sweep.begins_queued else None,
        "unmet": int(sweep.unmet > 0),
    }
    chosen = [literal(value, _RUN.c[name].type).label(name) for name, value in values.items()]
    copied = select(
        text(_UID[connection.dialect.name]), _POINT.c.sweep_id, _POINT.c.number, _POINT.c.parameters, *chosen
    ).where(_POINT.c.sweep_id == sweep.id, _POINT.c.number.between(first, first + made - 1))
    columns = ["uid", "sweep_id", "point", "parameters", *values]
    inserted = insert(_RUN).from_select(columns, copied.order_by(_POINT.c.number), include_defaults=False)
    connection.execute(inserted)
    _follow(connection, sweep, first, made, Event(0, now, state.value, sweep.by, f"made; {state}", {"cause": "sweep"}))
    return made


def _follow(connection: Connection, sweep: Sweep, first: int, made: int, event: Event) -> None:
    """What is written beside the new runs: their points, events, and the words that they are found by."""
    new = and_(_RUN.c.sweep_id == sweep.id, _RUN.c.point.between(first, first + made - 1))
    run_ids = list(connection.execute(select(_RUN.c.id).where(new).order_by(_RUN.c.id)).scalars())
    theirs = select(_RUN.c.id).where(_RUN.c.sweep_id == _POINT.c.sweep_id, _RUN.c.point == _POINT.c.number)
    pointed = update(_POINT).where(_POINT.c.sweep_id == sweep.id, _POINT.c.number.between(first, first + made - 1))
    connection.execute(pointed.values(run_id=theirs.scalar_subquery(), state=event.kind))
    events.add_all(connection, [Event(**{**vars(event), "run_id": run_id}) for run_id in run_ids])
    content = words.description(sweep.name, sweep.inputs["command"])
    if named := sweep.inputs.get("tags"):
        tags.add_each(connection, run_ids, named)
    words.index_all(connection, ((run_id, content, None) for run_id in run_ids))
    change(connection, sweep.id, {"unmade": sweep.unmade - made})


def has_left(connection: Connection, sweep_id: int) -> bool:
    """Whether any of its runs waits to be cancelled."""
    waiting = (RunState.SCHEDULED.value, RunState.QUEUED.value, RunState.RUNNING.value)
    wanted = (
        select(_RUN.c.id)
        .join(_POINT, _POINT.c.run_id == _RUN.c.id)
        .where(
            _POINT.c.sweep_id == sweep_id,
            _POINT.c.state.in_(waiting),
            _RUN.c.cancel_requested_at.is_(None),
        )
    )
    return connection.execute(wanted.limit(1)).first() is not None
