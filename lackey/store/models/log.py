"""The text of logs, and which runs its words lead to."""

from sqlalchemy import ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id

_OF_A_LOG = text("part IS NOT NULL")
# To be asked for in the same words: else SQLite does not take the index.
WORDS_DUE = text("words_due")


class LogPieceRow(Base):
    """Some bytes of a log. `part`: `file` (head and tail of log.txt), `reported` (verb log), `stop` (a stop's own).

    `start` counts in bytes, as sent, before any cut. Pieces of one part never overlap. `words_due`: its words are not
    in the index yet, or not all of them.
    """

    __tablename__ = "log_piece"
    __table_args__ = (
        Index(
            "ix_log_piece_words_due",
            *("run_id", "part", "start"),
            sqlite_where=WORDS_DUE,
            postgresql_where=WORDS_DUE,
        ),
    )

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"), primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    start: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    content: Mapped[bytes]
    words_due: Mapped[bool] = mapped_column(server_default=false())


class IndexedTextRow(Base):
    """Says whose words a row of the full-text index holds (`run_words`, which each database has in its own form).

    `part`, `start` and `length`: of which bytes of a log they are; null: of its name and command, or of a log that
    never shrinks, or an older version wrote them.
    """

    __tablename__ = "indexed_text"
    __table_args__ = (
        Index("ix_indexed_text_run_id", "run_id"),
        Index(
            "ix_indexed_text_place",
            *("run_id", "part", "start"),
            sqlite_where=_OF_A_LOG,
            postgresql_where=_OF_A_LOG,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"))
    part: Mapped[str | None]
    start: Mapped[int | None] = mapped_column(Id)
    length: Mapped[int | None] = mapped_column(Id)
