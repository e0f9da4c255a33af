"""Many runs at once: chosen in a list, cancelled or done again, each for itself, and what happened to each.

What was done is told by a page of its own, from what the runs are by now. So to load it again repeats nothing.
"""

from collections.abc import Callable
from urllib.parse import urlencode

from lackey.domain.refusals import NotFound, Refusal, invalid
from lackey.domain.run import Run, RunState
from lackey.services.runs import cancelling, queries, rerunning
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.visits import Visit

CHOSEN_AT_MOST = 100
_DOINGS = ("cancel", "rerun", "put-back")
_MAX_DIGITS = 18


def chosen(told: list[str]) -> list[int]:
    """The ids of runs that somebody has chosen, each once. Raises Invalid."""
    ids = [text.strip() for each in told for text in each.split(",") if text.strip()]
    if wrong := [text for text in ids if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS)]:
        raise invalid("run", f"{wrong[0][:40]!r} is no number of a run")
    return list(dict.fromkeys(map(int, ids)))


@page("POST", "/run/many/cancel", scope="run")
def cancel(visit: Visit) -> SeeOther:
    """Cancel them; but while one of them runs, only if who asks has been told what that destroys."""
    runs = _runs(visit, visit.form.get("run", []))
    if not visit.sent("sure") and any(_works(run) for run in runs):
        return SeeOther(f"/run/many/cancel?{_query('run', [run.id for run in runs])}")
    return _each(visit, "cancel", runs, lambda run: cancelling.cancel(visit.database, run.id, visit.by, visit.now).id)


@page("GET", "/run/many/cancel", scope="run")
def ask_to_cancel(visit: Visit) -> Html:
    """Ask whether those that run are to be ended."""
    runs = _runs(visit, visit.query.get("run", []))
    working = [run for run in runs if _works(run)]
    waiting = [run for run in runs if not _works(run) and not run.state.is_final]
    return Html("cancel_many.html", {"working": working, "waiting": waiting})


@page("POST", "/run/many/rerun", scope="run")
def rerun(visit: Visit) -> SeeOther:
    """Run each of them again, with its inputs."""
    runs = _runs(visit, visit.form.get("run", []))
    return _each(visit, "rerun", runs, lambda run: rerunning.rerun(visit.database, run.id, visit.by, visit.now)[0].id)


@page("POST", "/run/many/put-back", scope="run")
def put_back(visit: Visit) -> SeeOther:
    """Undo that they were cancelled before they began: new runs in their place, at their times."""
    runs = _runs(visit, visit.form.get("run", []))
    return _each(
        visit, "put-back", runs, lambda run: rerunning.put_back(visit.database, run.id, visit.by, visit.now)[0].id
    )


@page("GET", "/run/many", scope="read")
def many(visit: Visit) -> Html:
    """Some runs, and what was done to them."""
    did = visit.asked("did")
    if did not in _DOINGS:
        raise invalid("did", f"should be one of {', '.join(_DOINGS)}")
    runs, refused = _known(visit, visit.query.get("run", [])), _known(visit, visit.query.get("not", []))
    unbegun = [run for run in runs if run.state is RunState.CANCELLED and run.started_at is None]
    shown = {
        "did": did,
        "runs": runs,
        "refused": refused,
        "happened": {run.id: _happened(did, run) for run in runs},
        "undone_by": unbegun if did == "cancel" else [],
    }
    return Html("many_runs.html", shown)


def _each(visit: Visit, did: str, runs: list[Run], do: Callable[[Run], int]) -> SeeOther:
    """Do it to each, in a transaction of its own: that one is refused does not stop the others."""
    done: list[int] = []
    refused: list[int] = []
    for run in runs:
        try:
            done.append(do(run))
        except Refusal:
            (done if did == "cancel" else refused).append(run.id)
    visit.service.wake()
    told = [_query("did", [did]), _query("run", done), _query("not", refused)]
    return SeeOther(f"/run/many?{'&'.join(filter(None, told))}")


def _runs(visit: Visit, told: list[str]) -> list[Run]:
    """The runs chosen, at least one, the oldest first: in that order they are made again. Raises Invalid, NotFound."""
    ids = sorted(chosen(told))
    if not ids:
        raise invalid("run", "none is chosen; go back and tick at least one in the list")
    runs = _known(visit, [str(run_id) for run_id in ids])
    if missing := sorted(set(ids) - {run.id for run in runs}):
        raise NotFound(f"there is no run {', '.join(map(str, missing))}; nothing was done")
    return runs


def _known(visit: Visit, told: list[str]) -> list[Run]:
    """Those of them that there are. Raises Invalid for too many."""
    ids = chosen(told)
    if len(ids) > CHOSEN_AT_MOST:
        raise invalid("run", f"at most {CHOSEN_AT_MOST} at once, and not {len(ids)}; go back and choose fewer")
    found = queries.these_runs(visit.database, ids)
    return [found[run_id] for run_id in ids if run_id in found]


def _works(run: Run) -> bool:
    """Whether to cancel it destroys what it has done so far."""
    return run.state is RunState.RUNNING or run.ticket_open


def _happened(did: str, run: Run) -> str:
    if did != "cancel":
        return f"made anew from run {run.parent_id}" if run.parent_id else "made anew"
    if run.state is RunState.CANCELLED:
        return "cancelled"
    if run.cancel_requested_at is not None and not run.state.is_final:
        return "asked to end; its processes are being ended"
    return "had ended already, so there was nothing to cancel" if run.state.is_final else "not cancelled"


def _query(name: str, values: list[int] | list[str]) -> str:
    return urlencode([(name, value) for value in values])
