"""What runs wait for: edges from each that waits to each that it waits for. See `domain.dependencies`.

Edges with a sweep at an end are in `sweep_dependencies`; what is asked here of one run is answered with those.

On PostgreSQL two who decide and who add an edge at the same time must not miss each other. So both lock the row of the
run in whose place the others stand, before they look. On SQLite there is one writer anyway.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, get_args

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from lackey.domain.dependencies import Dependency, EdgeOutcome, Kind, Standing, Wants, family_of
from lackey.domain.run import RunState
from lackey.store import sweep_dependencies
from lackey.store.compiled import FIRST, Compiled
from lackey.store.models import DecisionRow, DependencyRow, RunRow, SweepDependencyRow

T = TypeVar("T")

_RUN = RunRow.metadata.tables[RunRow.__tablename__]
_EDGE = DependencyRow.metadata.tables[DependencyRow.__tablename__]
_SWEEP_EDGE = SweepDependencyRow.metadata.tables[SweepDependencyRow.__tablename__]
_DECISION = DecisionRow.metadata.tables[DecisionRow.__tablename__]
_STANDING = [_RUN.c[name] for name in Standing.__dataclass_fields__]
# How many are named in one statement: both databases take some ten thousand at most.
_NAMED = 1_000
_STATES = frozenset(RunState)

_ADD = insert(_EDGE).from_select(
    ["run_id", "on_run_id", "wants", "outcome"],
    select(
        bindparam("by", type_=_EDGE.c.run_id.type),
        _RUN.c.id,
        bindparam("wants", type_=_EDGE.c.wants.type),
        bindparam("outcome", type_=_EDGE.c.outcome.type),
    ).where(_RUN.c.id.in_(bindparam("run_ids", expanding=True))),
)
_FAMILY = bindparam("family", type_=_RUN.c.id.type)
_MEMBERS = select(*_STANDING).where(or_(_RUN.c.id == _FAMILY, _RUN.c.stands_for == _FAMILY)).order_by(_RUN.c.id)
# Of a run and all later ones the first that is waited for: so PostgreSQL asks the index. Of the run alone, where nearly
# all edges are on one other, it looks through all edges.
_NEXT = select(_EDGE.c.on_run_id).where(_EDGE.c.on_run_id >= _RUN.c.id).order_by(_EDGE.c.on_run_id).limit(FIRST)
_NOTED = Compiled(select(_DECISION.c.run_id).order_by(_DECISION.c.run_id).limit(FIRST))
_NEXT_SWEEP = (
    select(_SWEEP_EDGE.c.on_run_id)
    .where(_SWEEP_EDGE.c.on_run_id >= _RUN.c.id)
    .order_by(_SWEEP_EDGE.c.on_run_id)
    .limit(FIRST)
)
_AWAITED = Compiled(
    select(_RUN.c.id, _NEXT.scalar_subquery(), _NEXT_SWEEP.scalar_subquery()).where(
        or_(_RUN.c.id == _FAMILY, _RUN.c.stands_for == _FAMILY)
    )
)
_OTHER = (
    and_(_EDGE.c.wants == wants, _EDGE.c.outcome.is_distinct_from(bindparam(wants, type_=_EDGE.c.outcome.type)))
    for wants in get_args(Wants)
)
_UNLIKE = (
    select(_EDGE)
    .where(_EDGE.c.on_run_id.in_(bindparam("run_ids", expanding=True)), _EDGE.c.id > bindparam("passed"), or_(*_OTHER))
    .order_by(_EDGE.c.id)
    .limit(bindparam("most"))
)
_CHANGE = (
    update(_EDGE).where(_EDGE.c.id.in_(bindparam("edge_ids", expanding=True))).values(outcome=bindparam("new_outcome"))
)
_FAILED = (
    select(_EDGE.c.on_run_id, _EDGE.c.wants)
    .where(_EDGE.c.run_id == bindparam("wanted_id"), _EDGE.c.outcome == "failed")
    .order_by(_EDGE.c.id)
    .limit(bindparam("most"))
)
_LOCK = select(_RUN.c.id).where(_RUN.c.id == _FAMILY).with_for_update()
_COUNT = (
    update(_RUN)
    .where(_RUN.c.id == bindparam("wanted_id"))
    .values(unmet=_RUN.c.unmet + bindparam("more"), revision=_RUN.c.revision + 1)
    .returning(_RUN.c.unmet, _RUN.c.state)
)


@dataclass(frozen=True)
class Edge:
    """`run_id` waits for `on_run_id` to come to what it `wants`; see `store.models.DependencyRow`."""

    id: int
    run_id: int
    on_run_id: int
    wants: Wants
    outcome: EdgeOutcome | None

    @property
    def waiting(self) -> tuple[Kind, int]:
        """What waits."""
        return "run", self.run_id

    @property
    def awaited(self) -> Dependency:
        """What is waited for."""
        return Dependency(self.on_run_id, self.wants)


@dataclass(frozen=True)
class Linked:
    """A run at the other end of an edge, and what is waited for. `family`: the run in whose place it stands."""

    run_id: int
    name: str
    state: RunState
    family: int
    wants: Wants
    outcome: EdgeOutcome | None


def add_all(connection: Connection, run_id: int, awaited: Iterable[tuple[Dependency, EdgeOutcome | None]]) -> None:
    """Insert the edges of a run."""
    alike: dict[tuple[Wants, EdgeOutcome | None], list[int]] = defaultdict(list)
    on_sweeps = []
    for one, outcome in awaited:
        if one.kind == "sweep":
            on_sweeps.append((one, outcome))
        else:
            alike[one.wants, outcome].append(one.on_id)
    sweep_dependencies.add_all(connection, "run", run_id, on_sweeps)
    for (wants, outcome), on_run_ids in alike.items():
        for some in _pieces(on_run_ids):
            # A statement for each thousand: there may be ten thousand.
            connection.execute(_ADD, {"by": run_id, "wants": wants, "outcome": outcome, "run_ids": some})


def lock(connection: Connection, family: int) -> None:
    """Let nobody else decide, or add an edge, on the run in whose place others stand, before this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"family": family})


