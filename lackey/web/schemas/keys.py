"""API keys."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lackey.web.schemas.base import Answer, Body, Page
from lackey.web.schemas.types import Name

Scope = Literal["read", "run", "manage", "admin"]


class NewKey(Body):
    """A key to make. Each scope may do what the ones before it may."""

    name: Name
    scope: Scope


class KeyOut(Answer):
    """A key, without the key itself."""

    PATH: ClassVar[str] = "/api/key"

    id: int
    name: str
    scope: str
    created_at: datetime
    revoked_at: datetime | None


class MadeKey(KeyOut):
    """A new key."""

    key: Annotated[str, Field(description="the key itself, shown this once")]


class Keys(Page[KeyOut]):
    """Keys, newest first, the revoked ones too."""
