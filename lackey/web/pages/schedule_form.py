"""Recurring schedules made and changed: one form for both.

Nothing is saved before its next firings were seen: the form carries the rule whose firings it shows, and where another
one is sent, it is shown again with those of that one. With JavaScript they are shown while the rule is typed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from lackey.domain import recurrence
from lackey.domain.application import Application
from lackey.domain.recurrence import Rule
from lackey.domain.refusals import FieldError, Invalid, Refusal
from lackey.domain.schedule import Schedule
from lackey.domain.sweep import Spread, typed_values
from lackey.services.catalogue import reading as catalogue
from lackey.services.schedules import changing, reading
from lackey.web.api.schedules import zone_of
from lackey.web.pages.forms import problems_of, status_of
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.pages.schedule_rows import firings_by_clock
from lackey.web.schemas.schedules import NewSchedule, ScheduleChange
from lackey.web.validation import check
from lackey.web.visits import Visit

# What people want most often, in their words.
PRESETS = {
    "0 * * * *": "each hour",
    "0 2 * * *": "each night at two",
    "0 6 * * 1-5": "each working day at six",
    "0 2 * * 6": "each Saturday at two in the night",
    "0 2 1 * *": "on the first of each month at two",
}
_OVERLAPS = {
    "skip": "make none then",
    "queue": "make one that waits for its end",
    "allow": "run both",
}
_CATCH_UPS = {"latest": "make one run, for the last of them", "none": "make none for them"}
_PLAIN = ("cron", "timezone", "overlap", "catch_up")


@dataclass(frozen=True)
class TypedSchedule:
    """What the form shows. `seen`: the rule whose firings it shows, as `told` has it."""

    cron: str = ""
    timezone: str = ""
    overlap: str = "skip"
    catch_up: str = "latest"
    parameters: dict[str, str] = field(default_factory=dict)
    grid: dict[str, str] = field(default_factory=dict)
    max_running: str = ""
    seen: str = ""


@dataclass(frozen=True)
class _Form:
    """Where the form goes and back to, and what it is of."""

    action: str
    back: str
    title: str
    application: Application
    known: Schedule | None = None

    @property
    def rows(self) -> int:
        """Of how many rows it makes a run each time."""
        return len(self.known.sweep.points) if self.known and self.known.sweep else 0


def told(rule: Rule) -> str:
    """A rule as a form carries it."""
    return f"{rule.cron} {rule.timezone}"


def empty_form(visit: Visit, application: Application) -> dict[str, Any]:
    """What the template of the fields shows, for a new schedule."""
    return _given(_new_form(application), TypedSchedule(timezone=visit.service.timezone or ""), {})


@page("GET", "/application/<application_id:id>/schedule", scope="manage")
def new(visit: Visit, application_id: int) -> Html:
    """A form for another schedule of an application."""
    found = catalogue.application(visit.database, application_id)
    return Html("schedule_form.html", {"schedule_form": empty_form(visit, found)})


@page("POST", "/application/<application_id:id>/schedule", scope="manage")
def add(visit: Visit, application_id: int) -> Html | SeeOther:
    """Make it, if its firings were seen."""

    def save(fields: dict[str, Any]) -> Schedule:
        values = check(NewSchedule, {**fields, "application": str(application_id)}).model_dump()
        return changing.add(visit.database, values, visit.by, visit.now, capacity=visit.service.capacity)

    return _saved(visit, _new_form(catalogue.application(visit.database, application_id)), save)


@page("GET", "/schedule/<schedule_id:id>/edit", scope="manage")
def edit(visit: Visit, schedule_id: int) -> Html:
    """A form with what it is now."""
    found = reading.schedule(visit.database, schedule_id)
    plain = {name: getattr(found, name) for name in _PLAIN}
    spread = found.sweep or Spread({}, [])
    grid = {name: given if isinstance(given, str) else typed_values(given) for name, given in spread.grid.items()}
    at_once = str(spread.max_running or "")
    typed = TypedSchedule(**plain, parameters=found.parameters, grid=grid, max_running=at_once, seen=told(found.rule))
    return _shown(visit, _edit_form(visit, found), typed, {})


@page("POST", "/schedule/<schedule_id:id>/edit", scope="manage")
def change(visit: Visit, schedule_id: int) -> Html | SeeOther:
    """Change it, if its firings were seen; runs that it has made stay as they are."""

    def save(fields: dict[str, Any]) -> Schedule:
        values = check(ScheduleChange, fields).given()
        return changing.change(visit.database, schedule_id, values, visit.now, visit.service.capacity)

    return _saved(visit, _edit_form(visit, reading.schedule(visit.database, schedule_id)), save)


def _new_form(found: Application) -> _Form:
    path = f"/application/{found.id}"
    return _Form(f"{path}/schedule", path, f"New schedule of {found.full_name}", found)


def _edit_form(visit: Visit, found: Schedule) -> _Form:
    path, application = f"/schedule/{found.id}", catalogue.application(visit.database, found.application_id)
    return _Form(f"{path}/edit", path, f"Change schedule {found.id} of {found.application}", application, found)


def _saved(visit: Visit, form: _Form, save: Callable[[dict[str, Any]], Schedule]) -> Html | SeeOther:
    typed = _typed(visit, form)
    try:
        fields = _checked(visit, form, typed)
        if typed.seen == told(Rule(fields["cron"], fields["timezone"])):
            return SeeOther(f"/schedule/{save(fields).id}")
    except Refusal as refusal:
        return _shown(visit, form, typed, problems_of(refusal))
    return _shown(visit, form, typed, {})


def _typed(visit: Visit, form: _Form) -> TypedSchedule:
    """What was typed. One of the presets that was chosen stands for its expression."""
    names = [each.name for each in form.application.declared]
    values = {name: visit.sent(f"parameter.{name}") for name in names}
    grid = {name: typed for name in names if (typed := visit.sent(f"grid.{name}").strip())}
    at_once = visit.sent("max_running").strip()
    plain = {name: visit.sent(name).strip() for name in _PLAIN}
    cron = visit.sent("preset").strip() or plain["cron"]
    return TypedSchedule(
        **{**plain, "cron": cron}, parameters=values, grid=grid, max_running=at_once, seen=visit.sent("seen")
    )


def _checked(visit: Visit, form: _Form, typed: TypedSchedule) -> dict[str, Any]:
    """The fields as the API takes them.

    Raises Invalid with all that is wrong: with the rule, and with the values; Conflict, TooMany.
    """
    faults: list[FieldError] = []
    fields: dict[str, Any] = {name: getattr(typed, name) for name in _PLAIN}
    # Without values the rows stay that it may have: no form has fields for these.
    fields |= {"parameters": _parameters(form, typed), "grid": typed.grid, "max_running": typed.max_running or None}
    body: NewSchedule | None = None
    with _gathered(faults):
        body = check(NewSchedule, {**fields, "application": str(form.application.id)})
    if not {"cron", "timezone"} & {fault.field for fault in faults}:
        with _gathered(faults):
            fields["timezone"] = zone_of(visit.service, typed.timezone)
            recurrence.check(Rule(typed.cron, fields["timezone"]), visit.now)
    asked = {**fields, "application": form.application.id, "max_running": None if body is None else body.max_running}
    with _gathered(faults):
        changing.refuse_unfit(visit.database, asked, visit.now, visit.service.capacity, form.known)
    if faults:
        raise Invalid(*faults)
    return fields


@contextmanager
def _gathered(faults: list[FieldError]) -> Iterator[None]:
    """What is refused within as invalid is added to the faults."""
    try:
        yield
    except Invalid as refusal:
        faults += refusal.errors


def _parameters(form: _Form, typed: TypedSchedule) -> dict[str, str]:
    """Those that were given. What is left empty is the default as the application has it then; but an empty text that
    the schedule has been given is kept.
    """
    known = {} if form.known is None else form.known.parameters
    return {name: value for name, value in typed.parameters.items() if value or known.get(name) == ""}


def _shown(visit: Visit, form: _Form, typed: TypedSchedule, problems: dict[str, str]) -> Html:
    given = _given(form, typed, problems)
    if typed.cron and not problems.keys() & {"cron", "timezone"}:
        with suppress(Invalid):
            rule = Rule(typed.cron, zone_of(visit.service, typed.timezone))
            given |= {"firings": firings_by_clock(rule, reading.firings(rule, visit.now)), "words": rule.in_words()}
            given |= {"seen": told(rule), "timezone": rule.timezone}
    if typed.grid and not problems:
        given["runs"] = Spread({**typed.grid}, []).size()
    return Html("schedule_form.html", {"schedule_form": given}, status_of(problems))


def _given(form: _Form, typed: TypedSchedule, problems: dict[str, str]) -> dict[str, Any]:
    return {
        "form": form,
        "typed": typed,
        "presets": PRESETS,
        "overlaps": _OVERLAPS,
        "catch_ups": _CATCH_UPS,
        "problems": problems,
        "beside": [
            *(*_PLAIN, "max_running"),
            *(f"{kind}.{each.name}" for each in form.application.declared for kind in ("parameters", "grid")),
        ],
        "of_sweep": ["max_running", *(f"grid.{each.name}" for each in form.application.declared)],
        "runs": form.rows,
        "firings": [],
        "words": "",
        "seen": "",
        "timezone": typed.timezone,
    }
