"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# The words of names, commands and logs. Contentless: the text itself is in `run` and `log_piece`, once is enough.
FULL_TEXT = {
    "sqlite": ["CREATE VIRTUAL TABLE run_words USING fts5(words, content='', tokenize='unicode61')"],
    "postgresql": [
        "CREATE TABLE run_words (id bigint PRIMARY KEY, words tsvector NOT NULL)",
        "CREATE INDEX ix_run_words ON run_words USING gin (words)",
    ],
}


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "key",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key")),
        sa.UniqueConstraint("digest", name=op.f("uq_key_digest")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "project",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("share", sa.String(), nullable=False),
        sa.Column("directory", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "scheduler",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.Column("leads", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_scheduler")),
    )
    op.create_table(
        "application",
        sa.Column("id", Id, nullable=False),
        sa.Column("project_id", Id, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("directory", sa.String(), nullable=False),
        sa.Column("command", sa.String(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("executor", sa.String(), nullable=False),
        sa.Column("time_limit", sa.Double(), nullable=True),
        sa.Column("start_grace", sa.Double(), nullable=True),
        sa.Column("silence", sa.Double(), nullable=True),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.Column("workdir", sa.String(), nullable=False),
        sa.Column("cpus", sa.Integer(), nullable=True),
        sa.Column("memory", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_application_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_application_project_id_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("application", schema=None) as batch_op:
        batch_op.create_index("ix_application_project_id", ["project_id"], unique=False)

    op.create_table(
        "idempotency",
        sa.Column("key_id", Id, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("resource_id", Id, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["key.id"], name=op.f("fk_idempotency_key_id")),
        sa.PrimaryKeyConstraint("key_id", "digest", name=op.f("pk_idempotency")),
    )
    with op.batch_alter_table("idempotency", schema=None) as batch_op:
        batch_op.create_index("ix_idempotency_created_at", ["created_at"], unique=False)

    op.create_table(
        "run",
        sa.Column("id", Id, nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("project_id", Id, nullable=True),
        sa.Column("application_id", Id, nullable=True),
        sa.Column("project", sa.String(), nullable=True),
        sa.Column("application", sa.String(), nullable=True),
        sa.Column("launched", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("parent_id", Id, nullable=True),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("command", sa.String(), nullable=True),
        sa.Column("share", sa.String(), nullable=True),
        sa.Column("directory", sa.String(), nullable=True),
        sa.Column("workdir", sa.String(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("executor", sa.String(), nullable=False),
        sa.Column("time_limit", sa.Double(), nullable=True),
        sa.Column("start_grace", sa.Double(), nullable=True),
        sa.Column("silence", sa.Double(), nullable=True),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("cpus", sa.Integer(), nullable=True),
        sa.Column("memory", sa.String(), nullable=True),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_at", sa.BigInteger(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=True),
        sa.Column("ticket", sa.String(), nullable=True),
        sa.Column("ticket_open", sa.Boolean(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("host", sa.String(), nullable=True),
        sa.Column("handle", sa.String(), nullable=True),
        sa.Column("run_directory", sa.String(), nullable=True),
        sa.Column("cancel_requested_at", sa.BigInteger(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("exit_code", Id, nullable=True),
        sa.Column("signal", sa.Integer(), nullable=True),
        sa.Column("outcome_source", sa.String(), nullable=True),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("max_rss_bytes", Id, nullable=True),
        sa.Column("cpu_seconds", sa.Double(), nullable=True),
        sa.Column("progress", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("log_size", Id, nullable=False),
        sa.Column("stop_log_size", Id, nullable=False),
        sa.Column("file_size", Id, nullable=True),
        sa.Column("log_kept", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["application_id"], ["application.id"], name=op.f("fk_run_application_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["run.id"], name=op.f("fk_run_parent_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_run_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index("ix_run_application_id", ["application_id", "id"], unique=False)
        batch_op.create_index(
            "ix_run_log_due",
            ["id"],
            unique=False,
            sqlite_where=sa.text("NOT log_kept"),
            postgresql_where=sa.text("NOT log_kept"),
        )
        batch_op.create_index("ix_run_parent_id", ["parent_id"], unique=False)
        batch_op.create_index("ix_run_project_id", ["project_id", "id"], unique=False)
        batch_op.create_index("ix_run_scheduled_at", ["scheduled_at"], unique=False)
        batch_op.create_index("ix_run_state", ["state", "id"], unique=False)
        batch_op.create_index(
            "ix_run_ticket_open",
            ["id"],
            unique=False,
            sqlite_where=sa.text("ticket_open"),
            postgresql_where=sa.text("ticket_open"),
        )
        batch_op.create_index(
            "ix_run_unended",
            ["state", "scheduled_at"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "event",
        sa.Column("id", Id, nullable=False),
        sa.Column("run_id", Id, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_event_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index("ix_event_run_id", ["run_id", "id"], unique=False)

    op.create_table(
        "indexed_text",
        sa.Column("id", Id, nullable=False),
        sa.Column("run_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_indexed_text_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_indexed_text")),
    )
    with op.batch_alter_table("indexed_text", schema=None) as batch_op:
        batch_op.create_index("ix_indexed_text_run_id", ["run_id"], unique=False)

    op.create_table(
        "log_piece",
        sa.Column("run_id", Id, nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("start", Id, autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_log_piece_run_id")),
        sa.PrimaryKeyConstraint("run_id", "part", "start", name=op.f("pk_log_piece")),
    )
    op.create_table(
        "metric",
        sa.Column("run_id", Id, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("step", sa.Double(), nullable=True),
        sa.Column("ts", sa.Double(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_metric_run_id")),
        sa.PrimaryKeyConstraint("run_id", "name", "place", name=op.f("pk_metric")),
    )
    op.create_table(
        "token",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("run_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_token_run_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_token")),
    )
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.create_index("ix_token_run_id", ["run_id"], unique=False)
    for statement in FULL_TEXT[op.get_bind().dialect.name]:
        op.execute(statement)
