"""Recurring schedules: listed, looked at, paused, removed; and a rule tried out before anything is made of it."""

import re
from typing import Any

from lackey.domain import recurrence
from lackey.domain.recurrence import Rule
from lackey.domain.refusals import Conflict, Invalid
from lackey.services.catalogue import reading as catalogue
from lackey.services.schedules import changing, reading
from lackey.web.api.schedules import zone_of
from lackey.web.pages.forms import problems_of, status_of
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.pages.schedule_form import told
from lackey.web.pages.schedule_rows import firings_by_clock, schedule_rows, tick_rows
from lackey.web.routes import PATH_ID
from lackey.web.schemas.schedules import Preview
from lackey.web.validation import check
from lackey.web.visits import Visit

_PAGE = 50


@page("GET", "/schedule", scope="read")
def schedules(visit: Visit) -> Html:
    """All schedules, the newest first; those below the number `before`."""
    found = reading.listing(visit.database, None, None, _before(visit), _PAGE + 1)
    shown = {
        "rows": schedule_rows(visit, found[:_PAGE]),
        "is_later": _before(visit) is not None,
        "before": found[_PAGE - 1].id if len(found) > _PAGE else None,
    }
    return Html("schedules.html", shown)


@page("GET", "/schedule/preview", scope="read")
def preview(visit: Visit) -> Html:
    """When a rule would fire, its fields as they are typed into a form: what that shows beside them."""
    shown: dict[str, Any] = {"firings": [], "timezone": "", "words": "", "told": "", "problems": {}}
    try:
        body = check(Preview, {name: visit.asked(name).strip() for name in ("cron", "timezone")})
        rule = Rule(body.cron, zone_of(visit.service, body.timezone))
        recurrence.check(rule, visit.now)
        firings = firings_by_clock(rule, reading.firings(rule, visit.now))
        shown |= {"firings": firings, "timezone": rule.timezone, "words": rule.in_words(), "told": told(rule)}
    except Invalid as refusal:
        shown["problems"] = problems_of(refusal)
    return Html("schedule_preview.html", shown, 400 if shown["problems"] else 200)


@page("GET", "/schedule/<schedule_id:id>", scope="read")
def schedule(visit: Visit, schedule_id: int) -> Html:
    """One schedule: when it fires next, what came of the times before; those before the line `before`."""
    return _schedule(visit, schedule_id, {})


@page("POST", "/schedule/<schedule_id:id>/pause", scope="manage")
def pause(visit: Visit, schedule_id: int) -> Html | SeeOther:
    """Let it make no runs."""
    return _paused(visit, schedule_id, paused=True)


@page("POST", "/schedule/<schedule_id:id>/resume", scope="manage")
def resume(visit: Visit, schedule_id: int) -> Html | SeeOther:
    """Let it make runs again."""
    return _paused(visit, schedule_id, paused=False)


@page("POST", "/schedule/<schedule_id:id>/remove", scope="manage")
def remove(visit: Visit, schedule_id: int) -> SeeOther:
    """Remove it with its history; its runs stay."""
    found = reading.schedule(visit.database, schedule_id)
    changing.remove(visit.database, schedule_id)
    return SeeOther(f"/application/{found.application_id}")


def _paused(visit: Visit, schedule_id: int, *, paused: bool) -> Html | SeeOther:
    try:
        changing.change(visit.database, schedule_id, {"paused": paused}, visit.now, visit.service.capacity)
    except (Invalid, Conflict) as refusal:
        return _schedule(visit, schedule_id, problems_of(refusal))
    return SeeOther(f"/schedule/{schedule_id}")


def _schedule(visit: Visit, schedule_id: int, problems: dict[str, str]) -> Html:
    found = reading.schedule(visit.database, schedule_id)
    application = catalogue.application(visit.database, found.application_id)
    ticks = reading.ticks(visit.database, schedule_id, _before(visit), _PAGE + 1)
    shown = {
        "schedule": found,
        "words": found.rule.in_words(),
        "is_archived": application.archived_at is not None,
        "firings": firings_by_clock(found.rule, reading.firings_of(found, visit.now)),
        "ticks": tick_rows(visit, [tick for _, tick in ticks[:_PAGE]]),
        "is_later": _before(visit) is not None,
        "before": ticks[_PAGE - 1][0] if len(ticks) > _PAGE else None,
        "problems": problems,
    }
    return Html("schedule.html", shown, status_of(problems))


def _before(visit: Visit) -> int | None:
    asked = visit.asked("before")
    return int(asked) if re.fullmatch(PATH_ID, asked) else None
