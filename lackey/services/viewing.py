"""What the page of a run shows beside the run, and runs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from lackey.domain.charts import Point, downsample
from lackey.domain.comparison import Comparison, compare
from lackey.domain.refusals import NotFound, invalid
from lackey.domain.run import Run
from lackey.store import dependencies
from lackey.store import metrics as stored_metrics
from lackey.store import runs as stored_runs
from lackey.store.database import Database
from lackey.store.dependencies import Linked
from lackey.store.metrics import Summary

COMPARED_AT_MOST = 20
CHILDREN_AT_MOST = 100
LINKED_AT_MOST = 20
CHARTS_AT_MOST = 12
POINTS_AT_MOST = 1_000


@dataclass(frozen=True)
class Neighbours:
    """`children` are retries and reruns, the newest first; `previous` and `next` are runs of the same application.

    `awaited`: what it waits for, or has waited for; `waiting`: what waits for it, or has; the first `LINKED_AT_MOST`.
    """

    parent: Run | None
    children: list[Run]
    awaited: list[Linked]
    waiting: list[Linked]
    previous: int | None
    next: int | None


@dataclass(frozen=True)
class Curve:
    """A figure of a run over its steps, or where it has none over time (unix seconds). `count`: points held in all.

    `points` are sorted, and thinned out to `POINTS_AT_MOST`. `whole`: they are the curve; else what follows on those
    that were known already.
    """

    name: str
    points: list[Point]
    count: int
    whole: bool


@dataclass(frozen=True)
class Known:
    """What a chart has of a curve already: up to which step or time, and how many points there were up to there."""

    place: float
    count: int


def neighbours(database: Database, run: Run) -> Neighbours:
    """The runs around this one."""
    with database.read() as connection:
        before, after = stored_runs.beside(connection, run)
        return Neighbours(
            parent=None if run.parent_id is None else stored_runs.find(connection, run.parent_id),
            children=stored_runs.children(connection, run.id, CHILDREN_AT_MOST),
            awaited=dependencies.awaited_by(connection, run.id, LINKED_AT_MOST),
            waiting=dependencies.waiting_for(connection, run.id, LINKED_AT_MOST),
            previous=before,
            next=after,
        )


def side_by_side(database: Database, run_ids: Sequence[int]) -> Comparison:
    """Two to twenty runs, in the order given, each once. Raises Invalid for other numbers of them, NotFound."""
    wanted = list(dict.fromkeys(run_ids))
    if not 2 <= len(wanted) <= COMPARED_AT_MOST:
        raise invalid("run", f"needs 2 to {COMPARED_AT_MOST} different runs to compare, and got {len(wanted)}")
    with database.read() as connection:
        known = stored_runs.with_ids(connection, wanted)
        missing = [str(run_id) for run_id in wanted if run_id not in known]
        if missing:
            raise NotFound(f"there is no run {', '.join(missing)}")
        last = stored_metrics.last_values(connection, wanted)
    return compare([known[run_id] for run_id in wanted], last)


def figures(database: Database, run_id: int) -> list[Summary]:
    """The figures that a run has, at a glance, in the order of their names."""
    with database.read() as connection:
        return stored_metrics.summaries(connection, run_id)


def metric_names(database: Database, run_id: int) -> list[str]:
    """The names of the figures that a run has, in their order."""
    with database.read() as connection:
        return stored_metrics.names(connection, run_id)


def curves(database: Database, run_id: int, names: Sequence[str], known: dict[str, Known] | None = None) -> list[Curve]:
    """The curves of these names, those without points left out; of those that are `known`, what follows.

    Where a point came late, before the end of what is known, the whole curve is given anew. A point that takes the
    place of another is not noticed here: the next whole curve shows it. Raises NotFound; Invalid for too many names.
    """
    if len(names) > CHARTS_AT_MOST:
        raise invalid("name", f"at most {CHARTS_AT_MOST} figures at once")
    with database.read() as connection:
        stored_runs.get(connection, run_id)
        found = []
        for name in dict.fromkeys(names):
            points = stored_metrics.points(connection, run_id, name)
            if points:
                found.append(_curve(name, points, (known or {}).get(name)))
        return found


def _curve(name: str, points: list[Point], known: Known | None) -> Curve:
    if known is not None:
        following = [point for point in points if point[0] > known.place]
        if len(points) - len(following) == known.count:
            return Curve(name, downsample(following, POINTS_AT_MOST), len(points), whole=False)
    return Curve(name, downsample(points, POINTS_AT_MOST), len(points), whole=True)
