"""Sweeps: listed, looked at, held, changed, cancelled, run again."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lackey.domain.dependencies import awaited
from lackey.domain.refusals import Conflict, Invalid, TooMany, invalid
from lackey.domain.run import FINAL, TROUBLED, RunState
from lackey.domain.sweep import Sweep
from lackey.services.sweeps import changing, reading
from lackey.services.sweeps.reading import SweepState
from lackey.web.api import sweeps as api
from lackey.web.pages.forms import problems_of
from lackey.web.pages.routes import Html, Raw, SeeOther, Unchanged, page
from lackey.web.pages.run_files import call_of
from lackey.web.pages.sweep_table import MANY_POINTS, address_of, table_of
from lackey.web.schemas.sweeps import RerunSweep, SweepChange, TableQuery
from lackey.web.validation import check
from lackey.web.visits import Visit

_PAGE = 50
_UNDERWAY = (RunState.RUNNING, RunState.QUEUED, RunState.SCHEDULED)
_IDS = range(10**18)


@dataclass(frozen=True)
class ShownSweep:
    """A sweep in a list. `state` is what it has come to, or how it is; `counts` has no zeros."""

    sweep: Sweep
    state: RunState
    is_over: bool
    counts: list[tuple[RunState, int]]
    ended: int
    ends_at: datetime | None
    reason: str | None

    @property
    def fraction(self) -> float:
        """Which part of its runs has ended."""
        return self.ended / self.sweep.points

    def count(self, *states: RunState) -> int:
        """How many points are in one of these states."""
        return sum(number for state, number in self.counts if state in states)


def shown_sweep(found: SweepState) -> ShownSweep:
    """The row of a sweep."""
    counts = [(state, found.counts.states[state]) for state in RunState if found.counts.states.get(state)]
    there = [state for state, _ in counts]
    # What runs outweighs what waits.
    underway = next((state for state in _UNDERWAY if state in there), RunState.QUEUED)
    outcome = found.counts.outcome
    return ShownSweep(
        sweep=found.sweep,
        state=outcome or underway,
        is_over=outcome is not None,
        counts=counts,
        ended=found.counts.ended,
        ends_at=found.ends_at,
        reason=found.reason,
    )


@page("GET", "/sweep", scope="read")
def sweeps(visit: Visit) -> Html:
    """The sweeps, of an application or all, newest first."""
    application, before = visit.asked("application"), visit.asked("before")
    if before and not (before.isascii() and before.isdigit() and int(before) in _IDS):
        raise invalid("before", "should be the number of a sweep")
    found = reading.listing(visit.database, int(before) if before else None, _PAGE + 1, application or None, visit.now)
    shown = {
        "sweeps": [shown_sweep(each) for each in found[:_PAGE]],
        "application": application,
        "before": before,
        "older": found[_PAGE - 1].sweep.id if len(found) > _PAGE else None,
    }
    return Html("sweeps.html", shown)


@page("GET", "/sweep/<sweep_id:id>", scope="read")
def sweep(visit: Visit, sweep_id: int) -> Html | Unchanged:
    """One sweep: how it goes, its table, a plot of it."""
    return _sweep(visit, sweep_id)


@page("GET", "/sweep/<sweep_id:id>/table", scope="read")
def table(visit: Visit, sweep_id: int) -> Raw:
    """All of its table, as CSV, as it is sorted on the page."""
    query = check(TableQuery, {"format": "csv", "sort": visit.asked("sort") or "point"})
    answer = api.sweep_table(call_of(visit), sweep_id, query)
    assert isinstance(answer, Raw)
    return answer


@page("POST", "/sweep/<sweep_id:id>/hold", scope="run")
def hold(visit: Visit, sweep_id: int) -> Html | SeeOther | Unchanged:
    """Let nothing more of it start."""
    return _changed(visit, sweep_id, lambda: changing.change(visit.database, sweep_id, {"held": True}))


@page("POST", "/sweep/<sweep_id:id>/release", scope="run")
def release(visit: Visit, sweep_id: int) -> Html | SeeOther | Unchanged:
    """Let it go on."""
    return _changed(visit, sweep_id, lambda: changing.change(visit.database, sweep_id, {"held": False}))


@page("POST", "/sweep/<sweep_id:id>/change", scope="run")
def change(visit: Visit, sweep_id: int) -> Html | SeeOther | Unchanged:
    """How many of its runs may run at a time, and which goes first."""
    typed = {name: visit.sent(name).strip() for name in ("max_running", "priority")}

    def do() -> object:
        values = {"max_running": typed["max_running"] or None, "priority": typed["priority"] or "0"}
        return api.change_sweep(call_of(visit), sweep_id, check(SweepChange, values))

    return _changed(visit, sweep_id, do)


@page("POST", "/sweep/<sweep_id:id>/cancel", scope="run")
def cancel(visit: Visit, sweep_id: int) -> Html | SeeOther | Unchanged:
    """Cancel all of it that has not ended."""
    return _changed(visit, sweep_id, lambda: changing.cancel(visit.database, sweep_id, visit.by, visit.now))


@page("POST", "/sweep/<sweep_id:id>/rerun", scope="run")
def rerun(visit: Visit, sweep_id: int) -> Html | SeeOther | Unchanged:
    """Run those points again whose run is in one of the states that the form names."""

    def do() -> object:
        return api.rerun_sweep(call_of(visit), sweep_id, check(RerunSweep, {"state": visit.form.get("state", [])}))

    return _changed(visit, sweep_id, do)


def _changed(visit: Visit, sweep_id: int, do: Callable[[], object]) -> Html | SeeOther | Unchanged:
    try:
        do()
    except (Invalid, Conflict, TooMany) as refusal:
        return _sweep(visit, sweep_id, problems_of(refusal))
    visit.service.wake()
    return SeeOther(f"/sweep/{sweep_id}")


def _sweep(visit: Visit, sweep_id: int, problems: dict[str, str] | None = None) -> Html | Unchanged:
    """The page; `problems` say why what was asked is refused."""
    found = reading.one(visit.database, sweep_id, visit.now)
    address, is_part = address_of(visit, sweep_id), bool(visit.asked("part"))
    is_live = found.sweep.points <= MANY_POINTS
    tag = _tag(visit, found)
    if visit.known == tag and not problems:
        return Unchanged(tag)
    row = shown_sweep(found)
    shown: dict[str, Any] = {
        "row": row,
        "sweep": found.sweep,
        "after": awaited(found.sweep),
        "address": address,
        "problems": problems or {},
        "is_part": is_part,
        "is_live": is_live,
        "live_at": address if is_live else f"/sweep/{sweep_id}?part=state",
        "stamp": hashlib.sha256(repr(_counted(found)).encode()).hexdigest()[:16],
        "failed": row.count(*(TROUBLED & FINAL)),
        "cancelled": row.count(RunState.CANCELLED),
        "troubled": sorted(TROUBLED & FINAL),
        "table": None if is_part else table_of(visit, found.sweep, address),
    }
    if problems:
        return Html("sweep.html", shown, 409)
    return Html("sweep.html", shown, tag=tag)


def _counted(found: SweepState) -> tuple[object, ...]:
    """The counts so that the same are the same, in whichever order the database gave them."""
    counts = found.counts
    return sorted(counts.states.items()), counts.decided, counts.timed, round(counts.seconds, 3)


def _tag(visit: Visit, found: SweepState) -> str:
    """Of all that is on the page. The figures of what runs are at most a minute old."""
    minute = visit.now.replace(second=0, microsecond=0)
    who = (visit.word, visit.asker, bool(visit.session))
    seen = (*who, sorted(visit.query.items()), found.sweep, _counted(found), found.reason, minute)
    return f'"{hashlib.sha256(repr(seen).encode()).hexdigest()[:32]}"'
