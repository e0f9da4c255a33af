"""Runs: insert, read, change, list."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    insert,
    select,
    update,
)

from lackey.domain.refusals import NotFound
from lackey.domain.run import ACTIVE, Garbled, Run, RunState
from lackey.store import sweep_points, waiting_writes
from lackey.store.compiled import Compiled
from lackey.store.database import unique
from lackey.store.models import RunRow
from lackey.store.models.run import TICKET_OPEN

# Beyond this many it is enough to know that there are more; to count a million runs takes long.
COUNTED_AT_MOST = 1_000

_RUN = RunRow.metadata.tables[RunRow.__tablename__]
_NAMES = tuple(each.name for each in fields(Run))
COLUMNS = tuple(_RUN.c[name] for name in _NAMES)

_ADD = Compiled(insert(_RUN).returning(*COLUMNS))
_ONE = Compiled(select(*COLUMNS).where(_RUN.c.id == bindparam("wanted_id")))
_OF_TICKET = Compiled(select(*COLUMNS).where(TICKET_OPEN, _RUN.c.ticket == bindparam("wanted_ticket")))
_CHANGE = Compiled(update(_RUN).where(_RUN.c.id == bindparam("known_id"), _RUN.c.revision == bindparam("known")))


def as_run(row: Sequence[Any]) -> Run:
    """A stored row of `COLUMNS` as a value."""
    values = dict(zip(_NAMES, row, strict=True))
    values["state"] = RunState(values["state"])
    return Run.of(values)


def select_runs() -> Select[Any]:
    """All columns of runs, as `as_run` takes them; the callers add conditions."""
    return select(*COLUMNS)


def add(connection: Connection, values: dict[str, Any]) -> Run:
    """Insert a run. `values` names what differs from `UNBORN`."""
    run = as_run(*_ADD.rows(connection, {**UNBORN, **values}))
    _follow(connection, run)
    return run


def _follow(connection: Connection, run: Run) -> None:
    if run.sweep_id is not None and run.point is not None:
        sweep_points.bring_up_to_date(connection, run.sweep_id, run.point)


def add_all(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert runs that have their ids already; each names the same columns. Raises NotUnique."""
    with unique():
        connection.execute(insert(_RUN), [{**UNBORN, **values} for values in rows])


# What a run has before anything has happened to it.
UNBORN: dict[str, Any] = {
    "reason": None,
    "held": False,
    "ticket_open": False,
    "attempts": 0,
    "gpus": 0,
    "lane": "",
    "unmet": 0,
    "sweep_id": None,
    "point": None,
    "evidence": {},
    "settled_at": None,
    "marks": [],
    "left_behind": 0,
    "log_size": 0,
    "stop_log_size": 0,
    "log_kept": True,
    "revision": 0,
}


