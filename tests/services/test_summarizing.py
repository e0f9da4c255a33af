"""What an upgrade leaves to be worked out."""

import math
from typing import Any

from sqlalchemy import text

from lackey.services.admin import summarizing
from lackey.services.runs import viewing
from lackey.store import metric_summaries
from tests.services.lab import Lab

_AS_BEFORE = text(
    "INSERT INTO metric (run_id, name, place, step, ts, value) VALUES (:run_id, 'a', :place, :step, 1, :value)"
)


def seen(lab: Lab, run_id: int) -> tuple[float, ...]:
    (figure,) = viewing.figures(lab.database, run_id)
    return figure.count, figure.first.value, figure.last.value, figure.least, figure.greatest


def test_long_metrics_of_an_older_version_are_summarized_and_are_what_they_were(lab: Lab) -> None:
    run_id = lab.reported().id
    rows: list[dict[str, Any]] = [
        {"run_id": run_id, "place": f"step {step!r}", "step": step, "value": math.sin(step / 100)}
        for step in map(float, range(2500))
    ]
    lab.database.write(lambda connection: connection.execute(_AS_BEFORE, rows))
    before = seen(lab, run_id)
    assert before == (2500, 0.0, rows[-1]["value"], min(r["value"] for r in rows), max(r["value"] for r in rows))
    summarizing.summarize_metrics(lab.database)
    with lab.database.read() as connection:
        assert metric_summaries.due(connection) == []
    assert seen(lab, run_id) == before
