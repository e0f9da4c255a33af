"""Projects and applications: make, change, remove."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lackey.domain.application import Application, Parameter, Project
from lackey.domain.command import check_command, check_parameters
from lackey.domain.paths import Share, relative_directory
from lackey.domain.refusals import Conflict, invalid
from lackey.services.once import Once, answered, remember
from lackey.store import applications, runs
from lackey.store.database import Database, Taken

EXECUTORS = ("local",)


def add_project(
    database: Database, values: dict[str, Any], shares: Mapping[str, Share], now: datetime, once: Once | None = None
) -> Project:
    """Make a project. `values`: name, title, description, share, directory. Raises Invalid, Conflict."""
    checked = {**values, **_place(values, shares)}

    def work(connection: Connection) -> Project:
        known = answered(connection, once, now)
        if known is None:
            with _unique(f"there is a project {values['name']} already"):
                known = applications.add_project(connection, {**checked, "created_at": now})
            remember(connection, once, known, now)
        return applications.project(connection, known)

    return database.write(work)


def change_project(database: Database, project_id: int, values: dict[str, Any], shares: Mapping[str, Share]) -> Project:
    """Change the fields given. Raises NotFound, Invalid, Conflict."""

    def work(connection: Connection) -> Project:
        applications.project(connection, project_id)
        if values:
            with _unique(f"there is a project {values.get('name')} already"):
                applications.change_project(connection, project_id, {**values, **_place(values, shares)})
        return applications.project(connection, project_id)

    return database.write(work)


def remove_project(database: Database, project_id: int, now: datetime) -> None:
    """Delete a project without runs, archive one that has some. Raises NotFound, Conflict while one is active."""

    def work(connection: Connection) -> None:
        applications.project(connection, project_id)
        every, active = runs.count_of(connection, project_id=project_id)
        if active:
            raise Conflict(f"{active} of its runs are queued or running; cancel them, or wait for their end")
        if every:
            applications.change_project(connection, project_id, {"archived_at": now})
        else:
            applications.remove_project(connection, project_id)

    database.write(work)


def add_application(database: Database, values: dict[str, Any], now: datetime, once: Once | None = None) -> Application:
    """Make an application. `values` as the contract lists them; `project` is an id or name.

    Raises Invalid, NotFound, Conflict.
    """

    def work(connection: Connection) -> Application:
        known = answered(connection, once, now)
        if known is None:
            project = applications.project(connection, values["project"])
            if project.archived_at is not None:
                raise Conflict(f"project {project.name} is archived")
            columns = {name: value for name, value in values.items() if name != "project"}
            _check(columns)
            columns |= {"directory": relative_directory(columns["directory"]), "project_id": project.id}
            with _unique(f"there is an application {project.name}/{values['name']} already"):
                known = applications.add_application(connection, {**columns, "created_at": now})
            remember(connection, once, known, now)
        return applications.application(connection, known)

    return database.write(work)


def change_application(database: Database, application_id: int, values: dict[str, Any]) -> Application:
    """Change the fields given; runs that were made before keep what they were made with.

    Raises NotFound, Invalid, Conflict.
    """

    def work(connection: Connection) -> Application:
        known = applications.application(connection, application_id)
        columns = {name: value for name, value in values.items() if name != "project"}
        if "project" in values:
            columns["project_id"] = applications.project(connection, values["project"]).id
        if "directory" in columns:
            columns["directory"] = relative_directory(columns["directory"])
        _check({**vars(known), **columns})
        if columns:
            with _unique(f"there is an application {columns.get('name', known.name)} in this project already"):
                applications.change_application(connection, application_id, columns)
        return applications.application(connection, application_id)

    return database.write(work)


def remove_application(database: Database, application_id: int, now: datetime) -> None:
    """Delete an application without runs, archive one that has some. Raises NotFound, Conflict while one is active."""

    def work(connection: Connection) -> None:
        applications.application(connection, application_id)
        every, active = runs.count_of(connection, application_id=application_id)
        if active:
            raise Conflict(f"{active} of its runs are queued or running; cancel them, or wait for their end")
        if every:
            applications.change_application(connection, application_id, {"archived_at": now})
        else:
            applications.remove_application(connection, application_id)

    database.write(work)


def _place(values: dict[str, Any], shares: Mapping[str, Share]) -> dict[str, Any]:
    """The share and directory among `values`, checked."""
    if "share" in values and values["share"] not in shares:
        raise invalid("share", f"there is no share {values['share']!r} here; there are: {', '.join(sorted(shares))}")
    return {"directory": relative_directory(values["directory"])} if "directory" in values else {}


def _check(columns: dict[str, Any]) -> None:
    declared = [Parameter(**{**each, "choices": tuple(each.get("choices") or ())}) for each in columns["parameters"]]
    check_parameters(declared)
    check_command(columns["command"], [parameter.name for parameter in declared])
    if columns["executor"] not in EXECUTORS:
        raise invalid("executor", f"there is no executor {columns['executor']!r}; there are: {', '.join(EXECUTORS)}")


@contextmanager
def _unique(message: str) -> Iterator[None]:
    """Turn what is taken into a Conflict that says what is there already."""
    try:
        yield
    except Taken as error:
        raise Conflict(message) from error
