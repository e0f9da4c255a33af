"""Whether a scheduler has anything to do at all: one question, asked in place of all others while nothing happens."""

from datetime import datetime
from functools import cache

from sqlalchemy import Boolean, Connection, bindparam, column, text

from lackey.store.compiled import Compiled
from lackey.store.models import RunRow
from lackey.store.models.attempt import OPEN
from lackey.store.models.run import DUE, EXPECTED, TICKET_OPEN
from lackey.store.models.schedule import FIRES
from lackey.store.models.sweep import UNFINISHED

_INSTANT = RunRow.scheduled_at.type


def next_task(connection: Connection, now: datetime) -> datetime | None:
    """When there is something to do: `now`, if there is by now; else when the next launched run is due, or the
    next schedule.

    None: never, as far as is known. To do is what is open, runs, waits in the queue, is due, has not reported its start
    and should have by now, or waits for others that have ended and could not be told yet; and sweeps that are not
    counted up, not all made, or being cancelled.
    """
    [[to_do, *times]] = _question(connection.dialect.name).rows(connection, {"now": now})
    due: datetime | None = min((time for time in times if time is not None), default=None)
    return now if to_do or (due is not None and due <= now) else due


@cache
def _question(dialect: str) -> Compiled:
    # By itself SQLite takes the index of all that wait, and looks at each.
    due, expected = (
        f"run INDEXED BY {name}" if dialect == "sqlite" else "run" for name in ("ix_run_due", "ix_run_expected")
    )
    asked = text(f"""
        SELECT EXISTS (SELECT 1 FROM attempt WHERE {OPEN})
            OR EXISTS (SELECT 1 FROM run WHERE {TICKET_OPEN})
            OR EXISTS (SELECT 1 FROM run WHERE ended_at IS NULL AND state IN ('queued', 'running'))
            OR EXISTS (SELECT 1 FROM {expected} WHERE {EXPECTED} AND scheduled_at <= :now)
            OR EXISTS (SELECT 1 FROM decision)
            OR EXISTS (SELECT 1 FROM sweep_change)
            OR EXISTS (SELECT 1 FROM sweep WHERE {UNFINISHED}),
            (SELECT min(scheduled_at) FROM {due} WHERE {DUE}),
            (SELECT min(next_at) FROM schedule WHERE {FIRES})
    """)
    given = asked.bindparams(bindparam("now", type_=_INSTANT))
    return Compiled(given.columns(column("to_do", Boolean), column("due", _INSTANT), column("fires", _INSTANT)))
