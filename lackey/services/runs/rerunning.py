"""Runs are done again: as new runs, which name them as their parents."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lackey.domain.command import change_parameters
from lackey.domain.dependencies import Dependency, awaited, decision_of, family_of
from lackey.domain.refusals import Conflict, invalid
from lackey.domain.resources import Capacity, Demand
from lackey.domain.run import Run, RunState
from lackey.services.admin import executors
from lackey.services.idempotency import Once, answered, remember
from lackey.services.runs import circles, creation, scheduling
from lackey.services.runs.dependents import tell
from lackey.services.runs.settling import TOLD_AT_ONCE
from lackey.store import applications, dependencies, notices, runs
from lackey.store.database import Database


@dataclass(frozen=True)
class Changes:
    """In what a rerun is to differ from the run before. `parameters` and `environment`: those that are changed, alone.

    `instead`: columns with their new values.
    """

    parameters: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    after: tuple[Dependency, ...] = ()
    instead: dict[str, Any] = field(default_factory=dict)


_SAME = Changes()


def rerun(
    database: Database,
    run_id: int,
    by: str,
    now: datetime,
    once: Once | None = None,
    dependents: bool = False,
    changes: Changes = _SAME,
    capacity: Capacity | None = None,
) -> tuple[Run, str]:
    """A new run with the same inputs, but for the `changes`, to start now, and its token.

    `dependents`: what was to start after it, and never has, waits for the new one in its place. `capacity`: what the
    executor has, as long as no scheduler has told.
    Raises NotFound, TooMany, Invalid; Conflict for one with dependents that has not ended, or has succeeded.
    """

    def work(connection: Connection) -> tuple[Run, str]:
        known = answered(connection, once, now, runs.get)
        if known is not None:
            return runs.get(connection, known), creation.another_token(connection, known)
        creation.refuse_too_many(connection, by)
        run = runs.get(connection, run_id)
        instead, after = _instead(connection, run, changes), scheduling.there(connection, changes.after)
        if run.launched:
            executors.refuse_too_large(connection, instead["executor"], _demand(instead), now, capacity)
        family = _family_to_join(connection, run, now) if dependents else None
        circles.refuse(connection, after, family, run.sweep_id)
        again, token = creation.again(
            connection, run, "rerun", by, now, after=after, stands_for=family, instead=instead
        )
        if family is not None:
            tell(connection, family, now, TOLD_AT_ONCE)
        remember(connection, once, again.id, now)
        if again.launched:
            notices.send(connection)
        return again, token

    return database.write(work)


def _instead(connection: Connection, run: Run, changes: Changes) -> dict[str, Any]:
    """The columns that may differ. Raises Invalid.

    The command stays that of the run before, so the parameters are its own; what values they may have is what its
    application says now.
    """
    if "priority" in changes.instead and run.sweep_id is not None:
        raise invalid("priority", f"is that of its sweep: PUT /api/sweep/{run.sweep_id}")
    scheduling.refuse_pointless({**changes.instead, "environment": changes.environment}, run.launched)
    taken = {name: getattr(run, name) for name in ("executor", "cpus", "memory_bytes", "gpus")}
    parameters = run.parameters
    if changes.parameters:
        known = None if run.application_id is None else applications.application(connection, run.application_id)
        declared = None if known is None else known.declared
        parameters = change_parameters(run.command, run.parameters, changes.parameters, declared)
        scheduling.check_size(parameters)
    variables = scheduling.with_variables(run.environment, run.own_variables, changes.environment)
    return {**taken, "parameters": parameters, **variables, **changes.instead}


def _demand(values: dict[str, Any]) -> Demand:
    return Demand(values["cpus"] or 1, values["memory_bytes"], values["gpus"])


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
