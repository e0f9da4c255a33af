"""API keys: make, list, revoke, and what each may do."""

import secrets
from datetime import datetime

from sqlalchemy import Connection

from lackey.domain.application import Key
from lackey.domain.refusals import NotAllowed, NotAuthenticated, NotFound
from lackey.services.idempotency import Once, answered, remember
from lackey.store import keys
from lackey.store.database import Database

# Each scope may do what the ones before it may.
_BEGIN = "lackey_"
SCOPES = ("read", "run", "manage", "admin")


def create(database: Database, name: str, scope: str, now: datetime, once: Once | None = None) -> tuple[Key, str]:
    """A new key and its secret, which is shown this once and never stored.

    The same request again gives the key a new secret: the first one may have been lost on its way. Raises Conflict.
    """
    secret = _new_secret()

    def work(connection: Connection) -> Key:
        known = answered(connection, once, now, keys.in_force)
        if known is not None:
            return keys.renew(connection, known, secret)
        return _add(connection, name, scope, secret, now, once)

    return database.write(work), secret


def create_once(database: Database, name: str, scope: str, now: datetime, once: Once) -> str | None:
    """The secret of a new key; None for the same request again, which makes nothing and leaves the key as it is."""
    secret = _new_secret()

    def work(connection: Connection) -> str | None:
        if answered(connection, once, now, keys.in_force) is not None:
            return None
        _add(connection, name, scope, secret, now, once)
        return secret

    return database.write(work)


def _new_secret() -> str:
    return f"{_BEGIN}{secrets.token_urlsafe(32)}"


def is_one(secret: str) -> bool:
    """Whether it has the form of a key, so that it can be no run's token."""
    return secret.startswith(_BEGIN)


def _add(connection: Connection, name: str, scope: str, secret: str, now: datetime, once: Once | None) -> Key:
    key = keys.add(connection, name, scope, secret, now)
    remember(connection, once, key.id, now)
    return key


def authorize(database: Database, secret: str | None, scope: str) -> Key:
    """The key, if its scope is at least `scope`. Raises NotAuthenticated, NotAllowed."""
    key = None
    if secret is not None:
        with database.read() as connection:
            key = keys.by_secret(connection, secret)
    if key is None:
        raise NotAuthenticated("this needs a key: Authorization: Bearer <key>")
    check_scope(key.scope, scope)
    return key


def check_scope(held: str, needed: str) -> None:
    """Raises NotAllowed if who holds `held` may not do what needs `needed`."""
    if SCOPES.index(held) < SCOPES.index(needed):
        raise NotAllowed(f"this needs a key with scope {needed}; yours has {held}")


def listing(database: Database, before_id: int | None, limit: int) -> list[Key]:
    """All keys, newest first."""
    with database.read() as connection:
        return keys.listing(connection, before_id, limit)


def revoke(database: Database, key_id: int, now: datetime) -> None:
    """End a key. Raises NotFound."""

    def work(connection: Connection) -> bool:
        return keys.revoke(connection, key_id, now)

    if not database.write(work):
        raise NotFound(f"there is no key {key_id} in force")
