"""The points of a sweep for plots: columns of its table, and what there is to choose from."""

import json
import math
from typing import Any

from lackey.domain.refusals import invalid
from lackey.services.sweeps import reading
from lackey.web.pages.routes import Raw, page
from lackey.web.visits import Visit

_JSON = "application/json"
_OF_RUNS = ("duration", "exit_code")


@page("GET", "/sweep/<sweep_id:id>/points", scope="read")
def points(visit: Visit, sweep_id: int) -> Raw:
    """Of each point its run, state, and values: `y` over `x`, and `by` what lines or rows are told apart.

    What is not asked for, or is not there, is chosen: the first metric over the first parameters.
    """
    sweep = reading.one(visit.database, sweep_id, visit.now).sweep
    values = [*(f"metrics.{name}" for name in reading.metric_names(visit.database, sweep_id)), *_OF_RUNS]
    parameters = [f"parameters.{name}" for name in sweep.names]
    if not parameters:
        raise invalid("x", "there is no parameter that varies")
    y = _chosen(visit.asked("y"), values, values[0])
    x = _chosen(visit.asked("x"), parameters, parameters[0])
    others = [name for name in parameters if name != x]
    by = "" if visit.asked("by") == "none" else _chosen(visit.asked("by"), others, others[0] if others else "")
    found = reading.columns(visit.database, sweep_id, [name for name in ("run", "state", x, y, by) if name])
    shown = {
        "values": values,
        "parameters": parameters,
        "chosen": {"y": y, "x": x, "by": by},
        "run": found["run"],
        "state": found["state"],
        "x": found[x],
        "y": [_finite(value) for value in found[y]],
        "by": found[by] if by else None,
    }
    body = json.dumps(shown, separators=(",", ":")).encode()
    return Raw(_JSON, body, len(body), headers={"Cache-Control": "no-cache"})


def _chosen(asked: str, known: list[str], otherwise: str) -> str:
    return asked if asked in known else otherwise


def _finite(value: Any) -> float | None:
    """JSON has no other word for what is no finite number: nothing is drawn of it."""
    return value if value is not None and math.isfinite(value) else None
