"""Sweeps, their points and how many of them are in which state; to which point of which sweep a run belongs.

The version before may still be running: it takes the runs of a sweep for runs like any other, and neither its hold nor
its `max_running` is kept by its scheduler.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sweep",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("application_id", _ID, nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_at", sa.BigInteger(), nullable=False),
        sa.Column("piece_at", sa.BigInteger(), nullable=False),
        sa.Column("complete_at", sa.BigInteger(), nullable=True),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("unmade", sa.Integer(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("stopping", sa.Boolean(), nullable=False),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=True),
        sa.Column("cancelled_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_sweep_project_id"),
        sa.ForeignKeyConstraint(["application_id"], ["application.id"], name="fk_sweep_application_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sweep"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sweep_application_id", "sweep", ["application_id", "id"])
    unfinished = sa.text("(unmade > 0 OR stopping OR complete_at IS NULL)")
    op.create_index("ix_sweep_unfinished", "sweep", ["id"], sqlite_where=unfinished, postgresql_where=unfinished)
    op.create_table(
        "sweep_point",
        sa.Column("sweep_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("run_id", _ID, nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name="fk_sweep_point_sweep_id"),
        sa.PrimaryKeyConstraint("sweep_id", "number", name="pk_sweep_point"),
    )
    op.create_index("ix_sweep_point_state", "sweep_point", ["sweep_id", "state", "number"])
    _make_counts()
    op.add_column("run", sa.Column("sweep_id", _ID, nullable=True))
    op.add_column("run", sa.Column("point", sa.Integer(), nullable=True))
    of_a_sweep = sa.text("sweep_id IS NOT NULL")
    for name, columns in (("ix_run_sweep_id", ["sweep_id", "id"]), ("ix_run_point", ["sweep_id", "point", "id"])):
        op.create_index(name, "run", columns, sqlite_where=of_a_sweep, postgresql_where=of_a_sweep)


def _make_counts() -> None:
    op.create_table(
        "sweep_count",
        sa.Column("sweep_id", _ID, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name="fk_sweep_count_sweep_id"),
        sa.PrimaryKeyConstraint("sweep_id", "state", "decided", name="pk_sweep_count"),
    )
    op.create_table(
        "sweep_change",
        sa.Column("id", _ID, nullable=False),
        sa.Column("sweep_id", _ID, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name="fk_sweep_change_sweep_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sweep_change"),
    )
    op.create_index("ix_sweep_change_sweep_id", "sweep_change", ["sweep_id"])
