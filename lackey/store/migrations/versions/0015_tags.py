"""Tags of runs, and which variables of a run's environment were given for it.

The version before may still be running: it makes runs without either.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("run", sa.Column("own_variables", sa.JSON(), nullable=True))
    op.add_column("run", sa.Column("tags", sa.JSON(), nullable=True))
    op.create_table(
        "run_tag",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_tag_run_id"),
        sa.PrimaryKeyConstraint("name", "run_id", name="pk_run_tag"),
    )
    op.create_index("ix_run_tag_run_id", "run_tag", ["run_id"])
