"""Room for the answered requests of users who have no key.

A table more, so that the version before, which may still be running, finds all that it knows as it was.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "user_idempotency",
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("resource_id", Id, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user", "digest", name=op.f("pk_user_idempotency")),
    )
    op.create_index(op.f("ix_user_idempotency_created_at"), "user_idempotency", ["created_at"])
