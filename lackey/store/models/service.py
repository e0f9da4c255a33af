"""lackey itself."""

from datetime import datetime

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id


class InstallationRow(Base):
    """One row: the random name of this installation, which tells its run directories from another's."""

    __tablename__ = "installation"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class SchedulerRow(Base):
    """A scheduler, by its host and series: its heartbeat. See `store.service.Heartbeat`."""

    __tablename__ = "scheduler"

    name: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]
    leads: Mapped[bool]
    slots: Mapped[int | None]
    cpus: Mapped[int | None]
    memory_bytes: Mapped[int | None] = mapped_column(Id)
    gpus: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    trouble: Mapped[str | None]
    kept_for: Mapped[int | None] = mapped_column(Id)


class ShareStateRow(Base):
    """See `domain.policy.ShareState`. `scheduler`: by `domain.run.scheduler_of`."""

    __tablename__ = "share_state"

    scheduler: Mapped[str] = mapped_column(primary_key=True)
    share: Mapped[str] = mapped_column(primary_key=True)
    why: Mapped[str | None]
    is_away: Mapped[bool]
    since: Mapped[datetime]


class GapRow(Base):
    """A time in which lackey could not hear."""

    __tablename__ = "gap"

    since: Mapped[datetime] = mapped_column(primary_key=True)
    until: Mapped[datetime] = mapped_column(index=True)


class ListenerRow(Base):
    """One row: when a web service last said that it takes reports."""

    __tablename__ = "listener"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class PausedExecutorRow(Base):
    """See `domain.policy.Paused`. An executor that is not paused has no row."""

    __tablename__ = "paused_executor"

    name: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    by: Mapped[str]
