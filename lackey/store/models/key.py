"""API keys, and the requests that were already answered."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id


class KeyRow(Base):
    """See `domain.application.Key`; the key itself by its SHA-256 alone."""

    __tablename__ = "key"
    __table_args__ = (UniqueConstraint("digest"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    scope: Mapped[str]
    digest: Mapped[bytes]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class IdempotencyRow(Base):
    """A POST that was answered: digests of its Idempotency-Key and body, and what it made. Kept for a day."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("ix_idempotency_created_at", "created_at"),)

    key_id: Mapped[int] = mapped_column(Id, ForeignKey("key.id"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    request_digest: Mapped[bytes]
    resource_id: Mapped[int] = mapped_column(Id)
    created_at: Mapped[datetime]
