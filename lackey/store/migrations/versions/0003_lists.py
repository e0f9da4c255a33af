"""What lists of runs are sorted and narrowed by, and when lackey learned of a run's end.

The version before may still be running: it leaves `settled_at` empty, so what it ends meanwhile is missing among the
runs that ended lately, and nowhere else.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DAY_MICROSECONDS = 86_400_000_000


def upgrade() -> None:
    op.add_column("run", sa.Column("settled_at", sa.BigInteger(), nullable=True))
    now = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    run = sa.table("run", sa.column("ended_at", sa.BigInteger()), sa.column("settled_at", sa.BigInteger()))
    lately = run.c.ended_at.between(now - _DAY_MICROSECONDS, now)
    op.execute(sa.update(run).where(lately).values(settled_at=run.c.ended_at))
    op.create_index("ix_run_by", "run", ["by", "id"])
    settled, started, timed = (
        sa.text(condition)
        for condition in ("settled_at IS NOT NULL", "started_at IS NOT NULL", "ended_at >= started_at")
    )
    duration = sa.text("(ended_at - started_at)")
    op.create_index("ix_run_settled_at", "run", ["settled_at", "state"], sqlite_where=settled, postgresql_where=settled)
    op.create_index("ix_run_started_at", "run", ["started_at", "id"], sqlite_where=started, postgresql_where=started)
    op.create_index("ix_run_duration", "run", [duration, "id"], sqlite_where=timed, postgresql_where=timed)
