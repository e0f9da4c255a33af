"""Applications: looked at, run, removed, brought back."""

import re

from lackey.domain.refusals import Invalid
from lackey.services.catalogue import reading, removing
from lackey.services.runs import overview, queries, scheduling
from lackey.services.schedules import reading as schedules
from lackey.services.sweeps import reading as sweeps
from lackey.web.pages.forms import problems_of, status_of
from lackey.web.pages.removing import removal_page
from lackey.web.pages.report_lines import to_new_run
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.pages.run_form import TypedRun, beginning, known_problems, typed_run, wanted
from lackey.web.pages.schedule_rows import schedule_rows
from lackey.web.pages.shown import run_row
from lackey.web.pages.strip import strip_of
from lackey.web.pages.sweeps import shown_sweep
from lackey.web.present import application_out, warnings_in
from lackey.web.routes import PATH_ID
from lackey.web.visits import Visit

_RECENT = 20
_SWEEPS = 5
_SCHEDULES = 50


@page("GET", "/application/<application_id:id>", scope="read")
def application(visit: Visit, application_id: int) -> Html:
    """One application: run it, see how its runs went. `like` names a run whose inputs the form begins with."""
    found = reading.application(visit.database, application_id)
    like = visit.asked("like")
    known = queries.run(visit.database, int(like)) if re.fullmatch(PATH_ID, like) else None
    return _application(visit, application_id, beginning(found, known), {})


@page("POST", "/application/<application_id:id>/run", scope="run")
def run(visit: Visit, application_id: int) -> Html | SeeOther:
    """Run it, now or at a time."""
    found = reading.application(visit.database, application_id)
    typed = typed_run(visit, found)
    try:
        asked, capacity = wanted(visit, found, typed), visit.service.capacity
        made, token = scheduling.schedule(visit.database, asked, visit.by, visit.now, capacity=capacity)
    except Invalid as refusal:
        return _application(visit, application_id, typed, problems_of(refusal))
    visit.service.wake()
    return to_new_run(made, token)


@page("GET", "/application/<application_id:id>/remove", scope="manage")
def ask_to_remove(visit: Visit, application_id: int) -> Html:
    """What it would take along to remove it."""
    found = reading.application(visit.database, application_id)
    removal = removing.removal_of_application(visit.database, application_id)
    return removal_page("application", found.full_name, f"/application/{application_id}", removal)


@page("POST", "/application/<application_id:id>/remove", scope="manage")
def remove(visit: Visit, application_id: int) -> SeeOther:
    """Remove it; the page before has said what stays."""
    project_id = reading.application(visit.database, application_id).project_id
    is_archived = removing.remove_application(visit.database, application_id, visit.now)
    return SeeOther(f"/application/{application_id}" if is_archived else f"/project/{project_id}")


@page("POST", "/application/<application_id:id>/restore", scope="manage")
def restore(visit: Visit, application_id: int) -> SeeOther:
    """Bring it back."""
    removing.restore_application(visit.database, application_id)
    return SeeOther(f"/application/{application_id}")


def _application(visit: Visit, application_id: int, typed: TypedRun, problems: dict[str, str]) -> Html:
    seen = overview.glance(visit.database, application_id)
    project = reading.project(visit.database, seen.application.project_id)
    shown = {
        "application": seen.application,
        "project": project,
        "is_archived": bool(seen.application.archived_at or project.archived_at),
        "out": application_out(seen.application, visit.service.shares),
        "warnings": warnings_in(seen.application, visit.service.shell) if visit.may("manage") else [],
        "strip": strip_of(seen.latest, seen.typical_seconds, visit.now),
        "runs": [run_row(each, visit) for each in seen.latest[:_RECENT]],
        "sweeps": [
            shown_sweep(each) for each in sweeps.listing(visit.database, None, _SWEEPS, application_id, visit.now)
        ],
        "schedules": schedule_rows(visit, schedules.listing(visit.database, application_id, None, None, _SCHEDULES)),
        "typed": typed,
        "problems": problems,
        "shown_problems": known_problems(seen.application),
    }
    return Html("application.html", shown, status_of(problems))
