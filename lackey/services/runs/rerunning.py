"""Runs are done again: as new runs, which name them as their parents."""

from datetime import datetime

from sqlalchemy import Connection

from lackey.domain.dependencies import awaited, decision_of, family_of
from lackey.domain.refusals import Conflict
from lackey.domain.run import Run, RunState
from lackey.services.admin import executors
from lackey.services.idempotency import Once, answered, remember
from lackey.services.runs import creation
from lackey.services.runs.dependents import tell
from lackey.services.runs.settling import TOLD_AT_ONCE
from lackey.services.runs.waiting import demand_of
from lackey.store import dependencies, notices, runs
from lackey.store.database import Database


def rerun(
    database: Database, run_id: int, by: str, now: datetime, once: Once | None = None, dependents: bool = False
) -> tuple[Run, str]:
    """A new run with the same inputs, to start now, and its token.

    `dependents`: what was to start after it, and never has, waits for the new one in its place.
    Raises NotFound, TooMany, Invalid; Conflict for one with dependents that has not ended, or has succeeded.
    """

    def work(connection: Connection) -> tuple[Run, str]:
        known = answered(connection, once, now, runs.get)
        if known is not None:
            return runs.get(connection, known), creation.another_token(connection, known)
        creation.refuse_too_many(connection, by)
        run = runs.get(connection, run_id)
        if run.launched:
            executors.refuse_too_large(connection, run.executor, demand_of(run), now)
        family = _family_to_join(connection, run, now) if dependents else None
        again, token = creation.again(connection, run, "rerun", by, now, stands_for=family)
        if family is not None:
            tell(connection, family, now, TOLD_AT_ONCE)
        remember(connection, once, again.id, now)
        if again.launched:
            notices.send(connection)
        return again, token

    return database.write(work)


def _family_to_join(connection: Connection, run: Run, now: datetime) -> int:
    """The family in which its rerun is to stand. Raises Conflict."""
    if not run.state.is_final:
        raise Conflict(f"run {run.id} has not ended: {run.state}; what is to start after it waits for it already")
    family = family_of(run)
    dependencies.lock(connection, family)
    decision = decision_of(dependencies.members(connection, family))
    if decision is not None and decision.state is RunState.SUCCEEDED:
        raise Conflict(f"run {decision.last} has succeeded, so nothing is held up that was to start after it")
    return family


def put_back(database: Database, run_id: int, by: str, now: datetime) -> tuple[Run, str]:
    """A new run in the place of one that was cancelled before it began: at its time, with its priority, after the same.

    Raises NotFound; Conflict for a run that has begun, or was not cancelled; TooMany.
    """

    def work(connection: Connection) -> tuple[Run, str]:
        run = runs.get(connection, run_id)
        if run.state is not RunState.CANCELLED or run.started_at is not None:
            raise Conflict(f"run {run_id} was not cancelled before it began; run it again instead")
        creation.refuse_too_many(connection, by)
        again, token = creation.again(connection, run, "rerun", by, now, run.scheduled_at, awaited(run))
        if again.launched:
            notices.send(connection)
        return again, token

    return database.write(work)
