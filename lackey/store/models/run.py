"""Runs, their tokens, their history."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id

# To be asked for in the same words: of `ticket_open = 1`, which SQLAlchemy would write, or of `state = ?`, SQLite does
# not see that the index holds just these, and looks through all runs.
TICKET_OPEN = text("ticket_open")
LOG_DUE = text("NOT log_kept")
QUEUED = text("ended_at IS NULL AND state = 'queued'")
_UNENDED = text("ended_at IS NULL")
_SETTLED = text("settled_at IS NOT NULL")
_STARTED = text("started_at IS NOT NULL")
_TIMED = text("ended_at >= started_at")
CLAIMABLE = "ended_at IS NULL AND state = 'queued' AND ticket IS NULL AND NOT held"
_STANDS = text("stands_for IS NOT NULL")
OF_A_SWEEP = text("sweep_id IS NOT NULL")
_OF_SCHEDULE = text("schedule_id IS NOT NULL")
_OPEN_OF_SCHEDULE = text("schedule_id IS NOT NULL AND ended_at IS NULL")
DUE = text("ended_at IS NULL AND state = 'scheduled' AND launched AND unmet = 0")
# To be asked for in the same words, as above.
EXPECTED = text("ended_at IS NULL AND state = 'scheduled' AND NOT launched AND start_grace IS NOT NULL")


class RunRow(Base):
    """See `domain.run.Run`.

    The partial indexes keep the lists of what is active as quick at a million runs as at ten.
    """

    __tablename__ = "run"
    __table_args__ = (
        Index("ix_run_unended", "state", "scheduled_at", "id", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
        Index("ix_run_ticket_open", "id", sqlite_where=TICKET_OPEN, postgresql_where=TICKET_OPEN),
        Index("ix_run_log_due", "share", "id", sqlite_where=LOG_DUE, postgresql_where=LOG_DUE),
        Index("ix_run_scheduled_at", "scheduled_at"),
        Index("ix_run_project_id", "project_id", "id"),
        Index("ix_run_application_id", "application_id", "id"),
        Index("ix_run_parent_id", "parent_id"),
        Index("ix_run_state", "state", "id"),
        Index("ix_run_by", "by", "id"),
        # All that is asked of those that ended lately stands in it.
        Index(
            "ix_run_settled_at",
            *("settled_at", "id", "state", "ended_at"),
            sqlite_where=_SETTLED,
            postgresql_where=_SETTLED,
        ),
        Index("ix_run_started_at", "started_at", "id", sqlite_where=_STARTED, postgresql_where=_STARTED),
        Index("ix_run_duration", text("(ended_at - started_at)"), "id", sqlite_where=_TIMED, postgresql_where=_TIMED),
        Index(
            "ix_run_claimable",
            *("executor", "by", "priority", "lane", "scheduled_at", "id"),
            sqlite_where=text(CLAIMABLE),
            postgresql_where=text(CLAIMABLE),
        ),
        Index("ix_run_stands_for", "stands_for", sqlite_where=_STANDS, postgresql_where=_STANDS),
        Index("ix_run_sweep_id", "sweep_id", "id", sqlite_where=OF_A_SWEEP, postgresql_where=OF_A_SWEEP),
        Index("ix_run_point", "sweep_id", "point", "id", sqlite_where=OF_A_SWEEP, postgresql_where=OF_A_SWEEP),
        Index("ix_run_schedule_id", "schedule_id", "id", sqlite_where=_OF_SCHEDULE, postgresql_where=_OF_SCHEDULE),
        Index("ix_run_of_schedule", "schedule_id", sqlite_where=_OPEN_OF_SCHEDULE, postgresql_where=_OPEN_OF_SCHEDULE),
        Index("ix_run_due", "scheduled_at", "id", sqlite_where=DUE, postgresql_where=DUE),
        Index("ix_run_expected", "scheduled_at", sqlite_where=EXPECTED, postgresql_where=EXPECTED),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    uid: Mapped[str]
    name: Mapped[str]
    project_id: Mapped[int | None] = mapped_column(Id, ForeignKey("project.id"))
    application_id: Mapped[int | None] = mapped_column(Id, ForeignKey("application.id"))
    project: Mapped[str | None]
    application: Mapped[str | None]
    launched: Mapped[bool]
    state: Mapped[str]
    reason: Mapped[str | None]
    by: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(Id, ForeignKey("run.id"))
    cause: Mapped[str | None]
    schedule_id: Mapped[int | None] = mapped_column(Id)
    command: Mapped[str | None]
    share: Mapped[str | None]
    directory: Mapped[str | None]
    workdir: Mapped[str]
    shell: Mapped[str | None]
    parameters: Mapped[dict[str, str]] = mapped_column(JSON)
    environment: Mapped[dict[str, str]] = mapped_column(JSON)
    own_variables: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    tags: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    priority: Mapped[int]
    executor: Mapped[str]
    time_limit: Mapped[float | None]
    start_grace: Mapped[float | None]
    silence: Mapped[float | None]
    retries: Mapped[int]
    cpus: Mapped[int | None]
    memory: Mapped[str | None]
    memory_bytes: Mapped[int | None] = mapped_column(Id)
    gpus: Mapped[int] = mapped_column(server_default="0")
    retry_on: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    retry_wait: Mapped[float | None]
    lane: Mapped[str] = mapped_column(server_default=text("''"))
    stands_for: Mapped[int | None] = mapped_column(Id)
    sweep_id: Mapped[int | None] = mapped_column(Id)
    point: Mapped[int | None]
    unmet: Mapped[int] = mapped_column(server_default="0")
    given_up_at: Mapped[datetime | None]
    held: Mapped[bool]
    after: Mapped[list[int]] = mapped_column(JSON)
    after_on: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    after_sweeps: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    scheduled_at: Mapped[datetime]
    queued_at: Mapped[datetime | None]
    ticket: Mapped[str | None]
    ticket_open: Mapped[bool]
    attempts: Mapped[int] = mapped_column(server_default="0")
    claimed_at: Mapped[datetime | None]
    host: Mapped[str | None]
    handle: Mapped[str | None]
    run_directory: Mapped[str | None]
    cancel_requested_at: Mapped[datetime | None]
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    heard_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    exit_code: Mapped[int | None] = mapped_column(Id)
    signal: Mapped[int | None]
    outcome_source: Mapped[str | None]
    marks: Mapped[list[str]] = mapped_column(JSON)
    max_rss_bytes: Mapped[int | None] = mapped_column(Id)
    cpu_seconds: Mapped[float | None]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    told: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    log_size: Mapped[int] = mapped_column(Id)
    stop_log_size: Mapped[int] = mapped_column(Id)
    left_behind: Mapped[int] = mapped_column(server_default="0")
    file_size: Mapped[int | None] = mapped_column(Id)
    log_kept: Mapped[bool]
    log_says: Mapped[str | None]
    revision: Mapped[int]


_RUN = RunRow.metadata.tables[RunRow.__tablename__]
# Its state is the same of all in it; by an index that did not begin with that, SQLite would not go. It stands here
# because a column that is sorted downwards is no name.
Index(
    "ix_run_queued",
    *(_RUN.c.state, _RUN.c.priority.desc(), _RUN.c.scheduled_at, _RUN.c.id),
    sqlite_where=QUEUED,
    postgresql_where=QUEUED,
)


class TokenRow(Base):
    """A token of a run, by its SHA-256 alone. A run has one that was given out, and one of each launched process."""

    __tablename__ = "token"
    __table_args__ = (Index("ix_token_run_id", "run_id"),)

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"))


class TagRow(Base):
    """A tag of a run, to find the run by; `run.tags` has them in the order in which they were given."""

    __tablename__ = "run_tag"
    __table_args__ = (Index("ix_run_tag_run_id", "run_id"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"), primary_key=True)


class EventRow(Base):
    """See `domain.run.Event`."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_run_id", "run_id", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"))
    at: Mapped[datetime]
    kind: Mapped[str]
    by: Mapped[str]
    text: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
