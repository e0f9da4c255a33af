"""Projects and applications."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id


class ProjectRow(Base):
    """See `domain.application.Project`."""

    __tablename__ = "project"
    __table_args__ = (UniqueConstraint("name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    title: Mapped[str]
    description: Mapped[str]
    share: Mapped[str]
    directory: Mapped[str]
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class ApplicationRow(Base):
    """See `domain.application.Application`."""

    __tablename__ = "application"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        Index("ix_application_project_id", "project_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    project_id: Mapped[int] = mapped_column(Id, ForeignKey("project.id"))
    name: Mapped[str]
    description: Mapped[str]
    directory: Mapped[str]
    command: Mapped[str]
    parameters: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    environment: Mapped[dict[str, str]] = mapped_column(JSON)
    executor: Mapped[str]
    time_limit: Mapped[float | None]
    start_grace: Mapped[float | None]
    silence: Mapped[float | None]
    retries: Mapped[int]
    max_running: Mapped[int | None]
    workdir: Mapped[str]
    shell: Mapped[str | None]
    cpus: Mapped[int | None]
    memory: Mapped[str | None]
    memory_bytes: Mapped[int | None] = mapped_column(Id)
    gpus: Mapped[int] = mapped_column(server_default="0")
    retry_on: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    retry_wait: Mapped[float | None]
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