def awaited_among(connection: Connection, families: Sequence[int]) -> list[int]:
    """Those of these runs for which, or for one in whose place, anything waits, or has waited."""
    return [
        family
        for family in families
        if any(run_id in awaited for run_id, *awaited in _AWAITED.rows(connection, {"family": family}))
    ]


def members(connection: Connection, family: int) -> list[Standing]:
    """A run and those that stand in its place, in the order in which they were made."""
    return [_standing(row) for row in connection.execute(_MEMBERS, {"family": family}).mappings()]


def families(connection: Connection, run_ids: Collection[int]) -> dict[int, list[Standing]]:
    """The families of these runs, by their ids; of those alone of which something may be decided already.

    They are locked, so that nobody decides meanwhile.
    """
    _lock_all(connection, run_ids)
    members: dict[int, dict[int, Standing]] = defaultdict(dict)
    begun = or_(_RUN.c.ended_at.is_not(None), _RUN.c.stands_for.is_not(None))
    named = _standings(connection, _RUN.c.id, run_ids, begun)
    families = {family_of(one) for one in named}
    _lock_all(connection, families)
    standing = _standings(connection, _RUN.c.stands_for, families | set(run_ids))
    firsts = _standings(connection, _RUN.c.id, families | {family_of(one) for one in standing})
    for one in (*named, *firsts, *standing):
        members[family_of(one)][one.id] = one
    family = {one.id: family_of(one) for each in members.values() for one in each.values()}
    return {
        run_id: [members[family[run_id]][each] for each in sorted(members[family[run_id]])]
        for run_id in run_ids
        if run_id in family
    }


def unlike(
    connection: Connection, run_ids: Sequence[int], outcomes: dict[Wants, EdgeOutcome | None], passed: int, limit: int
) -> list[Edge]:
    """Edges on these runs that have another outcome than these for what they want, in order, past the edge `passed`."""
    given: dict[str, Any] = {"run_ids": run_ids, "passed": passed, "most": limit}
    given.update(outcomes.items())
    return [Edge(**row) for row in connection.execute(_UNLIKE, given).mappings()]


