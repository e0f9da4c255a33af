"""The text of logs, and which runs its words lead to."""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id


class LogPieceRow(Base):
    """Some bytes of a log. `part`: `file` (head and tail of log.txt), `reported` (verb log), `stop` (a stop's own).

    `start` counts in bytes, as sent, before any cut. Pieces of one part never overlap.
    """

    __tablename__ = "log_piece"

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"), primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    start: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    content: Mapped[bytes]


class IndexedTextRow(Base):
    """Says whose words a row of the full-text index holds (`run_words`, which each database has in its own form)."""

    __tablename__ = "indexed_text"
    __table_args__ = (Index("ix_indexed_text_run_id", "run_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("run.id"))
