"""Projects and applications, read. Nothing here changes anything.

A list begins below the id `before_id` (None: with the newest), and holds at most `limit`.
"""

from sqlalchemy import Connection

from lackey.domain.application import Application, Project
from lackey.domain.refusals import NotFound, invalid
from lackey.store import applications as stored
from lackey.store.database import Database


def projects(database: Database, before_id: int | None, limit: int, *, archived: bool = False) -> list[Project]:
    """Those not archived, or those that are; newest first."""
    with database.read() as connection:
        return stored.projects(connection, before_id, limit, archived=archived)


def application_counts(database: Database) -> dict[int, int]:
    """How many applications each project has that are not archived, by its id; a project without any is left out."""
    with database.read() as connection:
        return stored.application_counts(connection)


def project(database: Database, project_id: int) -> Project:
    """One project. Raises NotFound."""
    with database.read() as connection:
        return stored.project(connection, project_id)


def applications(
    database: Database, of_project: int | str | None, before_id: int | None, limit: int, *, archived: bool = False
) -> list[Application]:
    """Those not archived, or those that are; newest first. Raises Invalid if there is no such project."""
    with database.read() as connection:
        of = project_id(connection, of_project)
        return stored.applications(connection, of, before_id, limit, archived=archived)


def application(database: Database, application_id: int) -> Application:
    """One application. Raises NotFound."""
    with database.read() as connection:
        return stored.application(connection, application_id)


def project_id(connection: Connection, named: int | str | None) -> int | None:
    """The id of the project of this id or name. Raises Invalid if there is none."""
    if named is None:
        return None
    try:
        return stored.project(connection, named).id
    except NotFound as refusal:
        raise invalid("project", str(refusal)) from refusal


def application_id(connection: Connection, named: int | str | None) -> int | None:
    """The id of the application of this id or name. Raises Invalid if there is none."""
    if named is None:
        return None
    try:
        return stored.application(connection, named).id
    except NotFound as refusal:
        raise invalid("application", str(refusal)) from refusal
