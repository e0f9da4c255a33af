"""Runs come into being here: scheduled, run again, retried."""

import random
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from lackey.domain.limits import TOKENS, WAITING_RUNS
from lackey.domain.policy import lane_of
from lackey.domain.refusals import TooMany
from lackey.domain.run import Event, Run, RunState
from lackey.store import events, runs, tokens, words

# What a new run of the same takes over: its inputs, as they were when the first one was made.
_INPUTS = (
    *("name", "project_id", "application_id", "project", "application", "launched", "command", "share", "directory"),
    *("workdir", "shell", "parameters", "environment", "priority", "executor", "time_limit", "start_grace", "silence"),
    *("retries", "cpus", "memory_bytes", "gpus"),
)
_COUNTED_ONE_IN = 64
_RETRY_DELAY_SECONDS = 10.0
_CHILDREN_AT_MOST = 1_000


def create(
    connection: Connection, values: dict[str, Any], by: str, now: datetime, at: datetime | None = None
) -> tuple[Run, str]:
    """Insert a run that is to start at `at` (now if None), with its event; the run and its token, given out this once.

    A launched run that is due and waits for no other is queued in the same breath.
    """
    due = at is None or at <= now
    queued = due and values["launched"] and not values.get("after")
    run = runs.add(
        connection,
        {
            "after": [],
            **values,
            "uid": uuid.uuid4().hex,
            "by": by,
            "state": RunState.QUEUED if queued else RunState.SCHEDULED,
            # What a queued one waits for is found out when it is shown (`waiting`).
            "reason": None if queued else waiting_reason(values, due),
            "lane": _lane(values) if values["launched"] else "",
            "created_at": now,
            "scheduled_at": at or now,
            "queued_at": now if queued else None,
        },
    )
    token = new_token(connection, run.id)
    events.add(connection, Event(run.id, now, run.state.value, by, f"made; {run.state}", _origin(run)))
    words.index(connection, run.id, words.description(run.name, run.command))
    return run, token


def _lane(values: dict[str, Any]) -> str:
    return lane_of(values["application_id"], values["share"], values["cpus"], values["memory_bytes"], values["gpus"])


def refuse_too_many(connection: Connection, by: str) -> None:
    """Raise TooMany for one who asks for a run and has too many that wait. No retry is refused for it."""
    # To count takes as long as there are many, so it is done for a few of them, by chance.
    if random.randrange(_COUNTED_ONE_IN) == 0 and runs.count_waiting(connection, by, WAITING_RUNS) >= WAITING_RUNS:
        raise TooMany(
            f"{WAITING_RUNS} runs of {by} wait already, and no more may (WAITING_RUNS): let some end, or cancel some"
        )


def new_token(connection: Connection, run_id: int) -> str:
    """A fresh token for the run (a random UUID, RFC 9562); only its digest stays."""
    token = str(uuid.uuid4())
    tokens.add(connection, run_id, token)
    return token


def another_token(connection: Connection, run_id: int) -> str:
    """The same for who asks again for a run that was made already. Raises TooMany."""
    if not tokens.has_room(connection, run_id):
        raise TooMany(f"run {run_id} was asked for {TOKENS} times, each with a new token, and no more may (TOKENS)")
    return new_token(connection, run_id)


def waiting_reason(values: dict[str, Any], due: bool) -> str | None:
    """Why a scheduled run waits, in a sentence; None where its time says it all."""
    after: Sequence[int] = values.get("after") or ()
    if after:
        return f"waits for run {', '.join(map(str, after))} to succeed"
    if due and not values["launched"]:
        return "waits for its own start report"
    return None


def again(
    connection: Connection,
    run: Run,
    cause: str,
    by: str,
    now: datetime,
    at: datetime | None = None,
    after: Sequence[int] = (),
) -> tuple[Run, str]:
    """A new run with the inputs of `run`, which names it as its parent."""
    inputs = {name: getattr(run, name) for name in _INPUTS}
    values = {**inputs, "parent_id": run.id, "cause": cause, "after": list(after)}
    return create(connection, values, by, now, at)


def retry_if_due(connection: Connection, run: Run, now: datetime) -> None:
    """Make the retry of a launched run that has just ended badly, if it has retries left.

    Each retry has one fewer, and begins a little later, so that what broke has time to mend. One that lackey withdrew,
    because the run was heard from again, is none.
    """
    if run.retries <= 0 or not run.launched or run.state in (RunState.SUCCEEDED, RunState.CANCELLED):
        return
    if all(_was_withdrawn(retry) for retry in _retries(connection, run.id)):
        retry, _ = again(connection, run, "retry", "lackey", now, now + timedelta(seconds=_RETRY_DELAY_SECONDS))
        runs.change(connection, retry, {"retries": run.retries - 1})


def waiting_retries(connection: Connection, run_id: int) -> list[Run]:
    """The retries of a run that nobody has begun to launch."""
    return [retry for retry in _retries(connection, run_id) if retry.waits]


def _retries(connection: Connection, run_id: int) -> list[Run]:
    return [child for child in runs.children(connection, run_id, _CHILDREN_AT_MOST) if child.cause == "retry"]


def _was_withdrawn(retry: Run) -> bool:
    never_began = retry.state is RunState.CANCELLED and retry.ticket is None and retry.started_at is None
    return never_began and retry.cancel_requested_at is None


def _origin(run: Run) -> dict[str, Any]:
    return {name: value for name, value in {"parent": run.parent_id, "cause": run.cause}.items() if value is not None}
