"""The figures of a run as curves, for charts: what a chart has already does not travel again."""

import hashlib
import json
import math

from lackey.domain.refusals import invalid
from lackey.domain.run import FINAL
from lackey.services.runs import queries, viewing
from lackey.services.runs.viewing import CHARTS_AT_MOST, Curve, Known
from lackey.web.pages.routes import Raw, Unchanged, page
from lackey.web.visits import Visit

_JSON = "application/json"


@page("GET", "/run/<run_id:id>/curves", scope="read")
def curves(visit: Visit, run_id: int) -> Raw | Unchanged:
    """The names of the run's figures, and the curves of some: of those that `name` says, or of the first ones.

    `known` stands beside each `name`: `<place>,<count>`, of the last point that is known and how many there are up to
    it, or nothing. With `from` and `to` it is the part of one curve between two places, in finer points. Whatever is
    reported changes the run, so its revision tells whether there is anything new.
    """
    run = queries.run(visit.database, run_id)
    asked = json.dumps([run_id, run.revision, sorted(visit.query.items())])
    tag = f'"{hashlib.sha256(asked.encode()).hexdigest()[:32]}"'
    if visit.known == tag:
        return Unchanged(tag)
    figures = viewing.figures(visit.database, run_id)
    names = visit.query.get("name") or [figure.name for figure in figures[:CHARTS_AT_MOST]]
    stretch = _stretch(visit)
    if stretch is None:
        found = viewing.curves(visit.database, run_id, names, _known(visit))
    else:
        finer = viewing.stretch(visit.database, run_id, names[0] if names else "", *stretch)
        found = [] if finer is None else [finer]
    by_step = {figure.name: figure.has_steps for figure in figures}
    shown = {
        "names": list(by_step),
        "most": CHARTS_AT_MOST,
        "final": run.state in FINAL,
        "curves": [_out(curve, by_step.get(curve.name, True)) for curve in found],
    }
    body = json.dumps(shown).encode()
    return Raw(_JSON, body, len(body), headers={"ETag": tag, "Cache-Control": "no-cache"})


def _out(curve: Curve, by_step: bool) -> dict[str, object]:
    return {
        "name": curve.name,
        "by": "step" if by_step else "time",
        "count": curve.count,
        "whole": curve.whole,
        "x": [x for x, _ in curve.points],
        # JSON has no other word for what is no finite number: a gap.
        "y": [y if math.isfinite(y) else None for _, y in curve.points],
    }


def _stretch(visit: Visit) -> tuple[float, float] | None:
    """From where to where a curve is looked at closely."""
    asked = [visit.asked(name) for name in ("from", "to")]
    if not any(asked):
        return None
    try:
        first, last = (float(text) for text in asked)
    except ValueError:
        raise invalid("from", "and `to` should be two numbers") from None
    if not first <= last:
        raise invalid("from", "and `to` should be two numbers, the smaller one first")
    return first, last


def _known(visit: Visit) -> dict[str, Known]:
    told = zip(visit.query.get("name", []), visit.query.get("known", []), strict=False)
    return {name: _one_known(text) for name, text in told if text}


def _one_known(text: str) -> Known:
    place, _, count = text.partition(",")
    try:
        known = Known(float(place), int(count))
    except ValueError:
        raise invalid("known", "should be like 12.5,100") from None
    if not math.isfinite(known.place):
        raise invalid("known", "should be like 12.5,100")
    return known
