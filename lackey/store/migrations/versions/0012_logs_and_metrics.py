"""Of which bytes of a log an indexed text is; small pieces of logs joined; a summary and a thinned curve of a metric.

The version before may still be running: it writes points and pieces as it did. A point that it adds has `summarized` 0,
and one that it replaces gets 2 by a trigger, so this version finds both; what it indexes of a log stays in the index.
"""

from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JOINED_BYTES = 16 << 10
# The migration holds the writer's lock: pieces beyond these stay as they are, and are read as they are.
_JOINED_AT_MOST = 1_000_000
_MANY_PIECES = sa.text("""
    SELECT run_id, part, count(*) AS pieces FROM log_piece GROUP BY run_id, part
    HAVING count(*) > 64 + max(start) / 4096
""")
_PIECES = sa.text("SELECT start, content FROM log_piece WHERE run_id = :run_id AND part = :part ORDER BY start")
_REMOVE = sa.text("DELETE FROM log_piece WHERE run_id = :run_id AND part = :part AND start = :start")
_GROW = sa.text("UPDATE log_piece SET content = :content WHERE run_id = :run_id AND part = :part AND start = :start")
_NOTE_REPLACED = {
    "sqlite": [
        """
        CREATE TRIGGER metric_replaced AFTER UPDATE OF ts, value, is_nan ON metric WHEN OLD.summarized <> 0
        BEGIN
            UPDATE metric SET summarized = 2 WHERE run_id = NEW.run_id AND name = NEW.name AND place = NEW.place;
        END
        """
    ],
    "postgresql": [
        """
        CREATE FUNCTION metric_replaced() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.summarized := 2; RETURN NEW; END'
        """,
        """
        CREATE TRIGGER metric_replaced BEFORE UPDATE OF ts, value, is_nan ON metric FOR EACH ROW
        WHEN (OLD.summarized <> 0) EXECUTE FUNCTION metric_replaced()
        """,
    ],
}


def upgrade() -> None:
    op.add_column("log_piece", sa.Column("words_due", sa.Boolean(), nullable=False, server_default=sa.false()))
    due = sa.text("words_due")
    names = ["run_id", "part", "start"]
    op.create_index("ix_log_piece_words_due", "log_piece", names, sqlite_where=due, postgresql_where=due)
    op.add_column("indexed_text", sa.Column("part", sa.String(), nullable=True))
    op.add_column("indexed_text", sa.Column("start", _ID, nullable=True))
    op.add_column("indexed_text", sa.Column("length", _ID, nullable=True))
    of_a_log = sa.text("part IS NOT NULL")
    op.create_index(
        "ix_indexed_text_place",
        "indexed_text",
        ["run_id", "part", "start"],
        sqlite_where=of_a_log,
        postgresql_where=of_a_log,
    )
    _make_summaries()
    _join_pieces(op.get_bind())


def _make_summaries() -> None:
    op.add_column("metric", sa.Column("summarized", sa.SmallInteger(), nullable=False, server_default="0"))
    for statement in _NOTE_REPLACED[op.get_bind().dialect.name]:
        op.execute(statement)
    op.create_index("ix_metric_at", "metric", ["run_id", "name", sa.text("coalesce(step, ts)")])
    unsummarized = sa.text("summarized <> 1")
    op.create_index(
        "ix_metric_unsummarized",
        "metric",
        ["run_id", "name"],
        sqlite_where=unsummarized,
        postgresql_where=unsummarized,
    )
    op.create_table(
        "metric_summary",
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("at_steps", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.Double(), nullable=False),
        sa.Column("first", sa.Double(), nullable=True),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.Column("last_has_step", sa.Boolean(), nullable=False),
        sa.Column("last", sa.Double(), nullable=True),
        sa.Column("least", sa.Double(), nullable=True),
        sa.Column("greatest", sa.Double(), nullable=True),
        sa.Column("curve", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_metric_summary_run_id"),
        sa.PrimaryKeyConstraint("run_id", "name", name="pk_metric_summary"),
    )
    op.create_table(
        "metric_detail",
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("number", _ID, autoincrement=False, nullable=False),
        sa.Column("curve", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_metric_detail_run_id"),
        sa.PrimaryKeyConstraint("run_id", "name", "number", name="pk_metric_detail"),
    )


def _join_pieces(connection: sa.Connection) -> None:
    joined = 0
    for run_id, part, pieces in connection.execute(_MANY_PIECES).all():
        joined += pieces
        if joined > _JOINED_AT_MOST:
            break
        _join(connection, {"run_id": run_id, "part": part})


def _join(connection: sa.Connection, place: dict[str, Any]) -> None:
    """Join the pieces of one log: those that touch, up to so many bytes."""
    begun = reached = 0

    def group(piece: Any) -> int:
        nonlocal begun, reached
        if piece.start != reached or piece.start + len(piece.content) - begun > _JOINED_BYTES:
            begun = piece.start
        reached = piece.start + len(piece.content)
        return begun

    gone, grown = [], []
    for start, found in groupby(connection.execute(_PIECES, place).all(), group):
        together = list(found)
        if len(together) > 1:
            gone += [{**place, "start": piece.start} for piece in together[1:]]
            grown.append({**place, "start": start, "content": b"".join(bytes(piece.content) for piece in together)})
    if grown:
        connection.execute(_REMOVE, gone)
        connection.execute(_GROW, grown)
