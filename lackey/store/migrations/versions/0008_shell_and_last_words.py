"""The shell that an application names for its command, and that of its runs; null: the executor's. What a log says.

The version before may still be running: it takes /bin/sh for all of them, and looks for nothing in a log.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("application", sa.Column("shell", sa.String(), nullable=True))
    op.add_column("run", sa.Column("shell", sa.String(), nullable=True))
    op.add_column("run", sa.Column("log_says", sa.String(), nullable=True))
