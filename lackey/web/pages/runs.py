"""Runs: found."""

from urllib.parse import urlencode

from lackey.domain.run import RunState
from lackey.services import reading
from lackey.services.reading import Search
from lackey.web.pages.routes import Html, page
from lackey.web.pages.shown import run_row
from lackey.web.schemas.runs import RunQuery
from lackey.web.validation import check
from lackey.web.visits import Visit

_PAGE = 50
_FILTERS = ("state", "project", "application", "by", "q")


@page("GET", "/run", scope="read")
def runs(visit: Visit) -> Html:
    """The runs that the address asks for, newest first."""
    asked = {name: visit.asked(name).strip() for name in _FILTERS if visit.asked(name).strip()}
    query = check(RunQuery, {**asked, "state": asked["state"].split(",")} if "state" in asked else asked)
    search = Search(query.state, query.project, query.application, query.by, words=query.q)
    before = visit.asked("before")
    found = reading.runs(visit.database, search, int(before) if before.isdecimal() else None, _PAGE + 1)
    shown = found[:_PAGE]
    older = f"/run?{urlencode({**asked, 'before': shown[-1].id})}" if len(found) > _PAGE else None
    states = [*(state.value for state in RunState), "active", "final"]
    return Html(
        "runs.html",
        {"runs": [run_row(run) for run in shown], "asked": asked, "older": older, "newer": bool(before)}
        | {"states": states},
    )
