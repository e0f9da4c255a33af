"""Projects: listed, made, changed, removed, brought back."""

from typing import Any

from lackey.domain.application import Project
from lackey.domain.refusals import Conflict, Invalid
from lackey.services.catalogue import changing, reading, removing
from lackey.web.pages.forms import problems_of, status_of
from lackey.web.pages.removing import removal_page
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.present import project_out
from lackey.web.schemas.catalogue import NewProject, ProjectChange
from lackey.web.validation import check
from lackey.web.visits import Visit

_PAGE = 1000
_FIELDS = ("name", "title", "description", "share", "directory")


@page("GET", "/project", scope="read")
def projects(visit: Visit) -> Html:
    """All projects, and a form for another one."""
    return _projects(visit, dict.fromkeys(_FIELDS, ""), {})


@page("POST", "/project", scope="manage")
def add(visit: Visit) -> Html | SeeOther:
    """Make a project; its first application is what is to be made next."""
    try:
        body = check(NewProject, _sent(visit))
        values = {**body.model_dump(exclude={"share"}), **body.given()}
        made = changing.add_project(visit.database, values, visit.service.shares, visit.now)
    except (Invalid, Conflict) as refusal:
        return _projects(visit, _typed(visit), problems_of(refusal))
    return SeeOther(f"/project/{made.id}/application")


@page("GET", "/project/<project_id:id>", scope="read")
def project(visit: Visit, project_id: int) -> Html:
    """One project and its applications."""
    found = reading.project(visit.database, project_id)
    return _project(visit, found, {name: getattr(found, name) for name in _FIELDS}, {})


@page("POST", "/project/<project_id:id>", scope="manage")
def change(visit: Visit, project_id: int) -> Html | SeeOther:
    """Change it."""
    found = reading.project(visit.database, project_id)
    try:
        body = check(ProjectChange, _sent(visit))
        changing.change_project(visit.database, project_id, body.given(), visit.service.shares)
    except (Invalid, Conflict) as refusal:
        return _project(visit, found, _typed(visit), problems_of(refusal))
    return SeeOther(f"/project/{project_id}")


@page("GET", "/project/<project_id:id>/remove", scope="manage")
def ask_to_remove(visit: Visit, project_id: int) -> Html:
    """What it would take along to remove it."""
    found = reading.project(visit.database, project_id)
    removal = removing.removal_of_project(visit.database, project_id)
    return removal_page("project", found.name, f"/project/{project_id}", removal)


@page("POST", "/project/<project_id:id>/remove", scope="manage")
def remove(visit: Visit, project_id: int) -> SeeOther:
    """Remove it; the page before has said what goes with it."""
    is_archived = removing.remove_project(visit.database, project_id, visit.now)
    return SeeOther(f"/project/{project_id}" if is_archived else "/project")


@page("POST", "/project/<project_id:id>/restore", scope="manage")
def restore(visit: Visit, project_id: int) -> SeeOther:
    """Bring it back."""
    removing.restore_project(visit.database, project_id)
    return SeeOther(f"/project/{project_id}")


def _typed(visit: Visit) -> dict[str, str]:
    return {name: visit.sent(name) for name in _FIELDS}


def _sent(visit: Visit) -> dict[str, str]:
    """What was typed; a share that was not chosen is the one of the directory."""
    return {name: value for name, value in _typed(visit).items() if value or name != "share"}


def _projects(visit: Visit, typed: dict[str, str], problems: dict[str, str]) -> Html:
    shown = {
        "projects": reading.projects(visit.database, None, _PAGE),
        "archived": reading.projects(visit.database, None, _PAGE, archived=True),
        "counts": reading.application_counts(visit.database),
        "typed": typed,
        "problems": problems,
        "shares": visit.service.shares,
    }
    return Html("projects.html", shown, status_of(problems))


def _project(visit: Visit, found: Project, typed: dict[str, Any], problems: dict[str, str]) -> Html:
    shown = {
        "project": found,
        "out": project_out(found, visit.service.shares),
        "applications": reading.applications(visit.database, found.id, None, _PAGE),
        "archived_applications": reading.applications(visit.database, found.id, None, _PAGE, archived=True),
        "typed": typed,
        "problems": problems,
        "shares": visit.service.shares,
    }
    return Html("project.html", shown, status_of(problems))
