"""What stands beside a run: its neighbours, its curves, other runs to compare it with."""

from typing import Any

import pytest

from lackey.domain.refusals import Invalid, NotFound
from lackey.domain.run import Run
from lackey.services.runs import listing, reporting, rerunning, viewing
from lackey.services.runs.queries import Metric, Search
from lackey.services.runs.viewing import Curve, Known
from tests.services.lab import Lab


def keep(lab: Lab, run_id: int, *told: Metric) -> None:
    reporting.keep_metrics(lab.database, run_id, list(told), lab.clock())


def curve(lab: Lab, run_id: int, known: Known | None = None) -> Curve:
    (found,) = viewing.curves(lab.database, run_id, ["residual"], {} if known is None else {"residual": known})
    return found


def residual(*steps: float) -> list[Metric]:
    return [Metric("residual", 1 / (step + 1), ts=1000 + step, step=step) for step in steps]


def test_a_run_has_a_parent_children_and_others_of_its_application_beside_it(lab: Lab) -> None:
    lab.add_application(name="implicit")
    first = lab.schedule()
    lab.schedule("heat/implicit")
    second = lab.schedule()
    third, _ = rerunning.rerun(lab.database, second.id, "anna", lab.clock())
    beside = viewing.neighbours(lab.database, second)
    assert (beside.previous, beside.next, beside.parent) == (first.id, third.id, None)
    assert [run.id for run in beside.children] == [third.id]
    again = viewing.neighbours(lab.database, third)
    assert (again.parent, again.previous, again.next) == (second, second.id, None)


def test_a_reported_run_without_an_application_has_nobody_beside_it(lab: Lab) -> None:
    lab.reported()
    run = lab.reported()
    beside = viewing.neighbours(lab.database, run)
    assert (beside.parent, beside.children, beside.previous, beside.next) == (None, [], None, None)


def rows(lab: Lab, *compared: Run) -> dict[str, tuple[tuple[Any, ...], bool]]:
    found = viewing.side_by_side(lab.database, [run.id for run in compared])
    every = (*found.outcome, *found.parameters, *found.metrics)
    return {row.name: (row.values, row.differs) for row in every}


def test_runs_side_by_side_show_where_they_differ(lab: Lab) -> None:
    lab.add_application(name="wide", parameters=[{"name": "n", "default": "64"}, {"name": "eps", "default": "1e-3"}])
    one = lab.launched(parameters={"n": "8"})
    lab.clock.forward(10)
    lab.end(one, code=3)
    other = lab.launched(application="heat/wide")
    lab.clock.forward(20)
    lab.end(other)
    keep(lab, one.run.id, *residual(2, 0, 1))
    keep(lab, other.run.id, *residual(2), Metric("energy", 5.0, ts=7.0), Metric("energy", 4.0, ts=8.0))
    shown = rows(lab, other.run, one.run)
    assert shown["state"] == (("succeeded", "failed"), True)
    assert shown["exit_code"] == ((0, 3), True)
    assert shown["duration_seconds"] == ((20.0, 10.0), True)
    assert shown["n"] == (("64", "8"), True)
    assert shown["eps"] == (("1e-3", None), True)
    assert shown["residual"] == ((1 / 3, 1 / 3), False)
    assert shown["energy"] == ((4.0, None), True)
    assert shown["host"] == (("h1", "h1"), False)


def test_what_can_not_be_compared_is_refused_in_words(lab: Lab) -> None:
    run = lab.schedule()
    with pytest.raises(Invalid, match="needs 2 to 20 different runs to compare, and got 1"):
        viewing.side_by_side(lab.database, [run.id, run.id])
    with pytest.raises(Invalid, match="got 21"):
        viewing.side_by_side(lab.database, range(1, 22))
    with pytest.raises(NotFound, match="there is no run 998, 999"):
        viewing.side_by_side(lab.database, [998, run.id, 999])


def test_a_curve_runs_along_the_steps_whatever_order_they_came_in(lab: Lab) -> None:
    run = lab.reported()
    keep(lab, run.id, *residual(10, 9, 0))
    assert [figure.name for figure in viewing.figures(lab.database, run.id)] == ["residual"]
    assert curve(lab, run.id) == Curve("residual", [(0, 1.0), (9, 0.1), (10, 1 / 11)], 3, whole=True)
    assert viewing.curves(lab.database, run.id, ["nothing"]) == []


def test_a_long_curve_is_thinned_out(lab: Lab) -> None:
    run = lab.reported()
    keep(lab, run.id, *residual(*range(1500)))
    shown = curve(lab, run.id)
    assert (shown.count, shown.points[0][0], shown.points[-1][0]) == (1500, 0, 1499)
    assert 400 < len(shown.points) <= 1000


def test_a_live_chart_asks_only_for_what_follows(lab: Lab) -> None:
    run = lab.reported()
    keep(lab, run.id, *residual(0, 1))
    known = Known(1, 2)
    assert curve(lab, run.id, known) == Curve("residual", [], 2, whole=False)
    keep(lab, run.id, *residual(2))
    assert curve(lab, run.id, known) == Curve("residual", [(2, 1 / 3)], 3, whole=False)


def test_a_point_that_comes_late_brings_the_whole_curve_again(lab: Lab) -> None:
    run = lab.reported()
    keep(lab, run.id, *residual(0, 2))
    keep(lab, run.id, *residual(1))
    shown = curve(lab, run.id, Known(2, 2))
    assert ([place for place, _ in shown.points], shown.whole) == ([0, 1, 2], True)


def test_too_many_curves_at_once_are_refused(lab: Lab) -> None:
    run = lab.reported()
    with pytest.raises(Invalid, match="at most 12 figures at once"):
        viewing.curves(lab.database, run.id, [str(number) for number in range(13)])
    with pytest.raises(NotFound):
        viewing.curves(lab.database, run.id + 1, ["residual"])


def test_a_list_is_sorted_by_time_once_a_time_is_asked_for(lab: Lab) -> None:
    early = lab.schedule(at=lab.clock.forward(0))
    late = lab.schedule(at=lab.clock.forward(5000))
    early_again = lab.schedule(at=lab.clock.forward(-3000))
    plain = listing.page(lab.database, Search(), None, 10)
    assert [run.id for run in plain.runs] == [early_again.id, late.id, early.id]
    timed = listing.page(lab.database, Search(since=early.scheduled_at), None, 10)
    assert [run.id for run in timed.runs] == [late.id, early_again.id, early.id]
    with pytest.raises(Invalid, match="there is no project nix"):
        listing.page(lab.database, Search(project="nix"), None, 10)
