"""Attempts and dependencies in tables of their own; what a run takes; of which kind of run it is in the queue.

The version before may still be running: it reads and writes what `run` has of the present attempt, and `after`, which
this version keeps. What it adds to these is found by this one (`dispatch`): no edges, no attempt, an empty lane.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ADDED = {
    "run": (
        sa.Column("lane", sa.String(), nullable=False, server_default=sa.text("''")),
        sa.Column("memory_bytes", _ID, nullable=True),
        sa.Column("gpus", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("retry_on", sa.JSON(), nullable=True),
        sa.Column("retry_wait", sa.Double(), nullable=True),
        sa.Column("after_on", sa.JSON(), nullable=True),
        sa.Column("stands_for", _ID, nullable=True),
        sa.Column("unmet", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("given_up_at", sa.BigInteger(), nullable=True),
    ),
    "application": (
        sa.Column("memory_bytes", _ID, nullable=True),
        sa.Column("gpus", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("retry_on", sa.JSON(), nullable=True),
        sa.Column("retry_wait", sa.Double(), nullable=True),
    ),
    "scheduler": (
        sa.Column("cpus", sa.Integer(), nullable=True),
        sa.Column("memory_bytes", _ID, nullable=True),
        sa.Column("gpus", sa.JSON(), nullable=True),
        sa.Column("trouble", sa.String(), nullable=True),
        sa.Column("kept_for", _ID, nullable=True),
    ),
}
# The series that a ticket ends in, or the host: what `domain.run.scheduler_of` says.
_SCHEDULER = (
    "CASE WHEN substr(ticket, length(ticket) - 8, 1) = '-' THEN substr(ticket, length(ticket) - 8) ELSE host END"
)
_ATTEMPTS = f"""
    INSERT INTO attempt (run_id, number, ticket, scheduler, executor, application_id, "by", share, cpus, gpus, host,
                         handle, run_directory, claimed_at, started_at, closed_at, came_to)
    SELECT id, CASE WHEN attempts > 0 THEN attempts ELSE 1 END, ticket, coalesce({_SCHEDULER}, ''), executor,
           application_id, "by", coalesce(share, ''), coalesce(cpus, 1), '[]', host, handle, run_directory,
           coalesce(claimed_at, scheduled_at), CASE WHEN handle IS NOT NULL THEN started_at END,
           CASE WHEN NOT ticket_open THEN coalesce(settled_at, ended_at, scheduled_at) END,
           CASE WHEN ticket_open THEN NULL WHEN outcome_source = 'inferred' THEN 'gone' ELSE 'ended' END
    FROM run WHERE ticket IS NOT NULL
"""
_EDGES = """
    INSERT INTO dependency (run_id, on_run_id, wants, outcome)
    SELECT run.id, other.id, 'succeeded',
           CASE WHEN other.state = 'succeeded' THEN 'met'
                WHEN run.state = 'cancelled' AND other.ended_at IS NOT NULL THEN 'failed' END
    FROM run, {each} JOIN run AS other ON other.id = {item}
    WHERE {any}
"""
_EACH = {
    "sqlite": {"each": "json_each(run.after)", "item": "json_each.value", "any": "run.after <> '[]'"},
    "postgresql": {
        "each": "LATERAL json_array_elements_text(run.after) AS one(id)",
        "item": "CAST(one.id AS bigint)",
        "any": "CAST(run.after AS text) <> '[]'",
    },
}
_UNMET = """
    UPDATE run SET unmet = (
        SELECT count(*) FROM dependency WHERE run_id = run.id AND (outcome IS NULL OR outcome = 'failed')
    )
    WHERE id IN (SELECT run_id FROM dependency WHERE outcome IS NULL OR outcome = 'failed')
"""
# Retries stand for the first one, of which they are.
_RETRIES = """
    WITH RECURSIVE retry (id, first) AS (
        SELECT run.id, parent.id FROM run JOIN run AS parent ON parent.id = run.parent_id
        WHERE run.cause = 'retry' AND (parent.cause IS NULL OR parent.cause <> 'retry')
        UNION ALL
        SELECT run.id, retry.first FROM retry JOIN run ON run.parent_id = retry.id WHERE run.cause = 'retry'
    )
    UPDATE run SET stands_for = (SELECT first FROM retry WHERE retry.id = run.id)
    WHERE id IN (SELECT id FROM retry)
"""
# In the words of `domain.policy.lane_of`.
_LANES = """
    UPDATE run SET lane = coalesce(CAST(application_id AS text), '') || '|' || CAST(coalesce(cpus, 1) AS text)
                          || '||0|' || coalesce(share, '')
    WHERE launched AND ended_at IS NULL
