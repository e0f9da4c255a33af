"""Attempts to launch runs, and what runs wait for."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id

OPEN = text("closed_at IS NULL")
_UNDECIDED = text("outcome IS NULL")


class AttemptRow(Base):
    """See `domain.attempt.Attempt`. What says how much is in use stands here too, so that to count it joins nothing."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index("ix_attempt_run_id", "run_id", "number"),
        Index("ix_attempt_ticket", "ticket"),
        Index("ix_attempt_open", "executor", sqlite_where=OPEN, postgresql_where=OPEN),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"))
    number: Mapped[int]
    ticket: Mapped[str]
    scheduler: Mapped[str]
    executor: Mapped[str]
    application_id: Mapped[int | None] = mapped_column(Id)
    by: Mapped[str]
    share: Mapped[str]
    cpus: Mapped[int]
    memory_bytes: Mapped[int | None] = mapped_column(Id)
    gpus: Mapped[list[str]] = mapped_column(JSON)
    host: Mapped[str | None]
    handle: Mapped[str | None]
    run_directory: Mapped[str | None]
    claimed_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    came_to: Mapped[str | None]


class DependencyRow(Base):
    """An edge: a run waits for another one to come to what it `wants` (succeeded, ended, failed).

    `outcome`: `met`; `failed`, if it can't come to that any more; None as long as nothing is decided.
    """

    __tablename__ = "dependency"
    __table_args__ = (
        Index("ix_dependency_run_id", "run_id", "outcome"),
        Index("ix_dependency_on_run_id", "on_run_id", "id"),
        Index("ix_dependency_undecided", "on_run_id", sqlite_where=_UNDECIDED, postgresql_where=_UNDECIDED),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"))
    on_run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"))
    wants: Mapped[str]
    outcome: Mapped[str | None]


class DecisionRow(Base):
    """A run that was decided, or is open again, of which the edges past `passed` do not know yet.

    There is one only where so many wait for it that not all could be told in one transaction.
    """

    __tablename__ = "decision"

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"), primary_key=True)
    passed: Mapped[int] = mapped_column(Id)
