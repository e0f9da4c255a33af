"""What goes on now."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from lackey.domain.run import RunState
from lackey.services.runs import overview
from lackey.services.runs.overview import Fresh, Now
from lackey.services.sweeps import reading
from lackey.web.pages.routes import Html, Unchanged, page
from lackey.web.pages.schedule_rows import schedule_rows
from lackey.web.pages.shown import run_row
from lackey.web.pages.sweeps import shown_sweep
from lackey.web.static_files import asset_url
from lackey.web.visits import Visit


@dataclass(frozen=True)
class Note:
    """What is not well, a sentence each, and the one way to mend it."""

    whats: tuple[str, ...]
    mend: str
    grave: bool = True


@page("GET", "/", scope="read")
def now(visit: Visit) -> Html | Unchanged:
    """What runs, what waits and for what, what is due next, what ended lately, and whether all is well.

    A browser asks again each second. As long as nothing has changed, that costs a few indexed reads.
    """
    fresh, ills = overview.fresh(visit.database), _share_notes(visit)
    if visit.known == _tag(visit, overview.fingerprint(visit.database, visit.now), fresh, ills):
        return Unchanged(visit.known)
    found = overview.overview(visit.database, visit.now)
    leads = [one.name for one in found.schedulers if one.leads and not one.late]
    shown = {
        **_lists(visit, found),
        "sweeps": [shown_sweep(each) for each in reading.going_on(visit.database, _sweeps_of(found), visit.now)],
        "counts": found.unended,
        "overdue_count": found.overdue_count,
        "coming_count": found.coming_count,
        "counted_at_most": overview.UNENDED_AT_MOST,
        "ended_earlier_count": found.ended_earlier_count,
        "ended_counts": [(state, found.ended_counts[state]) for state in RunState if state in found.ended_counts],
        "ended_capped": found.ended_capped,
        "schedules": schedule_rows(visit, found.schedules),
        "failed": sum(count for state, count in found.ended_counts.items() if state not in _AS_WISHED),
        "fresh": fresh,
        "leads": leads,
        "shares": len(visit.service.shares),
        "notes": [*_scheduler_notes(leads), *_pause_notes(found), *ills],
    }
    return Html("now.html", shown, tag=_tag(visit, found.fingerprint, fresh, ills))


def _sweeps_of(found: Now) -> set[int]:
    """Those whose runs are shown as under way or waiting."""
    runs = [*(each.run for each in found.running), *found.queued, *found.coming]
    return {run.sweep_id for run in runs if run.sweep_id is not None}


_AS_WISHED = (RunState.SUCCEEDED, RunState.CANCELLED)


def _lists(visit: Visit, found: Now) -> dict[str, object]:
    running = [run_row(each.run, visit, each.expected) for each in found.running]
    late = sorted((row for row in running if row.late_by), key=lambda row: row.late_by or timedelta(), reverse=True)
    lists = {
        "queued": found.queued,
        "overdue": found.overdue,
        "coming": found.coming,
        "ended": found.ended,
        "ended_earlier": found.ended_earlier,
    }
    return {
        "running": [*late, *(row for row in running if not row.late_by)],
        "late": late,
        **{name: [run_row(run, visit) for run in runs] for name, runs in lists.items()},
    }


def _scheduler_notes(leads: list[str]) -> list[Note]:
    if leads:
        return []
    what = "No scheduler has been heard from lately, so nothing is started."
    return [Note((what,), "Start it on the host of the simulations: lackey scheduler")]


def _pause_notes(found: Now) -> list[Note]:
    """Somebody wanted it so: no reason for alarm, but for a word."""
    return [
        Note((f"{each.why[0].upper()}{each.why[1:]}.",), "What waits for it starts once it is resumed.", grave=False)
        for each in found.paused
    ]


def _share_notes(visit: Visit) -> list[Note]:
    """The troubles of the shares; those that are mended in one way, in one note."""
    found = visit.service.shares_seen.troubles(visit.service.files, visit.service.shares, visit.now)
    mends = dict.fromkeys(each.mend for each in found)
    return [
        Note(
            tuple(each.what for each in found if each.mend == mend),
            mend,
            any(each.grave for each in found if each.mend == mend),
        )
        for mend in mends
    ]


def _tag(visit: Visit, fingerprint: str, fresh: Fresh | None, ills: list[Note]) -> str:
    """Of all that the page shows, to this visitor, in this version."""
    seen = (fingerprint, fresh, ills, visit.word, visit.asker, bool(visit.session), asset_url("lackey.css"))
    return f'"{hashlib.sha256(repr(seen).encode()).hexdigest()[:32]}"'
