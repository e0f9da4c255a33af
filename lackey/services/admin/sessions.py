"""Signing in with a key, in a browser, and out again."""

import secrets
from datetime import datetime, timedelta

from lackey.domain.application import Asker
from lackey.services.admin import keys
from lackey.store import sessions
from lackey.store.database import Database

KEPT = timedelta(days=30)


def sign_in(database: Database, secret: str, now: datetime) -> str:
    """A new cookie for whoever has the key. Raises NotAuthenticated."""
    key = keys.authorize(database, secret, keys.SCOPES[0])
    cookie = secrets.token_urlsafe(32)
    database.write(lambda connection: sessions.add(connection, cookie, key.id, now, now - KEPT))
    return cookie


def asker_of(database: Database, cookie: str, now: datetime) -> Asker | None:
    """Who has signed in under this cookie; None: nobody, or the key is revoked, or it was too long ago."""
    with database.read() as connection:
        key = sessions.key_of(connection, cookie, now - KEPT)
    return None if key is None else Asker(key.name, key.scope, key.id)


def count_by_key(database: Database, now: datetime) -> dict[int, int]:
    """In how many browsers somebody has signed in with each key, by its id."""
    with database.read() as connection:
        return sessions.count_by_key(connection, now - KEPT)


def sign_out(database: Database, cookie: str) -> None:
    """End what was signed in under this cookie; nothing if there is no such."""
    database.write(lambda connection: sessions.remove(connection, cookie))
