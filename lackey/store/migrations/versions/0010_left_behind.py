"""How many processes each run's command left behind.

The version before may still be running: it counts them in an event alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("left_behind", sa.Integer(), nullable=False, server_default="0"))
