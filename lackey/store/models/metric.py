"""Figures that runs report."""

from sqlalchemy import ForeignKey, false
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id


class MetricRow(Base):
    """One value for each (name, step), or (name, ts) where no step was given: `place` says which of the two, and where.

    `ts` is unix seconds. Of two values for one place the later one stands.
    SQLite takes NaN for NULL, so it is `is_nan`, with a value that says nothing.
    """

    __tablename__ = "metric"

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[float | None]
    ts: Mapped[float]
    value: Mapped[float]
    is_nan: Mapped[bool] = mapped_column(server_default=false())
