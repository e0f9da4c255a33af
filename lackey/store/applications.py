"""Projects and applications."""

from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from lackey.domain.application import Application, Project, spellings
from lackey.domain.refusals import NotFound
from lackey.store.database import unique
from lackey.store.models import ApplicationRow, ProjectRow


def add_project(connection: Connection, values: dict[str, Any]) -> int:
    """Insert a project; its id. Raises NotUnique."""
    with unique():
        return connection.execute(insert(ProjectRow).values(**values).returning(ProjectRow.id)).scalar_one()


def project(connection: Connection, named: int | str) -> Project:
    """The project of this id or name. Raises NotFound."""
    which = ProjectRow.name.in_(spellings(named)) if isinstance(named, str) else ProjectRow.id == named
    row = connection.execute(select(ProjectRow.__table__).where(which).order_by(ProjectRow.id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no project {named}")
    return Project(**row)


def projects(connection: Connection, before_id: int | None, limit: int, *, archived: bool = False) -> list[Project]:
    """Those not archived, or those that are; newest first."""
    statement = select(ProjectRow.__table__).where(ProjectRow.archived_at.is_not(None) == archived)
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
        statement = _applications().where(ApplicationRow.id == named)
    else:
        of, _, name = named.partition("/")
        spelled = ProjectRow.name.in_(spellings(of)), ApplicationRow.name.in_(spellings(name))
        statement = _applications().where(*spelled).order_by(ApplicationRow.id)
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise NotFound(f"there is no application {named}")
    return Application(**row)


def application_counts(connection: Connection) -> dict[int, int]:
    """How many applications each project has that are not archived, by its id; a project without any is left out."""
    of = ApplicationRow.project_id
    rows = connection.execute(select(of, func.count()).where(ApplicationRow.archived_at.is_(None)).group_by(of))
    return dict(rows.all())


def applications(
    connection: Connection, project_id: int | None, before_id: int | None, limit: int, *, archived: bool = False
) -> list[Application]:
    """Those not archived, or those that are; newest first."""
    statement = _applications().where(ApplicationRow.archived_at.is_not(None) == archived)
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


def _applications() -> Select[Any]:
    return select(
        ApplicationRow.__table__,
        ProjectRow.name.label("project"),
        ProjectRow.share.label("share"),
        ProjectRow.directory.label("project_directory"),
    ).join(ProjectRow, ProjectRow.id == ApplicationRow.project_id)
