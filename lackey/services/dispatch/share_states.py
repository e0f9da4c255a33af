"""Schedulers say how their shares are, once for all the runs that wait for one."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from lackey.domain.policy import ShareState
from lackey.store import share_states
from lackey.store.database import Database


def publish(database: Database, scheduler: str, states: Mapping[str, ShareState], now: datetime) -> None:
    """How all shares of a scheduler's configuration are, by their names. Nothing is written where that is known.

    `scheduler`: see `domain.run.scheduler_of`.
    """
    with database.read() as connection:
        if share_states.of_scheduler(connection, scheduler) == states:
            return
    database.write(partial(share_states.change, scheduler=scheduler, states=states, now=now))
