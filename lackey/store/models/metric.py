"""Figures that runs report."""

from sqlalchemy import ForeignKey, Index, SmallInteger, false, text
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id

_UNSUMMARIZED = text("summarized <> 1")


class MetricRow(Base):
    """One value for each (name, step), or (name, ts) where no step was given: `place` says which of the two, and where.

    `ts` is unix seconds. Of two values for one place the later one stands.
    SQLite takes NaN for NULL, so it is `is_nan`, with a value that says nothing.
    `summarized`: 0 the summary lacks this point; 1 it holds it; 2 it holds a value that this one has replaced, which a
    trigger notes, whoever replaces it.
    """

    __tablename__ = "metric"
    __table_args__ = (
        Index("ix_metric_at", "run_id", "name", text("coalesce(step, ts)")),
        Index(
            "ix_metric_unsummarized",
            *("run_id", "name"),
            sqlite_where=_UNSUMMARIZED,
            postgresql_where=_UNSUMMARIZED,
        ),
    )

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[float | None]
    ts: Mapped[float]
    value: Mapped[float]
    is_nan: Mapped[bool] = mapped_column(server_default=false())
    summarized: Mapped[int] = mapped_column(SmallInteger, server_default="0")


class MetricSummaryRow(Base):
    """What the summarized points of a metric come to; see `domain.curve`. A value that is null is NaN."""

    __tablename__ = "metric_summary"

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    points: Mapped[int]
    at_steps: Mapped[int]
    level: Mapped[int]
    first_at: Mapped[float]
    first: Mapped[float | None]
    last_at: Mapped[float]
    last_has_step: Mapped[bool]
    last: Mapped[float | None]
    least: Mapped[float | None]
    greatest: Mapped[float | None]
    curve: Mapped[bytes]


class MetricDetailRow(Base):
    """A stretch of a metric's curve in finer cells than its summary has."""

    __tablename__ = "metric_detail"

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    curve: Mapped[bytes]
