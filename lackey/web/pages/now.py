"""What goes on now."""

from dataclasses import replace
from datetime import timedelta

from lackey.domain.run import FINAL, Run, RunState
from lackey.services import health, reading
from lackey.services.reading import Search
from lackey.web.pages.routes import Html, page
from lackey.web.pages.shown import run_row
from lackey.web.visits import Visit

_SHOWN = 100
_LATELY = timedelta(hours=24)
_ENDED_SHOWN = 20


@page("GET", "/", scope="read")
def now(visit: Visit) -> Html:
    """What runs, what waits and for what, what is due next, what ended lately."""
    database = visit.database
    everything = Search()

    def found(*states: RunState) -> list[Run]:
        return reading.runs(database, replace(everything, states=frozenset(states)), None, _SHOWN)

    ended = reading.runs(database, Search(states=FINAL, since=visit.now - _LATELY), None, _SHOWN)
    ended.sort(key=lambda run: (run.state in (RunState.SUCCEEDED, RunState.CANCELLED), -run.id))
    shown = {
        "running": [run_row(run) for run in found(RunState.RUNNING)],
        "queued": [run_row(run) for run in reversed(found(RunState.QUEUED))],
        "scheduled": [run_row(run) for run in sorted(found(RunState.SCHEDULED), key=lambda run: run.scheduled_at)],
        "ended": [run_row(run) for run in ended[:_ENDED_SHOWN]],
        "troubles": health.troubles(database, visit.now),
        "empty": not reading.runs(database, everything, None, 1),
    }
    return Html("now.html", shown)
