"""What the page of a run shows beside the run, and runs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from lackey.domain.charts import Point, downsample
from lackey.domain.comparison import Comparison, compare
from lackey.domain.limits import METRIC_NAMES, METRIC_POINTS
from lackey.domain.refusals import NotFound, invalid
from lackey.domain.run import Run, RunState
from lackey.domain.schedule import Schedule
from lackey.store import dependencies, metric_summaries, schedules, sweep_dependencies
from lackey.store import metrics as stored_metrics
from lackey.store import runs as stored_runs
from lackey.store.database import Database
from lackey.store.dependencies import Linked
from lackey.store.metric_summaries import MetricSummary
from lackey.store.metrics import Metric

COMPARED_AT_MOST = 20
CHILDREN_AT_MOST = 100
LINKED_AT_MOST = 20
CHARTS_AT_MOST = 12
POINTS_AT_MOST = 1_000
# So many points are read for a closer look; of more the finer cells.
_READ_AT_MOST = 8_000


@dataclass(frozen=True)
class Neighbours:
    """`children` are retries and reruns, the newest first; `previous` and `next` are runs of the same application.

    `awaited`: what it waits for, or has waited for; `waiting`: what waits for it, or has; the first `LINKED_AT_MOST`.
    Of sweeps there are just the ids in `awaited_sweeps` and `waiting_sweeps`.
    `retried`: of those in `awaited` whose place another has taken, the last one that has, and its state. `schedule`: by
    which it was made, if that is there still.
    """

    parent: Run | None
    children: list[Run]
    awaited: list[Linked]
    waiting: list[Linked]
    awaited_sweeps: list[int]
    waiting_sweeps: list[int]
    retried: dict[int, tuple[int, RunState]]
    previous: int | None
    next: int | None
    schedule: Schedule | None


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
        awaited = dependencies.awaited_by(connection, run.id, LINKED_AT_MOST)
        latest = dependencies.latest_of(connection, {one.family for one in awaited})
        made_by = {} if run.schedule_id is None else schedules.with_ids(connection, [run.schedule_id])
        return Neighbours(
            parent=None if run.parent_id is None else stored_runs.find(connection, run.parent_id),
            children=stored_runs.children(connection, run.id, CHILDREN_AT_MOST),
            awaited=awaited,
            waiting=dependencies.waiting_for(connection, run.id, LINKED_AT_MOST),
            awaited_sweeps=[int(sweep_id) for sweep_id in run.after_sweeps or ()][:LINKED_AT_MOST],
            waiting_sweeps=sweep_dependencies.waiting_for(connection, run.id, LINKED_AT_MOST),
            retried={one.run_id: latest[one.family] for one in awaited if latest.get(one.family, (0,))[0] > one.run_id},
            previous=before,
            next=after,
            schedule=next(iter(made_by.values()), None),
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
        last = _last_values(connection, wanted)
    return compare([known[run_id] for run_id in wanted], last)


def _last_values(connection: Connection, run_ids: Sequence[int]) -> dict[int, dict[str, float]]:
    """Of each run the last value of each figure: at its highest step, or without steps its latest time.

    The first `METRIC_NAMES` names of all runs together.
    """
    found = {run_id: metric_summaries.of_run(connection, run_id) for run_id in run_ids}
    names = sorted({one.name for some in found.values() for one in some})[:METRIC_NAMES]
    return {run_id: {one.name: one.last.value for one in some if one.name in names} for run_id, some in found.items()}


def figures(database: Database, run_id: int) -> list[MetricSummary]:
    """The figures that a run has, at a glance, in the order of their names."""
    with database.read() as connection:
        return metric_summaries.of_run(connection, run_id)


def curves(database: Database, run_id: int, names: Sequence[str], known: dict[str, Known] | None = None) -> list[Curve]:
    """The curves of these names, those without points left out; of those that are `known`, what follows.

    Where a point came late, before the end of what is known, the whole curve is given anew. A point that takes the
    place of another is not noticed here: the next whole curve shows it. Raises NotFound; Invalid for too many names.
    """
    if len(names) > CHARTS_AT_MOST:
        raise invalid("name", f"at most {CHARTS_AT_MOST} figures at once")
    with database.read() as connection:
        stored_runs.get(connection, run_id)
        summaries = {one.name: one for one in metric_summaries.of_run(connection, run_id, names)}
        found = {}
        for name, summary in summaries.items():
            if (held := (known or {}).get(name)) and (more := _following(connection, run_id, summary, held)):
                found[name] = more
        anew = [name for name in summaries if name not in found]
        for summary in metric_summaries.of_run(connection, run_id, anew, with_cells=True) if anew else ():
            points = metric_summaries.whole(connection, run_id, summary, POINTS_AT_MOST)
            found[summary.name] = Curve(summary.name, downsample(points, POINTS_AT_MOST), summary.count, whole=True)
        return [found[name] for name in dict.fromkeys(names) if name in found]


def _following(connection: Connection, run_id: int, summary: MetricSummary, known: Known) -> Curve | None:
    """What follows on what is known; None where points came before that, or many follow."""
    points = metric_summaries.following(connection, run_id, summary.name, known.place, POINTS_AT_MOST + 1)
    if len(points) > POINTS_AT_MOST or summary.count - len(points) != known.count:
        return None
    return Curve(summary.name, points, summary.count, whole=False)


def stretch(
    database: Database, run_id: int, name: str, first: float, last: float, most: int = POINTS_AT_MOST
) -> Curve | None:
    """The curve from step or time `first` to `last`, both included, thinned out to `most` points; None without points.

    What it takes depends on `most`, not on how many points there are between, unless nearly all points of the metric
    lie in a small part of all that it is drawn along. Raises NotFound.
    """
    with database.read() as connection:
        stored_runs.get(connection, run_id)
        found = metric_summaries.of_run(connection, run_id, [name], with_cells=True)
        if not found:
            return None
        points = _between(connection, run_id, found[0], first, last, most)
        return Curve(name, downsample(points, most), found[0].count, whole=True)


def _between(
    connection: Connection, run_id: int, summary: MetricSummary, first: float, last: float, most: int
) -> list[Point]:
    points = metric_summaries.between(connection, run_id, summary.name, first, last, _READ_AT_MOST + 1)
    if len(points) <= _READ_AT_MOST:
        return points
    cells = metric_summaries.finer(connection, run_id, summary, first, last)
    if 4 * len(cells) >= min(most, POINTS_AT_MOST):
        return [point for point in cells if first <= point[0] <= last]
    return metric_summaries.between(connection, run_id, summary.name, first, last, 2 * METRIC_POINTS)


def thinned(database: Database, run_id: int, name: str | None, first: float, last: float, most: int) -> list[Metric]:
    """Of each of a run's figures, or of one, at most `most` points between two places, by name and place.

    Raises NotFound.
    """
    with database.read() as connection:
        stored_runs.get(connection, run_id)
        found: list[Metric] = []
        for summary in metric_summaries.of_run(connection, run_id, name and [name], with_cells=True):
            points = downsample(_between(connection, run_id, summary, first, last, most), most)
            found += stored_metrics.at(connection, run_id, summary.name, points)
        return found
