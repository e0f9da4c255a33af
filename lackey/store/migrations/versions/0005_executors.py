"""Executors that somebody has paused, and how many slots each scheduler has.

The version before may still be running: it says nothing of its slots, and its scheduler launches on a paused executor.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "paused_executor",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_paused_executor")),
    )
    op.add_column("scheduler", sa.Column("slots", sa.Integer(), nullable=True))