def change(connection: Connection, edge_ids: Sequence[int], outcome: EdgeOutcome | None) -> None:
    """Write the outcome of these edges."""
    connection.execute(_CHANGE, {"edge_ids": edge_ids, "new_outcome": outcome})


def count(connection: Connection, run_id: int, more: int) -> tuple[int, str]:
    """A run waits for so many more than before, or fewer: for how many now, and its state as it is stored."""
    unmet, state = connection.execute(_COUNT, {"wanted_id": run_id, "more": more}).one()
    return unmet, state


def has_failed(connection: Connection, run_id: int) -> bool:
    """Whether something that the run waits for can't come any more."""
    found = connection.execute(_FAILED, {"wanted_id": run_id, "most": 1}).first()
    return found is not None or bool(sweep_dependencies.failed_of(connection, "run", run_id, 1))


def failed_of(connection: Connection, run_id: int) -> list[Dependency]:
    """What a run waits for, and can't come any more; the first of it."""
    rows = connection.execute(_FAILED, {"wanted_id": run_id, "most": _NAMED})
    on_runs = [Dependency(on_run_id, wants) for on_run_id, wants in rows]
    return on_runs + sweep_dependencies.failed_of(connection, "run", run_id, _NAMED)


def has_edges(connection: Connection, run_id: int) -> bool:
    """Whether the run was made to wait for others, and that is known here."""
    return bool(connection.execute(select(exists().where(_EDGE.c.run_id == run_id))).scalar_one())


def unmet_of(connection: Connection, run_id: int, limit: int) -> list[Dependency]:
    """What a run still waits for, the first of it."""
    wanted = select(_EDGE.c.on_run_id, _EDGE.c.wants).where(
        _EDGE.c.run_id == run_id, _EDGE.c.outcome.is_distinct_from("met")
    )
    rows = connection.execute(wanted.order_by(_EDGE.c.id).limit(limit))
    on_runs = [Dependency(on_run_id, wants) for on_run_id, wants in rows]
    return (on_runs + sweep_dependencies.unmet_of(connection, "run", run_id, limit))[:limit]


def count_unmet(connection: Connection, run_id: int) -> int:
    """How much of what the run itself waits for has not come to what it is to."""
    counted = select(func.count()).where(_EDGE.c.run_id == run_id, _EDGE.c.outcome.is_distinct_from("met"))
    on_sweeps = select(func.count()).where(
        _SWEEP_EDGE.c.run_id == run_id, _SWEEP_EDGE.c.outcome.is_distinct_from("met")
    )
    return sum(connection.execute(each).scalar_one() for each in (counted, on_sweeps))


def awaited_by(connection: Connection, run_id: int, limit: int) -> list[Linked]:
    """What a run waits for, or has waited for, as it was asked for."""
    return _linked(connection, _EDGE.c.run_id == run_id, _EDGE.c.on_run_id, limit)


def waiting_for(connection: Connection, run_id: int, limit: int) -> list[Linked]:
    """What waits for a run, or has waited for it, the first first."""
    return _linked(connection, _EDGE.c.on_run_id == run_id, _EDGE.c.run_id, limit)


def latest_of(connection: Connection, families: Collection[int]) -> dict[int, tuple[int, RunState]]:
    """The last one of those that stand in the place of each of these runs, and its state; only where there is one."""
    standing = select(_RUN.c.stands_for, _RUN.c.id, _RUN.c.state).where(_RUN.c.stands_for.in_(families))
    rows = connection.execute(standing.order_by(_RUN.c.id))
    return {family: (run_id, RunState(state)) for family, run_id, state in rows}


