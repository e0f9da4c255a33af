"""Which points of a sweep are to be run again.

The version before may still be running: it runs points again by itself, and the scheduler of this one goes on when it
leads.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sweep", sa.Column("again", sa.JSON(), nullable=True))
    op.add_column("sweep", sa.Column("rerunning", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("ix_sweep_unfinished", "sweep")
    unfinished = sa.text("(unmade > 0 OR stopping OR complete_at IS NULL OR untold OR to_pass_on > 0 OR rerunning)")
    op.create_index("ix_sweep_unfinished", "sweep", ["id"], sqlite_where=unfinished, postgresql_where=unfinished)