def get(connection: Connection, run_id: int) -> Run:
    """The run. Raises NotFound."""
    run = find(connection, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return run


def count_waiting(connection: Connection, by: str, most: int) -> int:
    """How many runs of this user wait for their start, counted up to `most`."""
    waiting = select(RunRow.id).where(
        RunRow.ended_at.is_(None), RunRow.by == by, RunRow.state.in_([RunState.SCHEDULED, RunState.QUEUED])
    )
    return connection.execute(select(func.count()).select_from(waiting.limit(most).subquery())).scalar_one()


def find(connection: Connection, run_id: int) -> Run | None:
    """The run, or None. Raises Garbled."""
    try:
        rows = _ONE.rows(connection, {"wanted_id": run_id})
        return as_run(rows[0]) if rows else None
    except (ValueError, TypeError) as error:
        raise Garbled(run_id, error) from error


def readable(connection: Connection, statement: Select[Any]) -> tuple[list[Run], list[Garbled]]:
    """The runs that a statement of `select_runs` finds, and those of them that can't be read."""
    try:
        return [as_run(row) for row in connection.execute(statement)], []
    except (ValueError, TypeError):
        found, garbled = [], []
        for run_id in connection.execute(statement.with_only_columns(RunRow.id)).scalars().all():
            try:
                found.append(get(connection, run_id))
            except Garbled as one:
                garbled.append(one)
        return found, garbled


def with_ids(connection: Connection, run_ids: Sequence[int]) -> dict[int, Run]:
    """Those of the runs that exist, by their ids."""
    rows = connection.execute(select_runs().where(RunRow.id.in_(run_ids)))
    return {row.id: as_run(row) for row in rows}


def with_open_ticket(connection: Connection, ticket: str) -> Run | None:
    """The run that this ticket was drawn for, as long as that attempt's process may live, and no other was drawn."""
    rows = _OF_TICKET.rows(connection, {"wanted_ticket": ticket})
    return as_run(rows[0]) if rows else None


def change(connection: Connection, run: Run, values: dict[str, Any]) -> Run:
    """Write `values` to the run unless it has changed since it was read; its point of a sweep too.

    Raises Changed, on PostgreSQL maybe later.
    """
    # What stays as it is is not written: SQLite would put it into its indexes anew.
    stored = vars(run)
    written = {name: value for name, value in values.items() if value != stored[name]} | {"revision": run.revision + 1}
    waiting_writes.change(connection, _CHANGE, {**written, "known_id": run.id, "known": run.revision})
    changed = Run.of({**stored, **written})
    if not sweep_points.TELLING.isdisjoint(written):
        _follow(connection, changed)
    return changed


def give_priority(connection: Connection, run_ids: Sequence[int], priority: int) -> None:
    """Let these runs have another priority, as far as nobody has begun to launch them."""
    mine = (RunRow.id.in_(run_ids), RunRow.priority != priority, RunRow.ticket_open.is_(False))
    changed = {"priority": priority, "revision": RunRow.revision + 1}
    connection.execute(update(_RUN).where(RunRow.ended_at.is_(None), *mine).values(changed))


@dataclass(frozen=True)
class Filter:
    """What a list of runs is narrowed to; None and empty ask for nothing. `text` holds words that all have to occur."""

    states: frozenset[RunState] = frozenset()
    project_id: int | None = None
    application_id: int | None = None
    by: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    sweep_id: int | None = None
    schedule_id: int | None = None
    tag: str | None = None


def are_there(connection: Connection) -> bool:
    """Whether there is any run."""
    return connection.execute(select(RunRow.id).limit(1)).one_or_none() is not None


def newest(connection: Connection) -> int:
    """The id of the run that was made last; 0 if there is none."""
    return connection.execute(select(func.coalesce(func.max(RunRow.id), 0))).scalar_one()


def existing(connection: Connection, run_ids: Sequence[int]) -> set[int]:
    """Those of the runs that exist."""
    if not run_ids:
        return set()
    return set(connection.execute(select(RunRow.id).where(RunRow.id.in_(run_ids))).scalars())


def children(connection: Connection, run_id: int, limit: int) -> list[Run]:
    """The runs that name this one as their parent, the newest first."""
    statement = select_runs().where(RunRow.parent_id == run_id).order_by(RunRow.id.desc()).limit(limit)
    return [as_run(row) for row in connection.execute(statement)]


def beside(connection: Connection, run: Run) -> tuple[int | None, int | None]:
    """The runs of the same application that were made just before and just after this one."""
    if run.application_id is None:
        return None, None
    mine = RunRow.application_id == run.application_id
    before = select(func.max(RunRow.id)).where(mine, RunRow.id < run.id)
    after = select(func.min(RunRow.id)).where(mine, RunRow.id > run.id)
    return connection.execute(before).scalar_one(), connection.execute(after).scalar_one()


def count_of(
    connection: Connection, *, project_id: int | None = None, application_id: int | None = None
) -> tuple[int, int]:
    """How many runs a project or application has, at most one more than `COUNTED_AT_MOST`; and how many are active."""
    column, wanted = (
        (RunRow.project_id, project_id) if project_id is not None else (RunRow.application_id, application_id)
    )
    mine = column == wanted
    # Behind an expression, so that the few active ones are looked through, and not all that it has.
    mine_among_few: ColumnElement[bool] = column + 0 == wanted
    some = select(RunRow.id).where(mine).limit(COUNTED_AT_MOST + 1).subquery()
    active = select(func.count()).where(RunRow.ended_at.is_(None), RunRow.state.in_(sorted(ACTIVE)), mine_among_few)
    every = select(func.count()).select_from(some)
    return connection.execute(every).scalar_one(), connection.execute(active).scalar_one()
