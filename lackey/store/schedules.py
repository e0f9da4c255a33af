"""Recurring schedules and their history."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, exists, func, insert, select, text, update

from lackey.domain.refusals import NotFound
from lackey.domain.run import Run, RunState
from lackey.domain.schedule import Schedule, Tick
from lackey.domain.sweep import Spread
from lackey.store.compiled import Compiled
from lackey.store.models import ApplicationRow, ProjectRow, RunRow, ScheduleRow, TickRow
from lackey.store.models.schedule import FIRES
from lackey.store.runs import as_run, select_runs
from lackey.store.waiting_writes import Changed

_SCHEDULE = ScheduleRow.metadata.tables[ScheduleRow.__tablename__]
_TICK = TickRow.metadata.tables[TickRow.__tablename__]
_RUN = RunRow.metadata.tables[RunRow.__tablename__]

_DUE = Compiled(
    select(_SCHEDULE.c.id)
    .where(FIRES, bindparam("now", type_=_SCHEDULE.c.next_at.type) >= _SCHEDULE.c.next_at)
    .order_by(_SCHEDULE.c.next_at, _SCHEDULE.c.id)
    .limit(bindparam("most"))
)
_NEXT = Compiled(select(_SCHEDULE.c.next_at).where(FIRES).order_by(_SCHEDULE.c.next_at).limit(1))
_SIGN = Compiled(
    select(_SCHEDULE.c.id, _SCHEDULE.c.revision).where(FIRES).order_by(_SCHEDULE.c.next_at).limit(bindparam("most"))
)
_UNENDED = text("run.schedule_id IS NOT NULL AND run.ended_at IS NULL")


def due(connection: Connection, now: datetime, limit: int) -> list[int]:
    """The schedules that are to fire by now, the earliest first."""
    return [schedule_id for (schedule_id,) in _DUE.rows(connection, {"now": now, "most": limit})]


def next_at(connection: Connection) -> datetime | None:
    """When the first of them is to fire."""
    found: list[list[datetime]] = _NEXT.rows(connection, {})
    return found[0][0] if found else None


def add(connection: Connection, values: dict[str, Any]) -> int:
    """Insert a schedule; its id."""
    added = insert(_SCHEDULE).values(**values, revision=0).returning(_SCHEDULE.c.id)
    made: int = connection.execute(added).scalar_one()
    return made


def get(connection: Connection, schedule_id: int) -> Schedule:
    """The schedule. Raises NotFound."""
    row = connection.execute(_schedules().where(_SCHEDULE.c.id == schedule_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no schedule {schedule_id}")
    return _schedule(row)


def listing(
    connection: Connection, application_id: int | None, project_id: int | None, before_id: int | None, limit: int
) -> list[Schedule]:
    """The newest first; of one application or project, if that is named."""
    statement = _schedules()
    for column, value in ((_SCHEDULE.c.application_id, application_id), (ApplicationRow.project_id, project_id)):
        if value is not None:
            statement = statement.where(column == value)
    if before_id is not None:
        statement = statement.where(_SCHEDULE.c.id < before_id)
    rows = connection.execute(statement.order_by(_SCHEDULE.c.id.desc()).limit(limit)).mappings()
    return [_schedule(row) for row in rows]


def to_fire(connection: Connection, limit: int) -> list[Schedule]:
    """Those that fire next, the first of them first."""
    rows = connection.execute(_schedules().where(FIRES).order_by(_SCHEDULE.c.next_at, _SCHEDULE.c.id).limit(limit))
    return [_schedule(row) for row in rows.mappings()]


def sign_of_change(connection: Connection, limit: int) -> list[Any]:
    """Differs whenever one of those that fire next was changed, or others are."""
    return [tuple(row) for row in _SIGN.rows(connection, {"most": limit})]


def with_ids(connection: Connection, schedule_ids: Collection[int]) -> dict[int, Schedule]:
    """Those of them that there are."""
    rows = connection.execute(_schedules().where(_SCHEDULE.c.id.in_(schedule_ids))).mappings()
    return {row["id"]: _schedule(row) for row in rows}


def change(connection: Connection, schedule: Schedule, values: dict[str, Any]) -> None:
    """Write `values` unless it has changed since it was read. Raises Changed."""
    known = (_SCHEDULE.c.id == schedule.id, _SCHEDULE.c.revision == schedule.revision)
    changed = update(_SCHEDULE).where(*known).values(**values, revision=schedule.revision + 1)
    if connection.execute(changed).rowcount != 1:
        raise Changed


def stop(connection: Connection, schedule_id: int) -> bool:
    """Pause a schedule, be it readable or not; whether it was to fire."""
    fires = (_SCHEDULE.c.id == schedule_id, _SCHEDULE.c.next_at.is_not(None))
    values = {"paused": True, "next_at": None, "revision": _SCHEDULE.c.revision + 1}
    return connection.execute(update(_SCHEDULE).where(*fires).values(values)).rowcount == 1


def remove(connection: Connection, schedule_id: int) -> None:
    """Delete a schedule and its history; the runs that it has made stay."""
    connection.execute(delete(_TICK).where(_TICK.c.schedule_id == schedule_id))
    connection.execute(delete(_SCHEDULE).where(_SCHEDULE.c.id == schedule_id))


def remove_of(connection: Connection, *, application_id: int | None = None, project_id: int | None = None) -> None:
    """Delete the schedules of an application, or of all those of a project."""
    mine = select(_SCHEDULE.c.id).where(_SCHEDULE.c.application_id == application_id)
    if project_id is not None:
        theirs = select(ApplicationRow.id).where(ApplicationRow.project_id == project_id)
        mine = select(_SCHEDULE.c.id).where(_SCHEDULE.c.application_id.in_(theirs))
    for schedule_id in connection.execute(mine).scalars().all():
        remove(connection, schedule_id)


def add_tick(connection: Connection, schedule_id: int, tick: Tick) -> None:
    """Write a line of its history. There is one at most for each time: a second one breaks the transaction."""
    connection.execute(insert(_TICK).values(schedule_id=schedule_id, **vars(tick)))


def ticks(connection: Connection, schedule_id: int, before_id: int | None, limit: int) -> list[tuple[int, Tick]]:
    """Its history, the newest line first, each with its id."""
    statement = select(_TICK).where(_TICK.c.schedule_id == schedule_id)
    if before_id is not None:
        statement = statement.where(_TICK.c.id < before_id)
    rows = connection.execute(statement.order_by(_TICK.c.id.desc()).limit(limit)).mappings()
    return [(row["id"], _tick(row)) for row in rows]


def last_ticks(connection: Connection, schedule_ids: Collection[int]) -> dict[int, Tick]:
    """The newest line of the history of each that has one."""
    its = _TICK.alias()
    newest = select(func.max(its.c.id)).where(its.c.schedule_id == _SCHEDULE.c.id).correlate(_SCHEDULE)
    theirs = select(newest.scalar_subquery()).where(_SCHEDULE.c.id.in_(schedule_ids))
    rows = connection.execute(select(_TICK).where(_TICK.c.id.in_(theirs))).mappings()
    return {row["schedule_id"]: _tick(row) for row in rows}


def last_run(connection: Connection, schedule_id: int) -> Run | None:
    """The last run that it has made, a retry of that aside; None if there is none (any more)."""
    mine = select_runs().where(RunRow.schedule_id == schedule_id, RunRow.cause == "schedule")
    row = connection.execute(mine.order_by(RunRow.id.desc()).limit(1)).one_or_none()
    return None if row is None else as_run(row)


def last_unended(connection: Connection, schedule_id: int) -> int | None:
    """The last of the runs that it has made, and of their retries, that has not ended."""
    mine = select(func.max(_RUN.c.id)).where(_UNENDED, _RUN.c.schedule_id == schedule_id)
    found: int | None = connection.execute(mine).scalar_one()
    return found


def has_waiting(connection: Connection, schedule_id: int) -> bool:
    """Whether any run that it has made waits for others."""
    waiting = (_RUN.c.state == RunState.SCHEDULED, _RUN.c.unmet > 0)
    mine = select(_RUN.c.id).where(_UNENDED, _RUN.c.schedule_id == schedule_id, *waiting)
    return bool(connection.execute(select(exists(mine))).scalar_one())


def _schedules() -> Select[Any]:
    full_name = (ProjectRow.name + "/" + ApplicationRow.name).label("application")
    return (
        select(_SCHEDULE, full_name)
        .join(ApplicationRow, ApplicationRow.id == _SCHEDULE.c.application_id)
        .join(ProjectRow, ProjectRow.id == ApplicationRow.project_id)
    )


def _tick(row: Any) -> Tick:
    return Tick(**{name: row[name] for name in Tick.__dataclass_fields__})


def _schedule(row: Any) -> Schedule:
    stored = dict(row)
    spread = stored.pop("sweep")
    return Schedule(**stored, sweep=None if spread is None else Spread(**spread))
