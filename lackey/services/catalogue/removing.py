"""Projects and applications are removed: gone if they never ran anything, else archived, and brought back."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from lackey.domain.application import Application, Project
from lackey.domain.refusals import Conflict
from lackey.domain.schedule import Schedule
from lackey.store import applications, runs, schedules, sweeps
from lackey.store.database import Database

_NAMED_AT_MOST = 1_000


@dataclass(frozen=True)
class Removal:
    """What it would take along to remove a project or application.

    `applications` go with it, by their full names. `runs` are kept, and with them what is removed, archived; counted up
    to one more than `runs.COUNTED_AT_MOST`. While some are `active`, it is refused. `schedules` make no more runs: they
    go with it, or wait until it is brought back. Nothing on any share is touched.
    """

    applications: list[str]
    runs: int
    active: int
    schedules: list[Schedule] = field(default_factory=list)

    @property
    def archives(self) -> bool:
        """Whether it is kept out of sight; else it is gone for good."""
        return self.runs > 0


def removal_of_project(database: Database, project_id: int) -> Removal:
    """What `remove_project` would do. Raises NotFound."""
    with database.read() as connection:
        applications.project(connection, project_id)
        names = [one.full_name for one in applications.applications(connection, project_id, None, _NAMED_AT_MOST)]
        theirs = schedules.listing(connection, None, project_id, None, _NAMED_AT_MOST)
        return Removal(names[::-1], *runs.count_of(connection, project_id=project_id), theirs)


def removal_of_application(database: Database, application_id: int) -> Removal:
    """What `remove_application` would do. Raises NotFound."""
    with database.read() as connection:
        named = applications.application(connection, application_id).full_name
        its = schedules.listing(connection, application_id, None, None, _NAMED_AT_MOST)
        return Removal([named], *runs.count_of(connection, application_id=application_id), its)


def remove_project(database: Database, project_id: int, now: datetime) -> bool:
    """Delete a project without runs, archive one that has some. Returns whether it is archived.

    Raises NotFound; Conflict while one is active.
    """

    def work(connection: Connection) -> bool:
        applications.project(connection, project_id)
        every, active = runs.count_of(connection, project_id=project_id)
        _refuse_active(active, sweeps.are_being_made(connection, project_id=project_id))
        if every:
            applications.change_project(connection, project_id, {"archived_at": now})
        else:
            schedules.remove_of(connection, project_id=project_id)
            applications.remove_project(connection, project_id)
        return every > 0

    return database.write(work)


def remove_application(database: Database, application_id: int, now: datetime) -> bool:
    """Delete an application without runs, archive one that has some. Returns whether it is archived.

    Raises NotFound; Conflict while one is active.
    """

    def work(connection: Connection) -> bool:
        applications.application(connection, application_id)
        every, active = runs.count_of(connection, application_id=application_id)
        _refuse_active(active, sweeps.are_being_made(connection, application_id=application_id))
        if every:
            applications.change_application(connection, application_id, {"archived_at": now})
        else:
            schedules.remove_of(connection, application_id=application_id)
            applications.remove_application(connection, application_id)
        return every > 0

    return database.write(work)


def restore_project(database: Database, project_id: int) -> Project:
    """Bring an archived project back, as it was: what was archived before it stays so. Raises NotFound."""

    def work(connection: Connection) -> Project:
        applications.change_project(connection, project_id, {"archived_at": None})
        return applications.project(connection, project_id)

    return database.write(work)


def restore_application(database: Database, application_id: int) -> Application:
    """Bring an archived application back. Raises NotFound, Conflict while its project is archived."""

    def work(connection: Connection) -> Application:
        known = applications.application(connection, application_id)
        if applications.project(connection, known.project_id).archived_at is not None:
            raise Conflict(f"project {known.project} is archived too; bring it back first")
        applications.change_application(connection, application_id, {"archived_at": None})
        return applications.application(connection, application_id)

    return database.write(work)


def _refuse_active(active: int, is_being_made: bool) -> None:
    if is_being_made:
        raise Conflict("a sweep of it is being made; wait until it is, and cancel it")
    if active:
        raise Conflict(f"{active} of its runs are queued or running; cancel them, or wait for their end")
