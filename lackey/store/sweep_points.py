"""The points of sweeps: with which run each counts, in which state that is, and how many there are of which state.

Whoever changes what a run has come to brings its point up to date in the same transaction (`bring_up_to_date`). All
runs of the point are looked at anew, so it is right whatever happened before: retries, their withdrawal, corrections,
reruns.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from lackey.domain.dependencies import Standing, decided, was_withdrawn
from lackey.domain.run import RunState
from lackey.domain.sweep import PointCounts
from lackey.store import sweep_dependencies
from lackey.store.compiled import Compiled
from lackey.store.models import RunRow, SweepChangeRow, SweepCountRow, SweepPointRow

# What of a run tells how its point is.
TELLING = frozenset(
    {"state", "outcome_source", "ticket", "ticket_open", "given_up_at", "cancel_requested_at", "started_at", "ended_at"}
)
# The newest runs of a point that are looked at; those withdrawn before they began among them do not count.
_LOOKED_AT = 100
_TIMED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT})

# Of which sweep, in which state, decided or not.
_Kind = tuple[int, str, bool]

_RUN = RunRow.metadata.tables[RunRow.__tablename__]
_POINT = SweepPointRow.metadata.tables[SweepPointRow.__tablename__]
_COUNT = SweepCountRow.metadata.tables[SweepCountRow.__tablename__]
_CHANGE = SweepChangeRow.metadata.tables[SweepChangeRow.__tablename__]
_STANDING = tuple(Standing.__dataclass_fields__)
_ITS = (_POINT.c.sweep_id == bindparam("its_sweep"), _POINT.c.number == bindparam("its_number"))
_LOCK = Compiled(
    select(_POINT.c.run_id, _POINT.c.state, _POINT.c.decided, _POINT.c.seconds).where(*_ITS).with_for_update()
)
_RUNS = Compiled(
    select(*(_RUN.c[name] for name in _STANDING), _RUN.c.started_at, _RUN.c.ended_at)
    .where(_RUN.c.sweep_id == bindparam("its_sweep"), _RUN.c.point == bindparam("its_number"))
    .order_by(_RUN.c.id.desc())
    .limit(_LOOKED_AT)
)
_WRITE = Compiled(update(_POINT).where(*_ITS))
_ANY_CHANGE = Compiled(select(_CHANGE.c.id).limit(1))
_NOTE = Compiled(insert(_CHANGE).inline())


def bring_up_to_date(connection: Connection, sweep_id: int, number: int) -> None:
    """Let a point count with its newest run, as that is now."""
    its = {"its_sweep": sweep_id, "its_number": number}
    # PostgreSQL: two runs of a point may be changed at once, and whoever comes second must see the first one's.
    [known] = _LOCK.rows(connection, its)
    newest = [
        dict(zip((*_STANDING, "started_at", "ended_at"), row, strict=True)) for row in _RUNS.rows(connection, its)
    ]
    now = _as_it_is(newest)
    if now == known:
        return
    written = dict(zip(("run_id", "state", "decided", "seconds"), now, strict=True))
    _WRITE.run(connection, {**its, **written})
    _, *before = known
    _, *after = now
    if before != after:
        _NOTE.run_each(connection, [_change(sweep_id, -1, *before), _change(sweep_id, 1, *after)])


def _as_it_is(newest: Sequence[dict[str, Any]]) -> list[Any]:
    """The id, the state, whether it is decided and the seconds of the newest run that counts; one at least is given."""
    runs = [({**row, "state": RunState(row["state"])}) for row in newest]
    standings = [(row, Standing(**{name: row[name] for name in _STANDING})) for row in runs]
    row, run = next((each for each in standings if not was_withdrawn(each[1])), standings[0])
    return [run.id, run.state.value, decided(run) is not None, _seconds(run.state, row["started_at"], row["ended_at"])]


def _seconds(state: RunState, started_at: datetime | None, ended_at: datetime | None) -> float | None:
    if state not in _TIMED or started_at is None or ended_at is None or ended_at < started_at:
        return None
    return (ended_at - started_at).total_seconds()


def _change(sweep_id: int, number: int, state: str, is_decided: bool, seconds: float | None) -> dict[str, Any]:
    return {
        "sweep_id": sweep_id,
        "state": state,
        "decided": is_decided,
        "number": number,
        "seconds": number * (seconds or 0.0),
    }


def note(connection: Connection, sweep_id: int, state: RunState, number: int) -> None:
    """So many points more, or fewer, are in this state, and undecided."""
    _NOTE.run(connection, _change(sweep_id, number, state.value, False, None))


def counts(connection: Connection, sweep_ids: Collection[int]) -> dict[int, PointCounts]:
    """How many points of these sweeps are in which state, by their ids; those of complete ones."""
    columns = ("sweep_id", "state", "decided", "number", "seconds")
    each = (
        select(*(table.c[name] for name in columns)).where(table.c.sweep_id.in_(sweep_ids))
        for table in (_COUNT, _CHANGE)
    )
    # In one statement, since what is added up moves from one table to the other.
    all_of_them = union_all(*each).subquery()
    kind = [all_of_them.c[name] for name in columns[:3]]
    sums = (func.sum(all_of_them.c.number), func.sum(all_of_them.c.seconds))
    grouped: Any = select(*kind, *sums).group_by(*kind)
    found: dict[int, list[tuple[RunState, bool, int, float]]] = {sweep_id: [] for sweep_id in sweep_ids}
    for sweep_id, state, is_decided, number, seconds in connection.execute(grouped):
        if number:
            found[sweep_id].append((RunState(state), is_decided, int(number), seconds))
    return {sweep_id: _counts(rows) for sweep_id, rows in found.items()}


def _counts(rows: Iterable[tuple[RunState, bool, int, float]]) -> PointCounts:
    states: dict[RunState, int] = {}
    decided_points, timed, total = 0, 0, 0.0
    for state, is_decided, number, seconds in rows:
        states[state] = states.get(state, 0) + number
        decided_points += number if is_decided else 0
        timed += number if state in _TIMED else 0
        total += seconds
    return PointCounts(states, decided_points, timed, max(0.0, total))


def are_to_be_added_up(connection: Connection) -> bool:
    """Whether there are changes that the counts do not have yet."""
    return bool(_ANY_CHANGE.rows(connection, {}))


def add_up(connection: Connection, limit: int) -> int:
    """Add the first of the changes to the counts, in order; how many these were. For one scheduler at a time.

    What waits for one of these sweeps is yet to be told what that means for it.
    """
    rows = connection.execute(select(_CHANGE).order_by(_CHANGE.c.id).limit(limit).with_for_update(skip_locked=True))
    sums: dict[_Kind, list[float]] = {}
    ids = []
    for row in rows.mappings():
        ids.append(row["id"])
        mine = sums.setdefault((row["sweep_id"], row["state"], row["decided"]), [0, 0.0])
        mine[0] += row["number"]
        mine[1] += row["seconds"]
    if ids:
        _add(connection, sums)
        sweep_dependencies.note(connection, sorted({sweep_id for sweep_id, _, _ in sums}))
        connection.execute(delete(_CHANGE).where(_CHANGE.c.id.in_(ids)))
    return len(ids)


def _add(connection: Connection, sums: Mapping[_Kind, Sequence[float]]) -> None:
    make: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = make(_COUNT)
    grown = new.on_conflict_do_update(
        index_elements=["sweep_id", "state", "decided"],
        set_={
            "number": _COUNT.c.number + new.excluded.number,
            "seconds": _COUNT.c.seconds + new.excluded.seconds,
        },
    )
    for (sweep_id, state, is_decided), (number, seconds) in sorted(sums.items()):
        values = {"sweep_id": sweep_id, "state": state, "decided": is_decided, "number": number, "seconds": seconds}
        connection.execute(grown, values)


def add_all(
    connection: Connection, sweep_id: int, first: int, points: Sequence[dict[str, str]], state: RunState
) -> None:
    """Insert points that have no run yet, numbered from `first`."""
    rows = [
        {"sweep_id": sweep_id, "number": first + at, "parameters": each, "state": state.value, "decided": False}
        for at, each in enumerate(points)
    ]
    _ADD.run_each(connection, rows)


def remove_some(connection: Connection, sweep_id: int, limit: int) -> int:
    """Delete points of a sweep that is not to be; how many these were."""
    some = select(_POINT.c.number).where(_POINT.c.sweep_id == sweep_id).limit(limit)
    removed = delete(_POINT).where(_POINT.c.sweep_id == sweep_id, _POINT.c.number.in_(some.scalar_subquery()))
    return connection.execute(removed).rowcount


def count_in(connection: Connection, sweep_id: int, states: Collection[RunState]) -> int:
    """How many points of a sweep are in one of these states."""
    mine = (_POINT.c.sweep_id == sweep_id, _POINT.c.state.in_([state.value for state in states]))
    return connection.execute(select(func.count()).select_from(_POINT).where(*mine)).scalar_one()


def in_states(
    connection: Connection, sweep_id: int, states: Collection[RunState], after: int, limit: int
) -> list[tuple[int, int]]:
    """The first points past `after` that are in one of these states, by number, each with the run it counts with."""
    found: list[tuple[int, int]] = []
    for state in sorted(states):
        wanted = select(_POINT.c.number, _POINT.c.run_id).where(
            _POINT.c.sweep_id == sweep_id,
            _POINT.c.state == state.value,
            _POINT.c.number > after,
            _POINT.c.run_id.is_not(None),
        )
        rows = connection.execute(wanted.order_by(_POINT.c.number).limit(limit))
        found += [(number, run_id) for number, run_id in rows]
    return sorted(found)[:limit]


_ADD = Compiled(insert(_POINT).inline())
