"""Applications made and changed: one form for both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lackey.domain import sizes
from lackey.domain.application import Application
from lackey.domain.refusals import Conflict, FieldError, Invalid
from lackey.services.catalogue import changing, reading
from lackey.web.pages.forms import problems_of, status_of
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.schemas.catalogue import ApplicationChange, NewApplication
from lackey.web.schemas.types import words_of
from lackey.web.validation import check
from lackey.web.visits import Visit

_SPARE_ROWS = 3
_KINDS = ("text", "integer", "number", "boolean", "choice")
_PLAIN = ("name", "description", "directory", "command", "workdir", "executor", "retries", "gpus")
_MAY_BE_NONE = (
    *("cpus", "memory", "time_limit", "start_grace", "silence", "max_running", "shell"),
    *("retry_on", "retry_wait"),
)
_COLUMNS = ("name", "kind", "default", "empty", "choices")
_NEW = {"workdir": "application", "executor": changing.EXECUTORS[0], "retries": "0", "gpus": "0"}
# What an empty default means: there is none, so that a value has to be given, or it is an empty text.
_EMPTY = ("needed", "text")
_BLANK_ROW = {"name": "", "kind": "text", "default": "", "empty": _EMPTY[0], "choices": ""}

Typed = dict[str, Any]


@dataclass(frozen=True)
class _Form:
    """Where the form goes and back to, and what stands above it: what is done, and to what of this name."""

    action: str
    back: str
    doing: str
    name: str
    project: str


@page("GET", "/project/<project_id:id>/application", scope="manage")
def new(visit: Visit, project_id: int) -> Html:
    """A form for another application of a project."""
    empty = {**dict.fromkeys((*_PLAIN, *_MAY_BE_NONE), ""), **_NEW, "parameters": [], "environment": []}
    return _shown(_new_form(visit, project_id), empty, {})


@page("POST", "/project/<project_id:id>/application", scope="manage")
def add(visit: Visit, project_id: int) -> Html | SeeOther:
    """Make it."""

    def save(fields: dict[str, Any]) -> Application:
        values = check(NewApplication, {**fields, "project": str(project_id)}).model_dump()
        return changing.add_application(visit.database, values, visit.service.shares, visit.now)

    return _saved(visit, _new_form(visit, project_id), save)


@page("GET", "/application/<application_id:id>/edit", scope="manage")
def edit(visit: Visit, application_id: int) -> Html:
    """A form with what it is now."""
    found = reading.application(visit.database, application_id)
    return _shown(_edit_form(found), _as_typed(found), {})


@page("POST", "/application/<application_id:id>/edit", scope="manage")
def change(visit: Visit, application_id: int) -> Html | SeeOther:
    """Change it; runs that were made before keep what they were made with."""

    def save(fields: dict[str, Any]) -> Application:
        values = check(ApplicationChange, fields).given()
        return changing.change_application(visit.database, application_id, values, visit.service.shares)

    return _saved(visit, _edit_form(reading.application(visit.database, application_id)), save)


def _new_form(visit: Visit, project_id: int) -> _Form:
    path = f"/project/{project_id}"
    project = reading.project(visit.database, project_id)
    directory = f"{project.share}:{project.directory}"
    return _Form(f"{path}/application", path, "New application of", project.name, directory)


def _edit_form(found: Application) -> _Form:
    path = f"/application/{found.id}"
    directory = f"{found.share}:{found.project_directory}"
    return _Form(f"{path}/edit", path, "Change", found.full_name, directory)


def _saved(visit: Visit, form: _Form, save: Callable[[dict[str, Any]], Application]) -> Html | SeeOther:
    typed = _typed(visit)
    try:
        return SeeOther(f"/application/{save(_fields(typed)).id}")
    except (Invalid, Conflict) as refusal:
        return _shown(form, typed, problems_of(refusal))


def _shown(form: _Form, typed: Typed, problems: dict[str, str]) -> Html:
    shown = {
        "form": form,
        "typed": typed,
        "parameters": [*typed["parameters"], *[_BLANK_ROW] * _SPARE_ROWS],
        "environment": [*typed["environment"], *[("", "")] * _SPARE_ROWS],
        "kinds": _KINDS,
        "executors": changing.EXECUTORS,
        "problems": problems,
        "elsewhere": _elsewhere(problems, typed),
    }
    return Html("application_form.html", shown, status_of(problems))


def _elsewhere(problems: dict[str, str], typed: Typed) -> dict[str, str]:
    """The problems that are shown beside no field."""
    beside = {*_PLAIN, *_MAY_BE_NONE, *(f"environment.{name}" for name, _ in typed["environment"])}
    beside |= {f"parameters.{row}.{column}" for row in range(len(typed["parameters"])) for column in _COLUMNS}
    return {name: message for name, message in problems.items() if name not in beside}


def _as_typed(found: Application) -> Typed:
    """What somebody would have to type to make it."""
    stored = {**vars(found), "memory": sizes.exactly(found.memory_bytes) if found.memory_bytes else None}
    numbers = {name: _number(stored[name]) for name in (*_MAY_BE_NONE, "retries", "gpus")}
    rows = [
        {
            **vars(each),
            "default": each.default or "",
            "empty": _EMPTY[each.default == ""],
            "choices": ", ".join(each.choices),
        }
        for each in found.declared
    ]
    plain = {name: getattr(found, name) for name in _PLAIN}
    return {**plain, **numbers, "parameters": rows, "environment": list(found.environment.items())}


def _typed(visit: Visit) -> Typed:
    """What was typed; rows in which nothing was are left out."""
    columns = [visit.form.get(f"parameter.{name}", []) for name in _COLUMNS]
    rows = [dict(zip(_COLUMNS, cells, strict=True)) for cells in zip(*columns, strict=False)]
    variables = zip(visit.form.get("variable.name", []), visit.form.get("variable.value", []), strict=False)
    return {
        **{name: visit.sent(name) for name in (*_PLAIN, *_MAY_BE_NONE)},
        "parameters": [row for row in rows if row["name"].strip() or row["default"] or row["choices"].strip()],
        "environment": [(name.strip(), value) for name, value in variables if name.strip() or value],
    }


def _fields(typed: Typed) -> dict[str, Any]:
    """What was typed, as the API takes it. Raises Invalid."""
    names = [name for name, _ in typed["environment"]]
    if twice := {name for name in names if names.count(name) > 1}:
        raise Invalid(*(FieldError(f"environment.{name}", "is there twice") for name in sorted(twice)))
    return {
        **{name: typed[name] for name in _PLAIN if typed[name] or name not in _NEW},
        **{name: typed[name].strip() or None for name in _MAY_BE_NONE},
        "retry_on": words_of(typed["retry_on"]) if typed["retry_on"].strip() else None,
        "parameters": [_parameter(row) for row in typed["parameters"]],
        "environment": dict(typed["environment"]),
    }


def _parameter(row: dict[str, str]) -> dict[str, Any]:
    is_text = row["kind"] == "text" and row["empty"] == _EMPTY[1]
    return {
        "name": row["name"].strip(),
        "kind": row["kind"],
        "default": row["default"] or ("" if is_text else None),
        "choices": [choice.strip() for choice in row["choices"].split(",") if choice.strip()],
    }


def _number(value: float | str | list[str] | None) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else value if isinstance(value, str) else repr(value).removesuffix(".0")
