"""The text of logs, and which runs its words lead to."""

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id

_OF_A_LOG = text("part IS NOT NULL")


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
