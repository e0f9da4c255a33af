"""Projects and applications: make, change."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from lackey.domain.application import Application, Parameter, Project
from lackey.domain.command import check_command, check_parameters
from lackey.domain.environment import check_environment
from lackey.domain.paths import Share, SharePath
from lackey.domain.refusals import Conflict, NotFound, invalid
from lackey.domain.shell.program import DEFAULT_SHELL
from lackey.domain.typed_paths import share_path_of
from lackey.services.idempotency import Once, answered, remember
from lackey.store import applications
from lackey.store.database import Database, NotUnique
from lackey.store.waiting_writes import Changed

EXECUTORS = ("local",)


def add_project(
    database: Database, values: dict[str, Any], shares: Mapping[str, Share], now: datetime, once: Once | None = None
) -> Project:
    """Make a project. `values`: name, title, description, directory, share. Raises Invalid, Conflict.

    `directory` in any form that `share_path_of` understands. Without a `share`, it is the one that the directory
    lies on, or the first one where the directory does not tell.
    """
    checked = {**values, **_share_and_directory(values, shares, None)}

    def work(connection: Connection) -> Project:
        def was_answered() -> bool:
            return answered(connection, once, now, applications.project) is not None

        known = answered(connection, once, now, applications.project)
        if known is None:
            _refuse_known(partial(applications.project, connection), "a project", values["name"], was_answered)
            with _unless_made_meanwhile():
                known = applications.add_project(connection, {**checked, "created_at": now})
            remember(connection, once, known, now)
        return applications.project(connection, known)

    return database.write(work)


def change_project(database: Database, project_id: int, values: dict[str, Any], shares: Mapping[str, Share]) -> Project:
    """Change the fields given. Raises NotFound, Invalid, Conflict.

    A `directory` alone stays on the project's share if it is relative or lies there, and else moves the project to the
    share that it lies on; its applications move with it, and runs that were made before do not.
    """

    def work(connection: Connection) -> Project:
        known = applications.project(connection, project_id)
        if values:
            with _unique(f"there is a project {values.get('name')} already"):
                changed = {**values, **_share_and_directory(values, shares, known.share)}
                applications.change_project(connection, project_id, changed)
        return applications.project(connection, project_id)

    return database.write(work)


def add_application(
    database: Database, values: dict[str, Any], shares: Mapping[str, Share], now: datetime, once: Once | None = None
) -> Application:
    """Make an application. `values` as the contract lists them; `project` is an id or name.

    `directory` is relative to the project's, or lies in it, in any form that `share_path_of` understands.

    Raises Invalid, NotFound, Conflict.
    """

    def work(connection: Connection) -> Application:
        def was_answered() -> bool:
            return answered(connection, once, now, applications.application) is not None

        known = answered(connection, once, now, applications.application)
        if known is None:
            project = applications.project(connection, values["project"])
            if project.archived_at is not None:
                raise Conflict(f"project {project.name} is archived")
            columns = {name: value for name, value in values.items() if name != "project"}
            _check(columns)
            columns |= {"directory": _directory(columns["directory"], project, shares), "project_id": project.id}
            name = f"{project.name}/{values['name']}"
            _refuse_known(partial(applications.application, connection), "an application", name, was_answered)
            with _unless_made_meanwhile():
                known = applications.add_application(connection, {**columns, "created_at": now})
            remember(connection, once, known, now)
        return applications.application(connection, known)

    return database.write(work)


def change_application(
    database: Database, application_id: int, values: dict[str, Any], shares: Mapping[str, Share]
) -> Application:
    """Change the fields given; runs that were made before keep what they were made with.

    Raises NotFound, Invalid, Conflict.
    """

    def work(connection: Connection) -> Application:
        known = applications.application(connection, application_id)
        columns = {name: value for name, value in values.items() if name != "project"}
        project = applications.project(connection, values.get("project", known.project_id))
        if "project" in values:
            columns["project_id"] = project.id
        if "directory" in columns:
            columns["directory"] = _directory(columns["directory"], project, shares)
        _check({**vars(known), **columns})
        if columns:
            with _unique(f"there is an application {columns.get('name', known.name)} in this project already"):
                applications.change_application(connection, application_id, columns)
        return applications.application(connection, application_id)

    return database.write(work)


def _share_and_directory(values: dict[str, Any], shares: Mapping[str, Share], known: str | None) -> dict[str, str]:
    """The share and directory of a project as they are stored; `known` is the share it has already."""
    share = values.get("share", known)
    if "share" in values and share not in shares:
        raise invalid("share", f"there is no share {share!r} here; there are: {', '.join(sorted(shares))}")
    if "directory" not in values:
        return {}
    path = share_path_of(values["directory"], shares, None if share is None else SharePath(share, ""))
    if path.share != values.get("share", path.share):
        raise invalid("share", f"is {share}, but the directory lies on {path.share}; leave out one of the two")
    return {"share": path.share, "directory": path.directory}


def _directory(typed: str, project: Project, shares: Mapping[str, Share]) -> str:
    """The directory of an application as it is stored: relative to its project's."""
    top = SharePath(project.share, project.directory)
    path = share_path_of(typed, shares, top)
    directory = path.within(top)
    if directory is None:
        raise invalid("directory", f"{path} does not lie in the directory of its project, {top}")
    return directory


def _check(columns: dict[str, Any]) -> None:
    declared = [Parameter(**{**each, "choices": tuple(each.get("choices") or ())}) for each in columns["parameters"]]
    check_parameters(declared)
    check_command(columns["command"], declared, columns.get("shell") or DEFAULT_SHELL)
    check_environment(columns["environment"])
    if columns["executor"] not in EXECUTORS:
        raise invalid("executor", f"there is no executor {columns['executor']!r}; there are: {', '.join(EXECUTORS)}")


def _refuse_known(
    find: Callable[[str], Project | Application], what: str, name: str, was_answered: Callable[[], bool]
) -> None:
    """Raises Conflict if there is one of this name; Changed if it is what the same request has made meanwhile.

    An archived thing keeps its name, though no list shows it.
    """
    try:
        known = find(name)
    except NotFound:
        return
    if was_answered():
        raise Changed
    if known.archived_at is not None:
        raise Conflict(f"{name} is there already, archived; bring it back, or take another name")
    raise Conflict(f"there is {what} {name} already")


@contextmanager
def _unless_made_meanwhile() -> Iterator[None]:
    """Let the use case begin anew, and see what another one has made since it looked: it may be what was asked for."""
    try:
        yield
    except NotUnique as error:
        raise Changed from error


@contextmanager
def _unique(message: str) -> Iterator[None]:
    """Turn what is taken into a Conflict that says what is there already."""
    try:
        yield
    except NotUnique as error:
        raise Conflict(message) from error
