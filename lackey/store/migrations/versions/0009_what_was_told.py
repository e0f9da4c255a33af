"""What reports say beside the outcome, whichever came first; figures that are no number.

The version before may still be running: it passes over both, and shows such a figure as 0.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("told", sa.JSON(), nullable=True))
    op.add_column("metric", sa.Column("is_nan", sa.Boolean(), nullable=False, server_default=sa.false()))
