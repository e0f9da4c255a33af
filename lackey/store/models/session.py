"""Browsers in which somebody has signed in."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lackey.store.models.base import Base, Id


class SessionRow(Base):
    """A browser that may do what a key may, until the key is revoked; its cookie by the SHA-256 of that alone."""

    __tablename__ = "session"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    key_id: Mapped[int] = mapped_column(Id, ForeignKey("key.id"))
    created_at: Mapped[datetime] = mapped_column(index=True)
