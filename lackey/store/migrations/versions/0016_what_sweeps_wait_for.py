"""What sweeps wait for, and what waits for sweeps.

The version before may still be running: its runs and sweeps wait for no sweep. Of a sweep that waits, the runs are not
due, and it leaves them alone; it does not tell anybody what has become of a sweep. The scheduler of this version does
so when it leads.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("run", sa.Column("after_sweeps", sa.JSON(), nullable=True))
    for column in (
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("after_on", sa.JSON(), nullable=True),
        sa.Column("after_sweeps", sa.JSON(), nullable=True),
        sa.Column("unmet", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("in_vain", sa.String(), nullable=True),
        sa.Column("awaited", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("untold", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("to_pass_on", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("sweep", column)
    op.drop_index("ix_sweep_unfinished", "sweep")
    unfinished = sa.text("(unmade > 0 OR stopping OR complete_at IS NULL OR untold OR to_pass_on > 0)")
    op.create_index("ix_sweep_unfinished", "sweep", ["id"], sqlite_where=unfinished, postgresql_where=unfinished)
    _make_edges()


def _make_edges() -> None:
    ends = (("run_id", "run"), ("sweep_id", "sweep"), ("on_run_id", "run"), ("on_sweep_id", "sweep"))
    op.create_table(
        "sweep_dependency",
        sa.Column("id", _ID, nullable=False),
        *(sa.Column(name, _ID, nullable=True) for name, _ in ends),
        sa.Column("wants", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        *(sa.ForeignKeyConstraint([name], [f"{of}.id"], name=f"fk_sweep_dependency_{name}") for name, of in ends),
        sa.PrimaryKeyConstraint("id", name="pk_sweep_dependency"),
    )
    for name, _ in ends:
        there = sa.text(f"{name} IS NOT NULL")
        columns = [name, "id"] if name.startswith("on_") else [name]
        index = f"ix_sweep_dependency_{name}"
        op.create_index(index, "sweep_dependency", columns, sqlite_where=there, postgresql_where=there)
