"""Recurring schedules, and what came of each time at which they were to fire."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id

FIRES = text("next_at IS NOT NULL")


class ScheduleRow(Base):
    """See `domain.schedule.Schedule`. Ids are never given again: runs go on naming a schedule that was removed."""

    __tablename__ = "schedule"
    __table_args__ = (
        Index("ix_schedule_application_id", "application_id"),
        Index("ix_schedule_next_at", "next_at", "id", sqlite_where=FIRES, postgresql_where=FIRES),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    application_id: Mapped[int] = mapped_column(Id, ForeignKey("application.id"))
    parameters: Mapped[dict[str, str]] = mapped_column(JSON)
    cron: Mapped[str]
    timezone: Mapped[str]
    overlap: Mapped[str]
    catch_up: Mapped[str]
    paused: Mapped[bool]
    by: Mapped[str]
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    passed_at: Mapped[datetime | None]
    revision: Mapped[int]
    sweep: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class TickRow(Base):
    """See `domain.schedule.Tick`. `run_id` may be that of a run which is kept no more."""

    __tablename__ = "tick"
    __table_args__ = (UniqueConstraint("schedule_id", "due_at"), Index("ix_tick_schedule_id", "schedule_id", "id"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    schedule_id: Mapped[int] = mapped_column(Id, ForeignKey("schedule.id"))
    due_at: Mapped[datetime]
    last_due_at: Mapped[datetime | None]
    at: Mapped[datetime]
    came_to: Mapped[str]
    count: Mapped[int]
    run_id: Mapped[int | None] = mapped_column(Id)
    sweep_id: Mapped[int | None] = mapped_column(Id)
    reason: Mapped[str | None]
