"""Projects."""

from functools import partial

from lackey.domain.refusals import Conflict
from lackey.services.catalogue import changing, reading, removing
from lackey.web.call import Call
from lackey.web.paging import page
from lackey.web.present import project_out
from lackey.web.routes import route
from lackey.web.schemas.base import PageQuery
from lackey.web.schemas.catalogue import NewProject, ProjectChange, ProjectOut, Projects


@route("GET", "/api/project", scope="read")
def projects(call: Call, query: PageQuery) -> Projects:
    """List the projects, newest first."""
    shown = partial(project_out, shares=call.service.shares)
    return page(Projects, query, partial(reading.projects, call.database), shown, lambda project: project.id)


@route("POST", "/api/project", scope="manage", status=201, may=[Conflict])
def add_project(call: Call, body: NewProject) -> ProjectOut:
    """Make a project."""
    shares = call.service.shares
    values = {**body.model_dump(exclude={"share"}), **body.given()}
    return project_out(changing.add_project(call.database, values, shares, call.now, call.once), shares)


@route("GET", "/api/project/<project_id:id>", scope="read")
def project(call: Call, project_id: int) -> ProjectOut:
    """Show a project."""
    return project_out(reading.project(call.database, project_id), call.service.shares)


@route("PUT", "/api/project/<project_id:id>", scope="manage", may=[Conflict])
def change_project(call: Call, project_id: int, body: ProjectChange) -> ProjectOut:
    """Change the fields given.

    A directory on another share moves the project there, with its applications.
    """
    shares = call.service.shares
    return project_out(changing.change_project(call.database, project_id, body.given(), shares), shares)


@route("DELETE", "/api/project/<project_id:id>", scope="manage", status=204, may=[Conflict])
def remove_project(call: Call, project_id: int) -> None:
    """Remove a project.

    One that has runs is archived instead, and while one of them is queued or running it can't be removed.
    """
    removing.remove_project(call.database, project_id, call.now)
