"""What goes on now."""

from lackey.services import overview, reading
from lackey.services.reading import Search
from lackey.web.pages.routes import Html, Unchanged, page
from lackey.web.pages.shown import run_row
from lackey.web.visits import Visit


@page("GET", "/", scope="read")
def now(visit: Visit) -> Html | Unchanged:
    """What runs, what waits and for what, what is due next, what ended lately.

    A browser asks again each second. As long as nothing has changed, that costs a few indexed reads.
    """
    tag = f'"{overview.fingerprint(visit.database, visit.now)}-{visit.word[:16]}"'
    if visit.known == tag:
        return Unchanged(tag)
    found = overview.overview(visit.database, visit.now)
    shown = {
        "running": [run_row(each.run, each.expected) for each in found.running],
        "queued": [run_row(run) for run in [*found.queued, *found.overdue]],
        "coming": [run_row(run) for run in found.coming],
        "ended": [run_row(run) for run in found.ended],
        "counts": found.unended,
        "failed": sum(count for state, count in found.ended_counts.items() if state not in ("succeeded", "cancelled")),
        "leads": [one for one in found.schedulers if one.leads and not one.late],
        "empty": not (found.unended or found.ended) and not _any_run(visit),
    }
    return Html("now.html", shown, tag=f'"{found.fingerprint}-{visit.word[:16]}"')


def _any_run(visit: Visit) -> bool:
    return bool(reading.runs(visit.database, Search(), None, 1))
