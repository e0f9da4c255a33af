"""Schedules that make sweeps, and the schedule that a sweep was made by.

The version before may still be running: its sweeps are of no schedule; of a schedule that makes sweeps it makes a run.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("schedule", sa.Column("sweep", sa.JSON(), nullable=True))
    op.add_column("tick", sa.Column("sweep_id", _ID, nullable=True))
    op.add_column("sweep", sa.Column("schedule_id", _ID, nullable=True))
    of_one = sa.text("schedule_id IS NOT NULL")
    op.create_index(
        "ix_sweep_schedule_id", "sweep", ["schedule_id", "id"], sqlite_where=of_one, postgresql_where=of_one
    )
