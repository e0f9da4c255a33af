"""Runs side by side: a row for each thing that can be compared, and whether they differ in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lackey.domain.run import Run

Value = str | float | None

_OUTCOME = (
    *("exit_code", "signal", "outcome_source", "cpu_seconds", "max_rss_bytes", "host", "command", "shell"),
    "time_limit",
)


@dataclass(frozen=True)
class Row:
    """One thing of all runs, in their order; None where a run has none."""

    name: str
    values: tuple[Value, ...]

    @property
    def differs(self) -> bool:
        """Whether not all are the same, of which NaN is one; to have none differs from having one."""
        return len({"nan" if value != value else value for value in self.values}) > 1


@dataclass(frozen=True)
class Comparison:
    """`parameters` and `metrics` (the last value of each) are in the order of their names."""

    runs: tuple[Run, ...]
    outcome: tuple[Row, ...]
    parameters: tuple[Row, ...]
    metrics: tuple[Row, ...]


def compare(runs: Sequence[Run], last_metrics: Mapping[int, Mapping[str, float]]) -> Comparison:
    """Put them side by side. `last_metrics`: run id → name → value."""
    outcome = [Row("state", tuple(run.state.value for run in runs)), Row("reason", tuple(run.reason for run in runs))]
    outcome.append(Row("duration_seconds", tuple(run.duration_seconds for run in runs)))
    outcome += [Row(name, tuple(getattr(run, name) for run in runs)) for name in _OUTCOME]
    return Comparison(
        tuple(runs),
        tuple(outcome),
        _rows([{**run.parameters} for run in runs]),
        _rows([{**last_metrics.get(run.id, {})} for run in runs]),
    )


def _rows(tables: Sequence[Mapping[str, Value]]) -> tuple[Row, ...]:
    names = sorted({name for table in tables for name in table})
    return tuple(Row(name, tuple(table.get(name) for table in tables)) for name in names)
