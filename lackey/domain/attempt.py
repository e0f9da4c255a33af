"""Attempts: each is one launch of one run, under a ticket of its own, open until nothing can run under that."""

from dataclasses import dataclass
from typing import Literal

from lackey.domain.run import RunState

# ended: its command ran and ended; gone: its process is gone and left no outcome; void: nothing ran under its ticket.
CameTo = Literal["ended", "gone", "void"]


@dataclass(frozen=True)
class OpenAttempt:
    """What a scheduler knows in each tick of an open attempt of its own, and of the run that it is of: no more of it.

    `handle` is None until its command has been seen. `time_limit` is in seconds.
    """

    id: int
    run_id: int
    run_uid: str
    ticket: str
    share: str
    host: str | None
    handle: str | None
    state: RunState
    reason: str | None
    is_to_be_cancelled: bool
    time_limit: float | None
