"""Recurring schedules, what came of each of their times, and the schedule that a run was made by.

The version before may still be running: its runs are of no schedule, and it fires none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "schedule",
        sa.Column("id", _ID, nullable=False),
        sa.Column("application_id", _ID, nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("cron", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("overlap", sa.String(), nullable=False),
        sa.Column("catch_up", sa.String(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("passed_at", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["application_id"], ["application.id"], name="fk_schedule_application_id"),
        sa.PrimaryKeyConstraint("id", name="pk_schedule"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_schedule_application_id", "schedule", ["application_id"])
    fires = sa.text("next_at IS NOT NULL")
    op.create_index("ix_schedule_next_at", "schedule", ["next_at", "id"], sqlite_where=fires, postgresql_where=fires)
    op.create_table(
        "tick",
        sa.Column("id", _ID, nullable=False),
        sa.Column("schedule_id", _ID, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("last_due_at", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("came_to", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("run_id", _ID, nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedule.id"], name="fk_tick_schedule_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tick"),
        sa.UniqueConstraint("schedule_id", "due_at", name="uq_tick_schedule_id_due_at"),
    )
    op.create_index("ix_tick_schedule_id", "tick", ["schedule_id", "id"])
    op.add_column("run", sa.Column("schedule_id", _ID, nullable=True))
    of_one, unended = sa.text("schedule_id IS NOT NULL"), sa.text("schedule_id IS NOT NULL AND ended_at IS NULL")
    op.create_index("ix_run_schedule_id", "run", ["schedule_id", "id"], sqlite_where=of_one, postgresql_where=of_one)
    op.create_index("ix_run_of_schedule", "run", ["schedule_id"], sqlite_where=unended, postgresql_where=unended)
