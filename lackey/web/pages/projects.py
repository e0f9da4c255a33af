"""Projects: listed, made, changed, removed."""

from typing import Any

from lackey.domain.refusals import Invalid
from lackey.services import catalogue, reading
from lackey.web.pages.forms import problems_of
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.present import project_out
from lackey.web.schemas.catalogue import NewProject, ProjectChange
from lackey.web.validation import check
from lackey.web.visits import Visit

_PAGE = 1000
_FIELDS = ("name", "title", "description", "directory")


@page("GET", "/project", scope="read")
def projects(visit: Visit) -> Html:
    """All projects, and a form for another one."""
    return _projects(visit, dict.fromkeys(_FIELDS, ""), {})


@page("POST", "/project", scope="manage")
def add(visit: Visit) -> Html | SeeOther:
    """Make a project."""
    typed = {name: visit.sent(name) for name in _FIELDS}
    try:
        body = check(NewProject, typed)
        values = {**body.model_dump(exclude={"share"}), **body.given()}
        made = catalogue.add_project(visit.database, values, visit.service.shares, visit.now)
    except Invalid as refusal:
        return _projects(visit, typed, problems_of(refusal))
    return SeeOther(f"/project/{made.id}")


@page("GET", "/project/<project_id:id>", scope="read")
def project(visit: Visit, project_id: int) -> Html:
    """One project and its applications."""
    found = reading.project(visit.database, project_id)
    return _project(visit, project_id, {name: getattr(found, name) for name in _FIELDS}, {})


@page("POST", "/project/<project_id:id>", scope="manage")
def change(visit: Visit, project_id: int) -> Html | SeeOther:
    """Change it."""
    typed = {name: visit.sent(name) for name in _FIELDS}
    try:
        body = check(ProjectChange, typed)
        catalogue.change_project(visit.database, project_id, body.given(), visit.service.shares)
    except Invalid as refusal:
        return _project(visit, project_id, typed, problems_of(refusal))
    return SeeOther(f"/project/{project_id}")


@page("POST", "/project/<project_id:id>/remove", scope="manage")
def remove(visit: Visit, project_id: int) -> SeeOther:
    """Remove it; the page before has said what goes with it."""
    catalogue.remove_project(visit.database, project_id, visit.now)
    return SeeOther("/project")


def _projects(visit: Visit, typed: dict[str, str], problems: dict[str, str]) -> Html:
    found = reading.projects(visit.database, None, _PAGE)
    shown = {"projects": found, "typed": typed, "problems": problems, "shares": visit.service.shares}
    return Html("projects.html", shown, 400 if problems else 200)


def _project(visit: Visit, project_id: int, typed: dict[str, Any], problems: dict[str, str]) -> Html:
    found = reading.project(visit.database, project_id)
    shown = {
        "project": found,
        "out": project_out(found, visit.service.shares),
        "applications": reading.applications(visit.database, project_id, None, _PAGE),
        "typed": typed,
        "problems": problems,
    }
    return Html("project.html", shown, 400 if problems else 200)
