"""Run an application many times: the form for a sweep, and what it would come to, which is seen before it is made.

The form carries, as `seen`, the number of runs that its sender has been told. Only what was seen is made: without
JavaScript, or where the values have changed since, the form comes back with the number first.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass, field

from lackey.domain.application import Application
from lackey.domain.limits import SWEEP_BYTES
from lackey.domain.refusals import Conflict, FieldError, Invalid, Refusal, TooMany, invalid
from lackey.domain.sweep import values_of
from lackey.services.catalogue import reading
from lackey.services.idempotency import Once
from lackey.services.sweeps import estimating, making
from lackey.services.sweeps.estimating import Estimate
from lackey.services.sweeps.making import WantedSweep
from lackey.web.api.sweeps import wanted_of
from lackey.web.pages.forms import problems_of, status_of
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.pages.run_form import moment_of
from lackey.web.schemas.sweeps import NewSweep
from lackey.web.validation import check
from lackey.web.visits import Visit

OPTIONS = ("name", "max_running", "priority", "cpus", "memory", "gpus", "time_limit", "retries", "after", "tags")
_VALUES = "values."
_REFUSED = (Invalid, TooMany, Conflict)


@dataclass(frozen=True)
class TypedSweep:
    """What the form shows: the values of parameters by their names, the table, the time, the options.

    `once` is the form's own: sent twice, it makes one sweep.
    """

    values: dict[str, str] = field(default_factory=dict)
    table: str = ""
    at: str = ""
    hold: bool = False
    options: dict[str, str] = field(default_factory=lambda: dict.fromkeys(OPTIONS, ""))
    once: str = field(default_factory=lambda: secrets.token_hex(16))


@page("GET", "/application/<application_id:id>/many", scope="run")
def form(visit: Visit, application_id: int) -> Html:
    """The form, empty."""
    return _form(visit, reading.application(visit.database, application_id), TypedSweep(), {}, None)


@page("POST", "/application/<application_id:id>/many", scope="run", body_bytes=SWEEP_BYTES)
def make(visit: Visit, application_id: int) -> Html | SeeOther:
    """Make the sweep, if its sender has seen how many runs that are; else say that first."""
    found, typed = reading.application(visit.database, application_id), _typed(visit)
    capacity = visit.service.capacity
    try:
        asked = _wanted(visit, found, typed)
        told = estimating.estimate(visit.database, asked, visit.now, capacity)
        if visit.sent("seen") != str(told.runs):
            return _form(visit, found, typed, {}, told)
        made = making.make(visit.database, asked, visit.by, visit.service.clock, _once(visit, typed), capacity)
    except _REFUSED as refusal:
        return _form(visit, found, typed, _problems(refusal), None)
    visit.service.wake()
    return SeeOther(f"/sweep/{made.id}")


@page("POST", "/application/<application_id:id>/many/look", scope="run", body_bytes=SWEEP_BYTES)
def look(visit: Visit, application_id: int) -> Html:
    """What the form as it is would make: a part of its page, for its script."""
    found = reading.application(visit.database, application_id)
    try:
        asked = _wanted(visit, found, _typed(visit))
        told, problems = estimating.estimate(visit.database, asked, visit.now, visit.service.capacity), {}
    except _REFUSED as refusal:
        told, problems = None, _problems(refusal)
    return Html("many_look.html", {"application": found, "look": told, "problems": problems})


def _form(
    visit: Visit, application: Application, typed: TypedSweep, problems: dict[str, str], told: Estimate | None
) -> Html:
    project = reading.project(visit.database, application.project_id)
    shown = {
        "application": application,
        "is_archived": bool(application.archived_at or project.archived_at),
        "typed": typed,
        "problems": problems,
        "look": told,
        "known": [*(f"grid.{each.name}" for each in application.declared), "points", "at", *OPTIONS],
    }
    return Html("many.html", shown, status_of(problems))


def _typed(visit: Visit) -> TypedSweep:
    values = {name.removeprefix(_VALUES): visit.sent(name) for name in visit.form if name.startswith(_VALUES)}
    return TypedSweep(
        values={name: value.strip() for name, value in values.items() if value.strip()},
        table=visit.sent("points"),
        at=visit.sent("at").strip(),
        hold=visit.sent("hold") == "true",
        options={name: visit.sent(name).strip() for name in OPTIONS},
        once=visit.sent("once") or secrets.token_hex(16),
    )


def _wanted(visit: Visit, application: Application, typed: TypedSweep) -> WantedSweep:
    """The sweep that is asked for. A parameter with one value has it in all runs. Raises Invalid, TooMany."""
    varied, same = _sorted_out(typed.values)
    if typed.table.strip() and varied:
        raise Invalid(*(FieldError(f"grid.{name}", "has one value at most beside a table") for name in varied))
    if not typed.table.strip() and not varied:
        # Not even one differs: a single run, or one of whose values no field can be read.
        varied, same = same, {}
    if not typed.table.strip() and not varied:
        raise invalid("grid", "is empty: type more than one value for a parameter, or paste a table")
    given = NewSweep.from_form({name: value for name, value in typed.options.items() if value})
    fields = {"application": str(application.id), "at": moment_of(visit, typed.at), "hold": typed.hold, **given}
    body = check(NewSweep, {**fields, "grid": varied, "parameters": same})
    return wanted_of(body, typed.table.encode() if typed.table.strip() else None)


def _sorted_out(typed: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Those that vary, or can't be read, as they were typed; and the one value of those that do not."""
    varied, same = {}, {}
    for name, text in typed.items():
        try:
            values = values_of(text)
        except ValueError:
            values = []
        if len(values) == 1:
            same[name] = values[0]
        else:
            varied[name] = text
    return varied, same


def _problems(refusal: Refusal) -> dict[str, str]:
    """What is wrong, a parameter's beside its field, whether it varies or not; and what is wrong with one in a list."""
    found = {}
    for name, message in problems_of(refusal).items():
        whole, _, part = name.partition(".")
        found[f"grid.{part}" if whole == "parameters" else whole if whole in OPTIONS else name] = message
    return found


def _once(visit: Visit, typed: TypedSweep) -> Once | None:
    """What was changed and sent again is another request."""
    if visit.asker is None:
        return None
    fields = {name: values for name, values in visit.form.items() if name not in ("word", "seen")}
    request = hashlib.sha256(json.dumps([visit.path, typed.once, fields], sort_keys=True).encode()).digest()
    return Once(visit.asker.identity, f"form {request.hex()}", request)