def note(connection: Connection, family: int, passed: int) -> None:
    """Those who wait for a run, and whose edges come after `passed`, are yet to be told what has become of it."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(_DECISION).values(run_id=family, passed=passed)
    connection.execute(row.on_conflict_do_update(index_elements=["run_id"], set_={"passed": passed}))


def noted(connection: Connection) -> int | None:
    """A run of which not all have been told, if there is one."""
    found: list[list[int]] = _NOTED.rows(connection, {})
    return found[0][0] if found else None


def take_note(connection: Connection, family: int) -> int | None:
    """After which edge they are to be told; it is noted no more. None: somebody else has told them."""
    taken = delete(_DECISION).where(_DECISION.c.run_id == family).returning(_DECISION.c.passed)
    return connection.execute(taken).scalar_one_or_none()


def undecided_of_ended(connection: Connection, after: int, limit: int) -> tuple[list[int], int | None]:
    """Runs that have ended, of which it is not decided what waits for them; and after which to go on, None: at the end.

    Of the runs that are waited for, `limit` are looked at, those past `after`.
    """
    awaited = select(_EDGE.c.on_run_id).where(_EDGE.c.outcome.is_(None), _EDGE.c.on_run_id > after).distinct()
    looked_at = connection.execute(awaited.order_by(_EDGE.c.on_run_id).limit(limit)).scalars().all()
    ended = select(func.coalesce(_RUN.c.stands_for, _RUN.c.id)).where(
        _RUN.c.id.in_(looked_at), _RUN.c.ended_at.is_not(None)
    )
    found = sorted(set(connection.execute(ended).scalars()))
    return found, looked_at[-1] if len(looked_at) == limit else None


def undecided_of_settled(connection: Connection, since: datetime) -> list[int]:
    """The same of those alone that were settled since then."""
    family = func.coalesce(_RUN.c.stands_for, _RUN.c.id)
    undecided = select(_EDGE.c.on_run_id).where(_EDGE.c.outcome.is_(None), _EDGE.c.on_run_id >= family)
    first = undecided.order_by(_EDGE.c.on_run_id).limit(1).scalar_subquery()
    settled = connection.execute(select(family, first).where(_RUN.c.settled_at >= since))
    return sorted({run_id for run_id, awaited in settled if awaited == run_id})


def adopt_retries(connection: Connection, families: Sequence[int]) -> None:
    """Let the retries of these runs, and of those in their place, stand in their place too: older ones don't yet."""
    parent = _RUN.alias()
    theirs = select(parent.c.id).where(or_(parent.c.id.in_(families), parent.c.stands_for.in_(families)))
    family = select(func.coalesce(parent.c.stands_for, parent.c.id)).where(parent.c.id == _RUN.c.parent_id)
    older = (_RUN.c.cause == "retry", _RUN.c.stands_for.is_(None), _RUN.c.parent_id.in_(theirs))
    connection.execute(update(_RUN).where(*older).values(stands_for=family.scalar_subquery()))


def _linked(connection: Connection, mine: Any, other: Any, limit: int) -> list[Linked]:
    family = func.coalesce(_RUN.c.stands_for, _RUN.c.id).label("family")
    columns = (_RUN.c.id.label("run_id"), _RUN.c.name, _RUN.c.state, family, _EDGE.c.wants, _EDGE.c.outcome)
    wanted = select(*columns).select_from(_EDGE).join(_RUN, _RUN.c.id == other).where(mine)
    rows = connection.execute(wanted.order_by(_EDGE.c.id).limit(limit)).mappings()
    return [Linked(**{**row, "state": RunState(row["state"])}) for row in rows]


def _lock_all(connection: Connection, run_ids: Collection[int]) -> None:
    for some in _pieces(sorted(run_ids)) if connection.dialect.name == "postgresql" else ():
        named = select(_RUN.c.id).where(_RUN.c.id.in_(some)).order_by(_RUN.c.id)
        connection.execute(named.with_for_update(read=True))


def _standings(connection: Connection, column: Any, values: Collection[int], *more: Any) -> list[Standing]:
    found: list[Standing] = []
    for some in _pieces(sorted(values)):
        rows = connection.execute(select(*_STANDING).where(column.in_(some), *more)).mappings()
        found += [_standing(row) for row in rows]
    return found


def _pieces(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[first : first + _NAMED] for first in range(0, len(values), _NAMED))


def _standing(row: Any) -> Standing:
    """What can't be read counts as open: nothing is decided on its account."""
    known = row["state"] in _STATES
    return Standing(**{**row, "state": RunState(row["state"]) if known else RunState.RUNNING})
