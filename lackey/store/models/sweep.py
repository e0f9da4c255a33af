"""Sweeps: many runs of one application, one for each point."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, ForeignKeyConstraint, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id

# To be asked for in the same words (see `store.models.run`), beside others too.
UNFINISHED = text("(unmade > 0 OR stopping OR complete_at IS NULL OR untold OR to_pass_on > 0 OR rerunning)")
_ON_RUN, _ON_SWEEP = text("on_run_id IS NOT NULL"), text("on_sweep_id IS NOT NULL")
_OF_RUN, _OF_SWEEP = text("run_id IS NOT NULL"), text("sweep_id IS NOT NULL")

OF_ONE = text("schedule_id IS NOT NULL")


class SweepRow(Base):
    """See `domain.sweep.Sweep`. Of an unfinished one something is still to be done by the leading scheduler."""

    __tablename__ = "sweep"
    __table_args__ = (
        Index("ix_sweep_application_id", "application_id", "id"),
        Index("ix_sweep_schedule_id", "schedule_id", "id", sqlite_where=OF_ONE, postgresql_where=OF_ONE),
        Index("ix_sweep_unfinished", "id", sqlite_where=UNFINISHED, postgresql_where=UNFINISHED),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    project_id: Mapped[int] = mapped_column(Id, ForeignKey("project.id"))
    application_id: Mapped[int] = mapped_column(Id, ForeignKey("application.id"))
    project: Mapped[str]
    application: Mapped[str]
    by: Mapped[str]
    created_at: Mapped[datetime]
    scheduled_at: Mapped[datetime]
    piece_at: Mapped[datetime]
    complete_at: Mapped[datetime | None]
    points: Mapped[int]
    unmade: Mapped[int]
    names: Mapped[list[str]] = mapped_column(JSON)
    inputs: Mapped[dict[str, Any]] = mapped_column(JSON)
    priority: Mapped[int]
    max_running: Mapped[int | None]
    held: Mapped[bool]
    stopping: Mapped[bool]
    cancelled_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None]
    after: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    after_on: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    after_sweeps: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    unmet: Mapped[int] = mapped_column(server_default="0")
    in_vain: Mapped[str | None]
    awaited: Mapped[bool] = mapped_column(server_default=false())
    untold: Mapped[bool] = mapped_column(server_default=false())
    to_pass_on: Mapped[int] = mapped_column(server_default="0")
    again: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    rerunning: Mapped[bool] = mapped_column(server_default=false())
    schedule_id: Mapped[int | None] = mapped_column(Id)


class SweepPointRow(Base):
    """A point: its parameters, and the run that it counts with, with that run's state.

    `decided`: nothing follows any more of how that run ended (`domain.dependencies.decided`).
    """

    __tablename__ = "sweep_point"
    __table_args__ = (Index("ix_sweep_point_state", "sweep_id", "state", "number"),)

    sweep_id: Mapped[int] = mapped_column(Id, ForeignKey("sweep.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parameters: Mapped[dict[str, str]] = mapped_column(JSON)
    run_id: Mapped[int | None] = mapped_column(Id)
    state: Mapped[str]
    decided: Mapped[bool]
    seconds: Mapped[float | None]


class SweepCountRow(Base):
    """How many points of a sweep are in a state, as far as `sweep_change` has been added up; and how long they took."""

    __tablename__ = "sweep_count"
    __table_args__ = (ForeignKeyConstraint(["sweep_id"], ["sweep.id"]),)

    sweep_id: Mapped[int] = mapped_column(Id, primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    decided: Mapped[bool] = mapped_column(primary_key=True)
    number: Mapped[int]
    seconds: Mapped[float]


class SweepChangeRow(Base):
    """So many points more, or fewer, are in a state. Written with the change, and added to the count afterwards.

    So two runs of a sweep that end at the same time need not wait for each other's commit, as they would for a counter.
    """

    __tablename__ = "sweep_change"
    __table_args__ = (Index("ix_sweep_change_sweep_id", "sweep_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    sweep_id: Mapped[int] = mapped_column(Id, ForeignKey("sweep.id"))
    state: Mapped[str]
    decided: Mapped[bool]
    number: Mapped[int]
    seconds: Mapped[float]


class SweepDependencyRow(Base):
    """An edge with a sweep at one end, or at both: a run or a sweep waits for a run or a sweep.

    Otherwise as `store.models.DependencyRow`. Of both ends one column is set.
    """

    __tablename__ = "sweep_dependency"
    __table_args__ = (
        Index("ix_sweep_dependency_run_id", "run_id", sqlite_where=_OF_RUN, postgresql_where=_OF_RUN),
        Index("ix_sweep_dependency_sweep_id", "sweep_id", sqlite_where=_OF_SWEEP, postgresql_where=_OF_SWEEP),
        Index("ix_sweep_dependency_on_run_id", "on_run_id", "id", sqlite_where=_ON_RUN, postgresql_where=_ON_RUN),
        Index(
            "ix_sweep_dependency_on_sweep_id", "on_sweep_id", "id", sqlite_where=_ON_SWEEP, postgresql_where=_ON_SWEEP
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int | None] = mapped_column(Id, ForeignKey("run.id"))
    sweep_id: Mapped[int | None] = mapped_column(Id, ForeignKey("sweep.id"))
    on_run_id: Mapped[int | None] = mapped_column(Id, ForeignKey("run.id"))
    on_sweep_id: Mapped[int | None] = mapped_column(Id, ForeignKey("sweep.id"))
    wants: Mapped[str]
    outcome: Mapped[str | None]
