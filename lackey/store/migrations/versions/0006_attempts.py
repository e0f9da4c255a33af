"""How often each run was claimed, which its tickets are drawn from.

The version before may still be running: it draws its tickets by chance, and counts nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
