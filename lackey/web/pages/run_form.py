"""The form that runs an application: what was typed into it, and the run that is wanted by it."""

import re
from dataclasses import dataclass, field
from datetime import timedelta

from lackey.domain import sizes
from lackey.domain.application import Application, Parameter
from lackey.domain.command import fill_parameters
from lackey.domain.refusals import FieldError, Invalid, invalid
from lackey.domain.run import Run
from lackey.services.runs.scheduling import Wanted
from lackey.web.routes import PATH_ID
from lackey.web.schemas.runs import INSTEAD, NewRun
from lackey.web.validation import check
from lackey.web.visits import Visit

OPTIONS = ("priority", "cpus", "memory", "gpus", "time_limit", "retries", "after")
# Those of them that an application has too, as they are stored.
_USUAL = ("cpus", "memory_bytes", "gpus", "time_limit", "retries")
# What a field of the type datetime-local sends (HTML, "local date and time"): of no zone.
_LOCAL = re.compile(r"([0-9]{4,}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:\.[0-9]+)?")
# Fields of whole minutes are typed within the minute.
_JUST_PAST = timedelta(minutes=2)


@dataclass(frozen=True)
class TypedRun:
    """What the form shows: the values of parameters by their names, the time, the options.

    `like`: the number of the run that is to be done again with changes, if it is that.
    """

    parameters: dict[str, str]
    at: str = ""
    options: dict[str, str] = field(default_factory=lambda: dict.fromkeys(OPTIONS, ""))
    like: str = ""


def beginning(application: Application, like: Run | None) -> TypedRun:
    """What the form begins with: the application's defaults, or what differs from them in the run `like`."""
    values = {each.name: each.default or "" for each in application.declared}
    if like is None:
        return TypedRun(values)
    values |= {name: value for name, value in like.parameters.items() if name in values}
    usual = {"priority": 0, **{name: getattr(application, name) for name in _USUAL}}
    own = {
        name.removesuffix("_bytes"): "" if getattr(like, name) == value else _typed(name, getattr(like, name))
        for name, value in usual.items()
    }
    again = str(like.id) if like.application_id == application.id else ""
    return TypedRun(values, "", {**dict.fromkeys(OPTIONS, ""), **own}, again)


def _typed(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return sizes.exactly(int(value)) if name == "memory_bytes" else f"{value:g}"


def typed_run(visit: Visit, application: Application) -> TypedRun:
    """What was typed."""
    values = {each.name: visit.sent(_name(each)) for each in application.declared if _name(each) in visit.form}
    options = {name: visit.sent(name).strip() for name in OPTIONS}
    return TypedRun(values, visit.sent("at").strip(), options, visit.sent("like"))


def wanted(visit: Visit, application: Application, typed: TypedRun) -> Wanted:
    """The run that is asked for. Raises Invalid."""
    left_out = {each.name for each in application.declared if _is_left_out(each, typed.parameters)}
    values = {name: value for name, value in typed.parameters.items() if name not in left_out}
    body = _checked(visit, application, typed, values)
    # One made from a whole minute, or after a moment's thought, is meant for now.
    if body.at is not None and body.at < visit.now - _JUST_PAST:
        raise invalid("at", "has passed; leave it empty to run it now")
    return Wanted(
        application=application.id,
        at=body.at,
        parameters=body.parameters,
        after=body.dependencies(),
        priority=body.priority,
        instead={name: value for name, value in body.given().items() if name in INSTEAD},
        like=int(typed.like) if re.fullmatch(PATH_ID, typed.like) else None,
    )


def _checked(visit: Visit, application: Application, typed: TypedRun, values: dict[str, str]) -> NewRun:
    """All that is wrong is said at once: what is no such run, and what its application does not take."""
    given = {name: value for name, value in typed.options.items() if value}
    fields = NewRun.from_form({"application": str(application.id), "at": moment_of(visit, typed.at), **given})
    faults: list[FieldError] = []
    try:
        fill_parameters(application.declared, values)
    except Invalid as refusal:
        faults += refusal.errors
    try:
        body = check(NewRun, {**fields, "parameters": values})
    except Invalid as refusal:
        raise Invalid(*refusal.errors, *faults) from None
    if faults:
        raise Invalid(*faults)
    return body


def _name(parameter: Parameter) -> str:
    return f"parameter.{parameter.name}"


def _is_left_out(parameter: Parameter, typed: dict[str, str]) -> bool:
    """Only text can be empty on purpose, and only where nothing has to be given."""
    is_empty = not typed.get(parameter.name)
    return is_empty and (parameter.kind != "text" or bool(parameter.choices) or parameter.default is None)


def moment_of(visit: Visit, at: str) -> str:
    """The time as the API takes it. A page with JavaScript sends beside what was typed the moment that was meant by it;
    without, what is typed is UTC.
    """
    found = _LOCAL.fullmatch(at)
    if not found:
        return at or "now"
    return visit.sent("moment") or f"{found[1]}T{found[2]}{found[3] or ':00'}Z"


def known_problems(application: Application) -> list[str]:
    """The fields beside which their problems are shown."""
    return [*(f"parameters.{each.name}" for each in application.declared), "at", *OPTIONS]
