"""Applications: looked at, made, changed, removed, and run."""

from typing import Any

from lackey.domain.application import Application
from lackey.domain.refusals import Invalid
from lackey.services import catalogue, reading, scheduling
from lackey.services.reading import Search
from lackey.web.pages.forms import problems_of
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.pages.shown import run_row
from lackey.web.present import application_out
from lackey.web.schemas.catalogue import ApplicationChange, NewApplication
from lackey.web.schemas.runs import NewRun
from lackey.web.validation import check
from lackey.web.visits import Visit

_RECENT = 50
_SPARE_ROWS = 3
_KINDS = ("text", "integer", "number", "boolean", "choice")
_PLAIN = ("name", "description", "directory", "command", "workdir")
_NUMBERS = ("time_limit", "start_grace", "silence", "retries", "max_running")


@page("GET", "/application/<application_id:id>", scope="read")
def application(visit: Visit, application_id: int) -> Html:
    """One application: run it, see how its runs went. `like` names a run whose parameters the form begins with."""
    like = visit.asked("like")
    typed = reading.run(visit.database, int(like)).parameters if like.isdecimal() else {}
    return _application(visit, application_id, typed, {})


@page("POST", "/application/<application_id:id>/run", scope="run")
def run(visit: Visit, application_id: int) -> Html | SeeOther:
    """Run it, now or at a time."""
    found = reading.application(visit.database, application_id)
    typed = {each.name: visit.sent(f"parameter.{each.name}") for each in found.declared}
    try:
        fields = {"application": str(application_id), "parameters": typed, "at": visit.sent("at") or "now"}
        body = check(NewRun, fields)
        wanted = scheduling.Wanted(application=application_id, at=body.at, parameters=body.parameters)
        made, _ = scheduling.schedule(visit.database, wanted, visit.by, visit.now)
    except Invalid as refusal:
        return _application(visit, application_id, typed, problems_of(refusal))
    visit.service.wake()
    return SeeOther(f"/run/{made.id}")


@page("GET", "/project/<project_id:id>/application", scope="manage")
def new(visit: Visit, project_id: int) -> Html:
    """A form for another application of a project."""
    empty = {**dict.fromkeys((*_PLAIN, *_NUMBERS), ""), "workdir": "application", "retries": "0"}
    return _form(visit, f"/project/{project_id}/application", "New application", {**empty, "parameters": []}, {})


@page("POST", "/project/<project_id:id>/application", scope="manage")
def add(visit: Visit, project_id: int) -> Html | SeeOther:
    """Make it."""
    try:
        body = check(NewApplication, {**_fields(visit), "project": str(project_id)})
        values = body.model_dump()
        made = catalogue.add_application(visit.database, values, visit.service.shares, visit.now)
    except Invalid as refusal:
        action = f"/project/{project_id}/application"
        return _form(visit, action, "New application", _typed(visit), problems_of(refusal))
    return SeeOther(f"/application/{made.id}")


@page("GET", "/application/<application_id:id>/edit", scope="manage")
def edit(visit: Visit, application_id: int) -> Html:
    """A form with what it is now."""
    found = reading.application(visit.database, application_id)
    typed: dict[str, Any] = {name: getattr(found, name) for name in _PLAIN}
    typed |= {name: _number(getattr(found, name)) for name in _NUMBERS}
    typed["parameters"] = [vars(each) for each in found.declared]
    return _form(visit, f"/application/{application_id}/edit", f"Change {found.full_name}", typed, {})


@page("POST", "/application/<application_id:id>/edit", scope="manage")
def change(visit: Visit, application_id: int) -> Html | SeeOther:
    """Change it; runs that were made before keep what they were made with."""
    try:
        body = check(ApplicationChange, _fields(visit))
        catalogue.change_application(visit.database, application_id, body.given(), visit.service.shares)
    except Invalid as refusal:
        action = f"/application/{application_id}/edit"
        return _form(visit, action, "Change the application", _typed(visit), problems_of(refusal))
    return SeeOther(f"/application/{application_id}")


@page("POST", "/application/<application_id:id>/remove", scope="manage")
def remove(visit: Visit, application_id: int) -> SeeOther:
    """Remove it; the page before has said what stays."""
    project_id = reading.application(visit.database, application_id).project_id
    catalogue.remove_application(visit.database, application_id, visit.now)
    return SeeOther(f"/project/{project_id}")


def _application(visit: Visit, application_id: int, typed: dict[str, str], problems: dict[str, str]) -> Html:
    found = reading.application(visit.database, application_id)
    recent = reading.runs(visit.database, Search(application=application_id), None, _RECENT)
    shown = {
        "application": found,
        "out": application_out(found, visit.service.shares),
        "runs": [run_row(each) for each in recent],
        "typed": {**_defaults(found), **typed},
        "problems": problems,
        "at": visit.sent("at"),
    }
    return Html("application.html", shown, 400 if problems else 200)


def _defaults(application: Application) -> dict[str, str]:
    return {each.name: each.default or "" for each in application.declared}


def _form(visit: Visit, action: str, title: str, typed: dict[str, Any], problems: dict[str, str]) -> Html:
    rows = [*typed["parameters"], *({"name": "", "default": "", "kind": "text", "choices": ()},) * _SPARE_ROWS]
    shown = {"action": action, "title": title, "typed": typed, "rows": rows, "kinds": _KINDS, "problems": problems}
    return Html("application_form.html", shown, 400 if problems else 200)


def _typed(visit: Visit) -> dict[str, Any]:
    """What was typed, to be shown again."""
    return {**{name: visit.sent(name) for name in (*_PLAIN, *_NUMBERS)}, "parameters": _parameters(visit)}


def _fields(visit: Visit) -> dict[str, Any]:
    """What was typed, as the API takes it: an empty number is none."""
    typed = _typed(visit)
    fields: dict[str, Any] = {name: typed[name] for name in _PLAIN}
    fields |= {name: typed[name] or None for name in _NUMBERS if name != "retries"}
    return {**fields, "retries": typed["retries"] or "0", "parameters": typed["parameters"]}


def _parameters(visit: Visit) -> list[dict[str, Any]]:
    columns = [visit.form.get(f"parameter.{name}", []) for name in ("name", "default", "kind", "choices")]
    return [
        {
            "name": name.strip(),
            "default": default or None,
            "kind": kind,
            "choices": [choice.strip() for choice in choices.split(",") if choice.strip()],
        }
        for name, default, kind, choices in zip(*columns, strict=False)
        if name.strip()
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
