"""Runs: found, looked at, cancelled, done again."""

from dataclasses import asdict
from pathlib import PurePosixPath
from urllib.parse import quote, urlencode

from lackey.domain.paths import join
from lackey.domain.refusals import NotFound
from lackey.domain.run import ACTIVE, FINAL, Run, RunState
from lackey.files import FileError
from lackey.services import ending, reading
from lackey.services.reading import Search
from lackey.web.api import run_log
from lackey.web.call import Call
from lackey.web.pages.routes import Html, Raw, SeeOther, page
from lackey.web.pages.shown import run_row
from lackey.web.present import run_out
from lackey.web.schemas.runs import LogQuery, RunQuery
from lackey.web.validation import check
from lackey.web.visits import Visit

_PAGE = 50
_EVENTS = 200
_METRICS = 1000
_TAIL = 32 * 1024
_PIECE = 1 << 20
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


@page("GET", "/run/<run_id:id>", scope="read")
def run(visit: Visit, run_id: int) -> Html:
    """One run: how it is and why, and all that is known of it."""
    found = reading.run(visit.database, run_id)
    log = run_log.text_of(_call(visit), found)
    start = max(0, log.size - _TAIL)
    return Html(
        "run.html",
        {
            "run": found,
            "row": run_row(found),
            "out": run_out(found, visit.service.shares),
            "events": [event for _, event in reading.events(visit.database, run_id, None, _EVENTS)],
            "metrics": reading.metrics(visit.database, run_id, None, 0, _METRICS),
            "files": _files(visit, found),
            "log": b"".join(log.read(start, log.size)).decode(errors="replace"),
            "log_start": start,
            "log_size": log.size,
            "is_final": found.state in FINAL,
            "may_end": found.state in ACTIVE or found.state is RunState.SCHEDULED,
        },
    )


@page("GET", "/run/<run_id:id>/log", scope="read")
def log(visit: Visit, run_id: int) -> Raw:
    """The log as text; with `offset` a piece of it, as the API gives it."""
    asked = {"offset": visit.asked("offset")} if "offset" in visit.query else {}
    return run_log.log(_call(visit), run_id, check(LogQuery, asked))


@page("GET", "/run/<run_id:id>/file/<name>", scope="read")
def file(visit: Visit, run_id: int, name: str) -> Raw:
    """A file of the run's directory, to download. Whatever it is, the browser is not to show it as a page of ours."""
    found = reading.run(visit.database, run_id)
    if found.share is None or found.run_directory is None:
        raise NotFound(f"run {run_id} has no directory")
    share, path, files = found.share, join(found.run_directory, name), visit.service.files
    size = files.read(share, path, 0, 0).size
    pieces = (files.read(share, path, start, min(_PIECE, size - start)).content for start in range(0, size, _PIECE))
    shown_name = f"attachment; filename*=UTF-8''{quote(PurePosixPath(name).name, errors='replace')}"
    return Raw("application/octet-stream", pieces, size, headers={"Content-Disposition": shown_name})


@page("POST", "/run/<run_id:id>/cancel", scope="run")
def cancel(visit: Visit, run_id: int) -> SeeOther:
    """Cancel it."""
    ending.cancel(visit.database, run_id, visit.by, visit.now)
    visit.service.wake()
    return SeeOther(f"/run/{run_id}")


@page("POST", "/run/<run_id:id>/rerun", scope="run")
def rerun(visit: Visit, run_id: int) -> SeeOther:
    """Run it again with the same inputs."""
    again, _ = ending.rerun(visit.database, run_id, visit.by, visit.now)
    visit.service.wake()
    return SeeOther(f"/run/{again.id}")


def _call(visit: Visit) -> Call:
    return Call(visit.service, visit.now, visit.asker, range=visit.range)


def _files(visit: Visit, run: Run) -> list[dict[str, object]]:
    """What lies in the run's directory; nothing while its share is away, of which the log's place tells."""
    if run.share is None or run.run_directory is None:
        return []
    try:
        listing = visit.service.files.listing(run.share, run.run_directory)
    except FileError:
        return []
    return [asdict(entry) for entry in listing.entries if entry.name.isprintable()]
