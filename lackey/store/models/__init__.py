"""The tables, one module a noun. Importing this package declares them all."""

from lackey.store.models.application import ApplicationRow, ProjectRow
from lackey.store.models.attempt import AttemptRow, DecisionRow, DependencyRow
from lackey.store.models.base import Base
from lackey.store.models.key import IdempotencyRow, KeyRow, UserIdempotencyRow
from lackey.store.models.log import IndexedTextRow, LogPieceRow
from lackey.store.models.metric import MetricDetailRow, MetricRow, MetricSummaryRow
from lackey.store.models.run import EventRow, RunRow, TagRow, TokenRow
from lackey.store.models.schedule import ScheduleRow, TickRow
from lackey.store.models.service import (
    GapRow,
    InstallationRow,
    ListenerRow,
    PausedExecutorRow,
    SchedulerRow,
    ShareStateRow,
)
from lackey.store.models.session import SessionRow
from lackey.store.models.sweep import (
    SweepChangeRow,
    SweepCountRow,
    SweepDependencyRow,
    SweepPointRow,
    SweepRow,
)

__all__ = [
    "ApplicationRow",
    "AttemptRow",
    "Base",
    "DecisionRow",
    "DependencyRow",
    "EventRow",
    "GapRow",
    "IdempotencyRow",
    "IndexedTextRow",
    "InstallationRow",
    "KeyRow",
    "ListenerRow",
    "LogPieceRow",
    "MetricDetailRow",
    "MetricRow",
    "MetricSummaryRow",
    "PausedExecutorRow",
    "ProjectRow",
    "RunRow",
    "ScheduleRow",
    "SchedulerRow",
    "SessionRow",
    "ShareStateRow",
    "SweepChangeRow",
    "SweepCountRow",
    "SweepDependencyRow",
    "SweepPointRow",
    "SweepRow",
    "TagRow",
    "TickRow",
    "TokenRow",
    "UserIdempotencyRow",
]
