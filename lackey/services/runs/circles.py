"""No run waits for itself, not even by way of others.

A new run can wait for those alone that are there already, and what it waits for never changes: that makes no circle.
But for one that takes another's place, or comes to a sweep, others may wait from the beginning.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from lackey.domain.dependencies import Dependency
from lackey.domain.refusals import invalid
from lackey.store import circles
from lackey.store.circles import Node

# So far it is followed; all that is waited for by what was found before is one step.
_STEPS = 200


def refuse(connection: Connection, after: Sequence[Dependency], family: int | None, sweep_id: int | None) -> None:
    """Raise Invalid for a run that would wait for itself: it is to stand in the place of `family`, or be of a sweep."""
    mine: set[Node] = {("run", each) for each in (circles.members(connection, [family]) if family is not None else ())}
    if sweep_id is not None:
        mine.add(("sweep", sweep_id))
    for one in after if mine else ():
        if _leads_to(connection, (one.kind, one.on_id), mine):
            raise invalid("after", f"{one.named} waits for this run, or has it as a part: it would wait for itself")


def _leads_to(connection: Connection, first: Node, mine: set[Node]) -> bool:
    seen: set[Node] = set()
    step = {first}
    for _ in range(_STEPS):
        run_ids = circles.members(connection, [each for kind, each in step if kind == "run"])
        sweep_ids = [each for kind, each in step if kind == "sweep"]
        seen |= {*step, *(("run", run_id) for run_id in run_ids)}
        if seen & mine:
            return True
        further = circles.awaited_by_runs(connection, run_ids) | circles.awaited_by_sweeps(connection, sweep_ids)
        step = further - seen
        if not step:
            return False
    raise invalid("after", f"names what waits for more than {_STEPS} others in a row: too far to look for circles")
