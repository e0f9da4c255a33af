"""Queued runs that nobody has claimed, as lanes (see `domain.policy`), and their claim.

The lanes are found by a skip scan over the index that has the claimable runs alone, user by user, the highest priority
first: each step asks the index for the next lane below the one before. So it costs as much as there are lanes, however
many runs stand in them. It is bounded: each user has the same part, and what lies beyond it is looked at in turn.
"""

import re
from collections.abc import Collection, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnClause, Connection, String, bindparam, cast, column, select, text, update

from lackey.domain.policy import InUse, QueuedRun, lane_of
from lackey.domain.resources import Demand
from lackey.domain.run import Garbled, Run, RunState
from lackey.store.compiled import Compiled
from lackey.store.models import AttemptRow, RunRow, SweepRow
from lackey.store.models.base import Instant, moment
from lackey.store.models.run import CLAIMABLE
from lackey.store.runs import COLUMNS, as_run

COUNTED_AT_MOST = 10_000
LANES_AT_MOST = 1_000
USERS_AT_MOST = 500

# What comes of a column that holds what lackey has never written there.
_UNREADABLE = (ValueError, TypeError, OverflowError)
_RUN = RunRow.metadata.tables[RunRow.__tablename__]
_ATTEMPT = AttemptRow.metadata.tables[AttemptRow.__tablename__]
# In the words of the index: only so is it used.
_MINE = f"{CLAIMABLE} AND executor = :executor"


def _by_index(sql: str, columns: str) -> dict[str, Compiled]:
    """A statement for each kind of database, `claimable` in it being the runs as the index has them.

    `columns`: what it answers, as the database has it. SQLite has to be told to use the index, or it may take another
    that looks just as good to it, and look at runs one by one.
    """
    runs = {"sqlite": "run INDEXED BY ix_run_claimable", "postgresql": "run"}
    answered: list[ColumnClause[Any]] = [column(name) for name in columns.split()]
    times = [bindparam("at", type_=Instant())] if ":at" in sql else []
    return {
        kind: Compiled(text(re.sub(r"\bFROM claimable\b", f"FROM {source}", sql)).bindparams(*times).columns(*answered))
        for kind, source in runs.items()
    }


_HEAD = 'r.id, r.priority, r."by", r.lane, r.application_id, r.share, r.cpus, r.memory_bytes, r.gpus, r.scheduled_at'
_HEAD_COLUMNS = "id priority by lane application_id share cpus memory_bytes gpus scheduled_at queued_at max_running"
_HEAD_COLUMNS += " sweep_id sweep_priority sweep_max_running rests"
# The limit, more than there are lanes, keeps PostgreSQL from joining `r` before the heads are known: where it knows
# nothing of `run` yet, it would look for a head for each of its rows.
_HEADS = f"""
    SELECT {_HEAD}, r.queued_at, application.max_running, r.sweep_id, sweep.priority AS sweep_priority,
           sweep.max_running AS sweep_max_running, sweep.held OR sweep.stopping AS rests
    FROM (SELECT (SELECT id FROM claimable
                  WHERE {_MINE} AND "by" = known."by" AND priority = known.priority AND lane = known.lane
                  ORDER BY scheduled_at, id LIMIT 1) AS id, n
          FROM lanes JOIN run AS known ON known.id = lanes.id LIMIT 1000000) AS head
    JOIN run AS r ON r.id = head.id LEFT JOIN application ON application.id = r.application_id
         LEFT JOIN sweep ON sweep.id = r.sweep_id
    ORDER BY head.n, r."by"
"""
# Of the same user, in descending order: some run of the next lane, whichever is quick to find. In two questions, since
# SQLite would go through all of a priority to find what is less than a pair.
_BELOW = f"""
    coalesce((SELECT id FROM claimable WHERE {_MINE} AND "by" = {{by}} AND priority = {{priority}} AND lane < {{lane}}
              ORDER BY lane DESC LIMIT 1),
             (SELECT id FROM claimable WHERE {_MINE} AND "by" = {{by}} AND priority < {{priority}}
              ORDER BY priority DESC, lane DESC LIMIT 1))
"""
_NEXT = f"""
    SELECT n + 1, {_BELOW.format(by='known."by"', priority="known.priority", lane="known.lane")}, most
    FROM lanes JOIN run AS known ON known.id = lanes.id WHERE n < most
"""
_ALL_USERS = _by_index(
    f"""
    WITH RECURSIVE users(n, name) AS (
        SELECT 1, (SELECT min("by") FROM claimable WHERE {_MINE} AND "by" > :after)
        UNION ALL
        SELECT n + 1, (SELECT min("by") FROM claimable WHERE {_MINE} AND "by" > users.name)
        FROM users WHERE users.name IS NOT NULL AND n < :users
    ),
    part(most) AS (
        SELECT CAST(:lanes AS bigint) / count(name) FROM users WHERE name IS NOT NULL HAVING count(name) > 0
    ),
    lanes(n, id, most) AS (
        SELECT 1, (SELECT id FROM claimable WHERE {_MINE} AND "by" = users.name
                   ORDER BY priority DESC, lane DESC LIMIT 1), part.most
        FROM users, part WHERE users.name IS NOT NULL
        UNION ALL {_NEXT}
    ) {_HEADS}
""",
    _HEAD_COLUMNS,
)
_FURTHER = _by_index(
    f"""
    WITH RECURSIVE lanes(n, id, most) AS (
        SELECT 1, {_BELOW.format(by=":by", priority=":priority", lane=":lane")}, CAST(:lanes AS bigint)
        UNION ALL {_NEXT}
    ) {_HEADS}
""",
    _HEAD_COLUMNS,
)
_AFTER = _by_index(
    f"""
    SELECT id, scheduled_at, queued_at FROM claimable
    WHERE {_MINE} AND "by" = :by AND priority = :priority AND lane = :lane AND (scheduled_at, id) > (:at, :id)
    ORDER BY scheduled_at, id LIMIT :limit
""",
    "id scheduled_at queued_at",
)

