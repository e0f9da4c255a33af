"""Rows for the tests of the store."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from lackey.domain.policy import lane_of
from lackey.domain.run import Run, RunState
from lackey.domain.run_list import Order
from lackey.store import applications, run_lists, runs
from lackey.store.models import AttemptRow
from lackey.store.runs import Filter

_RUN: dict[str, Any] = {
    **dict.fromkeys(("project_id", "application_id", "project", "application", "parent_id", "cause")),
    **dict.fromkeys(("command", "share", "directory", "time_limit", "start_grace", "silence", "cpus", "memory")),
    **dict.fromkeys(("parameters", "environment"), {}),
    **dict.fromkeys(("priority", "retries"), 0),
    "uid": "u",
    "name": "heat",
    "launched": True,
    "state": RunState.QUEUED,
    "by": "anna",
    "workdir": "application",
    "executor": "local",
    "after": [],
}
_APPLICATION: dict[str, Any] = {
    **dict.fromkeys(("time_limit", "start_grace", "silence", "max_running", "cpus", "memory", "shell")),
    "description": "",
    "command": "./run",
    "parameters": [],
    "environment": {},
    "executor": "local",
    "retries": 0,
    "workdir": "application",
}


def add_run(connection: Connection, now: datetime, **values: Any) -> Run:
    """A queued run of no application, which differs from the usual in `values`."""
    run = {**_RUN, "created_at": now, "scheduled_at": now, "queued_at": now, **values}
    memory, gpus = run.get("memory_bytes"), run.get("gpus", 0)
    lane = lane_of(run["application_id"], run["share"], run["cpus"], memory, gpus)
    return runs.add(connection, {"lane": lane, **run})


def add_project(connection: Connection, now: datetime, name: str = "heat", **values: Any) -> int:
    """A project on the share `lab`; its id."""
    usual = {"name": name, "title": "", "description": "", "share": "lab", "directory": name, "created_at": now}
    return applications.add_project(connection, {**usual, **values})


def add_application(connection: Connection, now: datetime, project_id: int, name: str = "explicit", **more: Any) -> int:
    """An application without parameters; its id."""
    values = {"project_id": project_id, "name": name, "directory": name, "created_at": now}
    return applications.add_application(connection, {**_APPLICATION, **values, **more})


def all_runs(connection: Connection, **wanted: Any) -> list[Run]:
    """The runs of a `Filter`, newest first, a thousand at most."""
    return run_lists.page(connection, Filter(**wanted), Order.ID, True, None, 1000).runs


def attempts_of(connection: Connection, run_id: int) -> list[Row[Any]]:
    """All attempts of a run, the first first."""
    attempt = AttemptRow.metadata.tables[AttemptRow.__tablename__]
    wanted = select(attempt).where(attempt.c.run_id == run_id).order_by(attempt.c.number, attempt.c.id)
    return list(connection.execute(wanted))


def open_tickets(connection: Connection) -> list[str]:
    """The tickets of all attempts that are open."""
    return list(connection.execute(select(AttemptRow.ticket).where(AttemptRow.closed_at.is_(None))).scalars())
