"""How the shares of each scheduler's configuration are, as it says: for whoever asks what a queued run waits for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from lackey.domain.policy import ShareState
from lackey.store.compiled import Compiled
from lackey.store.models import ShareStateRow

_STATES = Compiled(
    select(ShareStateRow.share, ShareStateRow.why, ShareStateRow.is_away).where(
        ShareStateRow.scheduler == bindparam("wanted")
    )
)


def of_scheduler(connection: Connection, scheduler: str) -> dict[str, ShareState]:
    """All shares of its configuration, by their names."""
    rows = _STATES.rows(connection, {"wanted": scheduler})
    return {share: ShareState(why, is_away) for share, why, is_away in rows}


def sign_of_change(connection: Connection) -> list[Any]:
    """Differs from an earlier one if any state does, of any scheduler."""
    rows = connection.execute(select(ShareStateRow.scheduler, ShareStateRow.share, ShareStateRow.since))
    return sorted(tuple(row) for row in rows)


def change(connection: Connection, scheduler: str, states: Mapping[str, ShareState], now: datetime) -> None:
    """Make them what they are now; those that are as they were keep the time since when they are so."""
    known = of_scheduler(connection, scheduler)
    gone = [share for share, state in known.items() if states.get(share) != state]
    new = [share for share in states if share not in known or share in gone]
    if gone:
        mine = ShareStateRow.scheduler == scheduler
        connection.execute(delete(ShareStateRow).where(mine, ShareStateRow.share.in_(gone)))
    if new:
        rows = [{"scheduler": scheduler, "share": share, "since": now, **vars(states[share])} for share in new]
        connection.execute(insert(ShareStateRow), rows)