_UNNAMED = _by_index(
    f"""
    SELECT id, application_id, share, cpus, memory_bytes, gpus, sweep_id FROM claimable
    WHERE {_MINE} AND "by" = :by AND priority = :priority AND lane = '' LIMIT :limit
""",
    "id application_id share cpus memory_bytes gpus sweep_id",
)
_NAME = update(_RUN).where(_RUN.c.id == bindparam("unnamed"), _RUN.c.lane == "").values(lane=bindparam("its_lane"))
_ANY = _by_index(f"SELECT 1 FROM claimable WHERE {_MINE} LIMIT 1", "one")
_COUNT = _by_index(f"SELECT count(*) FROM (SELECT 1 FROM claimable WHERE {_MINE} LIMIT :most) AS counted", "number")
_TAKEN = Compiled(
    select(
        *(_ATTEMPT.c[name] for name in ("ticket", "application_id", "by", "share", "cpus", "memory_bytes", "gpus")),
        *(_ATTEMPT.c.scheduler, _RUN.c.state, _RUN.c.sweep_id),
    )
    .join(_RUN, _RUN.c.id == _ATTEMPT.c.run_id)
    .where(text("attempt.closed_at IS NULL"), _ATTEMPT.c.executor == bindparam("wanted_executor"))
)
_CLAIM = Compiled(
    update(_RUN)
    .where(text(CLAIMABLE), _RUN.c.cancel_requested_at.is_(None), _RUN.c.id == bindparam("wanted_id"))
    .values(
        ticket=_RUN.c.uid + "n" + cast(_RUN.c.attempts + 1, String) + bindparam("of_series"),
        attempts=_RUN.c.attempts + 1,
        revision=_RUN.c.revision + 1,
    )
    .returning(*COLUMNS)
)


@dataclass(frozen=True)
class SweepLimits:
    """How the runs of a sweep may start; `rests`: it is held, or being cancelled. It costs one row to change that."""

    sweep_id: int
    priority: int
    max_running: int | None
    rests: bool


@dataclass(frozen=True)
class LaneHead:
    """Where a lane is among those of its executor, and what its runs have in common; `lane` is its name.

    `application_id` and the rest are those of its first run, which `first` is. `sweep`: of which its runs are, if they
    are of one.
    """

    by: str
    priority: int
    lane: str
    application_id: int | None
    max_running: int | None
    share: str
    demand: Demand
    first: QueuedRun
    sweep: SweepLimits | None = None

    @property
    def rank(self) -> int:
        """The priority that counts: a sweep's runs have that of the sweep, whatever it was when they were made."""
        return self.priority if self.sweep is None else self.sweep.priority

    @property
    def rests(self) -> bool:
        """Whether none of it is to be started for now."""
        return self.sweep is not None and self.sweep.rests


def exist(connection: Connection, executor: str) -> bool:
    """Whether there are any at all."""
    return bool(_ask(connection, _ANY, {"executor": executor}))


def count(connection: Connection, executor: str) -> int:
    """How many there are, counted up to `COUNTED_AT_MOST`: to count all takes as long as there are many."""
    return int(_ask(connection, _COUNT, {"executor": executor, "most": COUNTED_AT_MOST})[0][0])


def lanes(
    connection: Connection, executor: str, passed_over: Collection[int] = (), after_user: str = ""
) -> list[LaneHead]:
    """The lanes of each user, those of the highest priority first; of each user as many as of another, at most.

    Those of `USERS_AT_MOST` users, in the order of their names, after `after_user`. Raises Garbled for a first run that
    can't be read, unless it is one of those to be passed over.
    """
    given = {"executor": executor, "users": USERS_AT_MOST, "lanes": LANES_AT_MOST, "after": after_user}
    return _heads(connection, _ALL_USERS, given, passed_over)


def further_lanes(
    connection: Connection, executor: str, after: LaneHead, limit: int, passed_over: Collection[int] = ()
) -> list[LaneHead]:
    """The same user's lanes that come after this one."""
    given = {"executor": executor, "by": after.by, "priority": after.priority, "lane": after.lane, "lanes": limit}
    return _heads(connection, _FURTHER, given, passed_over)


