"""API keys, and the requests that were already answered."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
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


class _Answered:
    """A POST that was answered: digests of its Idempotency-Key and body, and what it made. Kept for a day."""

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    request_digest: Mapped[bytes]
    resource_id: Mapped[int] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(index=True)


class IdempotencyRow(_Answered, Base):
    """One that came with a key."""

    __tablename__ = "idempotency"

    key_id: Mapped[int] = mapped_column(Id, ForeignKey("key.id"), primary_key=True, sort_order=-1)


class UserIdempotencyRow(_Answered, Base):
    """One of a user whom the web server vouches for, and who has no key.

    A table of its own, so that no user's name can stand for a key, and so that a version of lackey that knows only the
    other table works beside this one.
    """

    __tablename__ = "user_idempotency"

    user: Mapped[str] = mapped_column(primary_key=True, sort_order=-1)