"""


# Why a run waits is found out when it is shown; what stands here is what happened to the run.
_REASONS = "UPDATE run SET reason = NULL WHERE state = 'queued' AND ticket IS NULL AND ended_at IS NULL"


def upgrade() -> None:
    for table, columns in _ADDED.items():
        for column in columns:
            op.add_column(table, column)
    _make_attempts()
    _make_dependencies()
    op.create_table(
        "share_state",
        sa.Column("scheduler", sa.String(), nullable=False),
        sa.Column("share", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=True),
        sa.Column("is_away", sa.Boolean(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scheduler", "share", name="pk_share_state"),
    )
    claimable = sa.text("ended_at IS NULL AND state = 'queued' AND ticket IS NULL AND NOT held")
    edges = _EDGES.format(**_EACH[op.get_bind().dialect.name])
    for statement in (_ATTEMPTS, edges, _UNMET, _RETRIES, _LANES, _REASONS):
        op.execute(statement)
    op.create_index(
        "ix_run_claimable",
        "run",
        ["executor", "by", "priority", "lane", "scheduled_at", "id"],
        sqlite_where=claimable,
        postgresql_where=claimable,
    )
    stands = sa.text("stands_for IS NOT NULL")
    op.create_index("ix_run_stands_for", "run", ["stands_for"], sqlite_where=stands, postgresql_where=stands)
    due = sa.text("ended_at IS NULL AND state = 'scheduled' AND launched AND unmet = 0")
    op.drop_index("ix_run_log_due", "run")
    log_due = sa.text("NOT log_kept")
    op.create_index("ix_run_log_due", "run", ["share", "id"], sqlite_where=log_due, postgresql_where=log_due)
    op.create_index("ix_run_due", "run", ["scheduled_at", "id"], sqlite_where=due, postgresql_where=due)
    expected = sa.text("ended_at IS NULL AND state = 'scheduled' AND NOT launched AND start_grace IS NOT NULL")
    op.create_index("ix_run_expected", "run", ["scheduled_at"], sqlite_where=expected, postgresql_where=expected)
    _make_lists_bounded()


def _make_lists_bounded() -> None:
    """What is shown of those that wait, and of those that ended lately, can be read along an index."""
    queued = sa.text("ended_at IS NULL AND state = 'queued'")
    order = [sa.text(column) for column in ("state", "priority DESC", "scheduled_at", "id")]
    op.create_index("ix_run_queued", "run", order, sqlite_where=queued, postgresql_where=queued)
    for name, columns, where in (
        ("ix_run_unended", ["state", "scheduled_at", "id"], sa.text("ended_at IS NULL")),
        ("ix_run_settled_at", ["settled_at", "id", "state", "ended_at"], sa.text("settled_at IS NOT NULL")),
    ):
        op.drop_index(name, "run")
        op.create_index(name, "run", columns, sqlite_where=where, postgresql_where=where)


def _make_attempts() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", _ID, nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ticket", sa.String(), nullable=False),
        sa.Column("scheduler", sa.String(), nullable=False),
        sa.Column("executor", sa.String(), nullable=False),
        sa.Column("application_id", _ID, nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("share", sa.String(), nullable=False),
        sa.Column("cpus", sa.Integer(), nullable=False),
        sa.Column("memory_bytes", _ID, nullable=True),
        sa.Column("gpus", sa.JSON(), nullable=False),
        sa.Column("host", sa.String(), nullable=True),
        sa.Column("handle", sa.String(), nullable=True),
        sa.Column("run_directory", sa.String(), nullable=True),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("came_to", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_attempt_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attempt"),
    )
    op.create_index("ix_attempt_run_id", "attempt", ["run_id", "number"])
    op.create_index("ix_attempt_ticket", "attempt", ["ticket"])
    is_open = sa.text("closed_at IS NULL")
    op.create_index("ix_attempt_open", "attempt", ["executor"], sqlite_where=is_open, postgresql_where=is_open)


def _make_dependencies() -> None:
    op.create_table(
        "dependency",
        sa.Column("id", _ID, nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("on_run_id", _ID, nullable=False),
        sa.Column("wants", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_dependency_run_id"),
        sa.ForeignKeyConstraint(["on_run_id"], ["run.id"], name="fk_dependency_on_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_dependency"),
    )
    op.create_index("ix_dependency_run_id", "dependency", ["run_id", "outcome"])
    op.create_index("ix_dependency_on_run_id", "dependency", ["on_run_id", "id"])
    none = sa.text("outcome IS NULL")
    op.create_index("ix_dependency_undecided", "dependency", ["on_run_id"], sqlite_where=none, postgresql_where=none)
    op.create_table(
        "decision",
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("passed", _ID, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_decision_run_id"),
        sa.PrimaryKeyConstraint("run_id", name="pk_decision"),
    )
