"""Projects and applications."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from lackey.domain.application import Application, Project, spellings
from lackey.domain.refusals import NotFound
from lackey.store.compiled import Compiled
from lackey.store.database import unique
from lackey.store.models import ApplicationRow, ProjectRow

_SPELLINGS = range(3)


def _is_called(column: InstrumentedAttribute[str], what: str) -> ColumnElement[bool]:
    return column.in_([bindparam(f"{what}_{number}") for number in _SPELLINGS])


def _called(what: str, name: str) -> dict[str, str]:
    return dict(zip((f"{what}_{number}" for number in _SPELLINGS), spellings(name), strict=True))


_PROJECTS = select(ProjectRow.__table__)
_PROJECT_WITH_ID = Compiled(_PROJECTS.where(ProjectRow.id == bindparam("wanted")))
_PROJECT_CALLED = Compiled(_PROJECTS.where(_is_called(ProjectRow.name, "project")).order_by(ProjectRow.id))
_APPLICATIONS = select(
    ApplicationRow.__table__,
    ProjectRow.name.label("project"),
    ProjectRow.share.label("share"),
    ProjectRow.directory.label("project_directory"),
).join(ProjectRow, ProjectRow.id == ApplicationRow.project_id)
_APPLICATION_WITH_ID = Compiled(_APPLICATIONS.where(ApplicationRow.id == bindparam("wanted")))
_APPLICATION_CALLED = Compiled(
    _APPLICATIONS.where(
        _is_called(ProjectRow.name, "project"), _is_called(ApplicationRow.name, "application")
    ).order_by(ApplicationRow.id)
)


def add_project(connection: Connection, values: dict[str, Any]) -> int:
    """Insert a project; its id. Raises NotUnique."""
    with unique():
        return connection.execute(insert(ProjectRow).values(**values).returning(ProjectRow.id)).scalar_one()


def project(connection: Connection, named: int | str) -> Project:
    """The project of this id or name. Raises NotFound."""
    if isinstance(named, str):
        rows = _PROJECT_CALLED.rows(connection, _called("project", named))
    else:
        rows = _PROJECT_WITH_ID.rows(connection, {"wanted": named})
    if not rows:
        raise NotFound(f"there is no project {named}")
    return Project(**dict(zip(_PROJECTS.exported_columns.keys(), rows[0], strict=True)))


def projects(connection: Connection, before_id: int | None, limit: int, *, archived: bool = False) -> list[Project]:
    """Those not archived, or those that are; newest first."""
    statement = _PROJECTS.where(ProjectRow.archived_at.is_not(None) == archived)
    if before_id is not None:
        statement = statement.where(ProjectRow.id < before_id)
    rows = connection.execute(statement.order_by(ProjectRow.id.desc()).limit(limit)).mappings()
    return [Project(**row) for row in rows]


def project_names(connection: Connection) -> dict[int, str]:
    """Of all projects, the archived ones too, by their ids."""
    rows = connection.execute(select(ProjectRow.id, ProjectRow.name))
    return {row.id: row.name for row in rows}


def change_project(connection: Connection, project_id: int, values: dict[str, Any]) -> None:
    """Write these fields. Raises NotUnique."""
    with unique():
        connection.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(**values))


def remove_project(connection: Connection, project_id: int) -> None:
    """Delete a project that has no runs, and its applications."""
    connection.execute(delete(ApplicationRow).where(ApplicationRow.project_id == project_id))
    connection.execute(delete(ProjectRow).where(ProjectRow.id == project_id))


def add_application(connection: Connection, values: dict[str, Any]) -> int:
    """Insert an application; its id. Raises NotUnique."""
    with unique():
        return connection.execute(insert(ApplicationRow).values(**values).returning(ApplicationRow.id)).scalar_one()


def application(connection: Connection, named: int | str) -> Application:
    """The application of this id or `project/name`. Raises NotFound."""
    if isinstance(named, int):
        rows = _APPLICATION_WITH_ID.rows(connection, {"wanted": named})
    else:
        of, _, name = named.partition("/")
        rows = _APPLICATION_CALLED.rows(connection, {**_called("project", of), **_called("application", name)})
    if not rows:
        raise NotFound(f"there is no application {named}")
    return Application(**dict(zip(_APPLICATIONS.exported_columns.keys(), rows[0], strict=True)))


def application_counts(connection: Connection) -> dict[int, int]:
    """How many applications each project has that are not archived, by its id; a project without any is left out."""
    of = ApplicationRow.project_id
    rows = connection.execute(select(of, func.count()).where(ApplicationRow.archived_at.is_(None)).group_by(of))
    return dict(rows.all())


def applications(
    connection: Connection, project_id: int | None, before_id: int | None, limit: int, *, archived: bool = False
) -> list[Application]:
    """Those not archived, or those that are; newest first."""
    statement = _APPLICATIONS.where(ApplicationRow.archived_at.is_not(None) == archived)
    if project_id is not None:
        statement = statement.where(ApplicationRow.project_id == project_id)
    if before_id is not None:
        statement = statement.where(ApplicationRow.id < before_id)
    rows = connection.execute(statement.order_by(ApplicationRow.id.desc()).limit(limit)).mappings()
    return [Application(**row) for row in rows]


def application_names(connection: Connection) -> dict[int, tuple[int, str]]:
    """Of all applications, the archived ones too, by their ids: the id of the project, and the name within it."""
    rows = connection.execute(select(ApplicationRow.id, ApplicationRow.project_id, ApplicationRow.name))
    return {known: (project_id, name) for known, project_id, name in rows}


def change_application(connection: Connection, application_id: int, values: dict[str, Any]) -> None:
    """Write these fields. Raises NotUnique."""
    with unique():
        connection.execute(update(ApplicationRow).where(ApplicationRow.id == application_id).values(**values))


def remove_application(connection: Connection, application_id: int) -> None:
    """Delete an application that has no runs."""
    connection.execute(delete(ApplicationRow).where(ApplicationRow.id == application_id))