def runs_of(connection: Connection, executor: str, head: LaneHead, chunk: int) -> Iterator[QueuedRun]:
    """The runs of a lane, the oldest first; read `chunk` at a time, and none before it is asked for.

    Raises Garbled.
    """
    last, given = head.first, {"executor": executor, "by": head.by, "priority": head.priority, "lane": head.lane}
    yield last
    while True:
        behind = {**given, "at": last.scheduled_at, "id": last.run_id, "limit": chunk}
        rows = _ask(connection, _AFTER, behind)
        for row in rows:
            try:
                last = _waiting(*row)
            except _UNREADABLE as error:
                raise Garbled(row[0], error) from error
            yield last
        if len(rows) < chunk:
            return


def name_lanes(connection: Connection, executor: str, head: LaneHead, limit: int) -> None:
    """Give the runs of a lane without a name their lanes: a scheduler or service of the version before made them."""
    given = {"executor": executor, "by": head.by, "priority": head.priority, "limit": limit}
    named = [{"unnamed": run_id, "its_lane": lane_of(*of)} for run_id, *of in _ask(connection, _UNNAMED, given)]
    if named:
        connection.execute(_NAME, named)


def taken(
    connection: Connection,
    executor: str,
    scheduler: str,
    away: Container[str] = (),
    closing: Container[str] = (),
) -> list[InUse]:
    """What the open attempts of an executor hold, those of all schedulers. `away`: shares whose runs do nothing.

    `closing`: tickets of attempts that are about to be closed, which hold nothing any more.
    """
    return [
        InUse(
            application_id=application_id,
            by=by,
            share=share,
            demand=Demand(cpus, memory_bytes, len(gpus)),
            devices=tuple(gpus),
            here=of == scheduler,
            lost=state == RunState.LOST,
            is_idle=state == RunState.LOST or share in away,
            sweep_id=sweep_id,
        )
        for ticket, application_id, by, share, cpus, memory_bytes, gpus, of, state, sweep_id in _TAKEN.rows(
            connection, {"wanted_executor": executor}
        )
        if ticket not in closing
    ]


def limits_of(connection: Connection, sweep_ids: Sequence[int]) -> dict[int, SweepLimits]:
    """How the runs of these sweeps may start now, by their ids."""
    rows = connection.execute(
        select(SweepRow.id, SweepRow.priority, SweepRow.max_running, SweepRow.held, SweepRow.stopping).where(
            SweepRow.id.in_(sweep_ids)
        )
    )
    return {row[0]: SweepLimits(row[0], row[1], row[2], row[3] or row[4]) for row in rows}


def claim(
    connection: Connection, run_ids: Sequence[int], host: str, series: str, reason: str, now: datetime
) -> list[Run]:
    """Draw a ticket of this series for each of the runs that can still be claimed; those, in the order given.

    A run that can't be read raises ValueError or TypeError.
    """
    drawn = {"of_series": series, "ticket_open": True, "host": host, "claimed_at": now, "reason": reason}
    rows = (_CLAIM.rows(connection, {**drawn, "wanted_id": run_id}) for run_id in run_ids)
    return [as_run(*found) for found in rows if found]


def _ask(connection: Connection, statement: dict[str, Compiled], given: dict[str, Any]) -> list[list[Any]]:
    return statement[connection.dialect.name].rows(connection, given)


def _heads(
    connection: Connection, statement: dict[str, Compiled], given: dict[str, Any], passed_over: Collection[int]
) -> list[LaneHead]:
    names = _HEAD_COLUMNS.split()
    rows = (dict(zip(names, row, strict=True)) for row in _ask(connection, statement, given))
    return [head for row in rows if (head := _head(row, passed_over)) is not None]


def _head(row: dict[str, Any], passed_over: Collection[int]) -> LaneHead | None:
    """None where its first run can't be read and is to be passed over. Raises Garbled."""
    run_id = row["id"]
    try:
        return LaneHead(
            by=row["by"],
            priority=int(row["priority"]),
            lane=row["lane"],
            application_id=row["application_id"],
            max_running=row["max_running"],
            share=row["share"] or "",
            demand=Demand(int(row["cpus"] or 1), row["memory_bytes"], int(row["gpus"] or 0)),
            first=_waiting(run_id, row["scheduled_at"], row["queued_at"]),
            sweep=_limits(row),
        )
    except _UNREADABLE as error:
        if run_id in passed_over:
            return None
        raise Garbled(run_id, error) from error


def _limits(row: dict[str, Any]) -> SweepLimits | None:
    # A sweep that is not there binds nobody.
    if row["sweep_id"] is None or row["sweep_priority"] is None:
        return None
    return SweepLimits(row["sweep_id"], row["sweep_priority"], row["sweep_max_running"], bool(row["rests"]))


def _waiting(run_id: int, scheduled_at: int, queued_at: int | None) -> QueuedRun:
    return QueuedRun(run_id, moment(scheduled_at), moment(scheduled_at if queued_at is None else queued_at))
