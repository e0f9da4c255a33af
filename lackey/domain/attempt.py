"""Attempts: each is one launch of one run."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lackey.domain.run import RunState

# ended: its command ran and ended; gone: its process is gone and left no outcome; void: nothing ran under its ticket.
CameTo = Literal["ended", "gone", "void"]


@dataclass(frozen=True)
class Attempt:
    """One launch of one run, under a ticket of its own. It is open until nothing can run under that any more.

    `scheduler`: whose it is, by `domain.run.scheduler_of`. `gpus`: the devices that it was given. Memory is in bytes.
    """

    id: int
    run_id: int
    number: int
    ticket: str
    scheduler: str
    executor: str
    application_id: int | None
    by: str
    share: str
    cpus: int
    memory_bytes: int | None
    gpus: list[str]
    host: str | None
    handle: str | None
    run_directory: str | None
    claimed_at: datetime
    started_at: datetime | None
    closed_at: datetime | None
    came_to: CameTo | None


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
