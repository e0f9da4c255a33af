"""API keys and answered requests, by their digests."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from lackey.domain.application import Key
from lackey.domain.refusals import NotFound
from lackey.store.compiled import Compiled
from lackey.store.database import unique
from lackey.store.models import IdempotencyRow, KeyRow, UserIdempotencyRow
from lackey.store.tokens import digest

KEY = (KeyRow.id, KeyRow.name, KeyRow.scope, KeyRow.created_at, KeyRow.revoked_at)
_BY_DIGEST = Compiled(select(*KEY).where(KeyRow.digest == bindparam("wanted"), KeyRow.revoked_at.is_(None)))


def add(connection: Connection, name: str, scope: str, secret: str, now: datetime) -> Key:
    """Insert a key."""
    statement = insert(KeyRow).values(name=name, scope=scope, digest=digest(secret), created_at=now).returning(*KEY)
    return Key(*connection.execute(statement).one())


def renew(connection: Connection, key_id: int, secret: str) -> Key:
    """Give a key another secret in place of the one it had."""
    statement = update(KeyRow).where(KeyRow.id == key_id).values(digest=digest(secret)).returning(*KEY)
    return Key(*connection.execute(statement).one())


def by_secret(connection: Connection, secret: str) -> Key | None:
    """The key, unless there is none such or it is revoked."""
    rows = _BY_DIGEST.rows(connection, {"wanted": digest(secret)})
    return Key(*rows[0]) if rows else None


def in_force(connection: Connection, key_id: int) -> Key:
    """The key. Raises NotFound if there is none such, or it is revoked."""
    row = connection.execute(select(*KEY).where(KeyRow.id == key_id, KeyRow.revoked_at.is_(None))).one_or_none()
    if row is None:
        raise NotFound(f"there is no key {key_id} in force")
    return Key(*row)


def listing(connection: Connection, before_id: int | None, limit: int) -> list[Key]:
    """All keys, newest first, the revoked ones too."""
    statement = select(*KEY)
    if before_id is not None:
        statement = statement.where(KeyRow.id < before_id)
    return [Key(*row) for row in connection.execute(statement.order_by(KeyRow.id.desc()).limit(limit))]


def revoke(connection: Connection, key_id: int, now: datetime) -> bool:
    """End a key; whether there was such a key in force."""
    statement = update(KeyRow).where(KeyRow.id == key_id, KeyRow.revoked_at.is_(None)).values(revoked_at=now)
    return connection.execute(statement).rowcount == 1


def answered(
    connection: Connection, identity: int | str, idempotency_key: str, since: datetime
) -> tuple[bytes, int] | None:
    """The digest of the request that was answered under this Idempotency-Key, and the id of what it made.

    `identity`: whose request, the id of a key or a user's name.
    """
    rows, whose = _answers_to(identity)
    statement = select(rows.request_digest, rows.resource_id).where(
        whose == identity, rows.digest == digest(idempotency_key), rows.created_at > since
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else (row[0], row[1])


def remember(
    connection: Connection,
    identity: int | str,
    idempotency_key: str,
    request: bytes,
    resource_id: int,
    now: datetime,
    since: datetime,
) -> None:
    """Note what was answered, and forget what is older than `since`. Raises NotUnique."""
    rows, whose = _answers_to(identity)
    connection.execute(delete(rows).where(rows.created_at <= since))
    with unique():
        connection.execute(
            insert(rows).values(
                {
                    whose: identity,
                    rows.digest: digest(idempotency_key),
                    rows.request_digest: request,
                    rows.resource_id: resource_id,
                    rows.created_at: now,
                }
            )
        )


def _answers_to(identity: int | str) -> tuple[type[IdempotencyRow | UserIdempotencyRow], InstrumentedAttribute[Any]]:
    """Where the answers to this asker are, and the column that names them."""
    if isinstance(identity, int):
        return IdempotencyRow, IdempotencyRow.key_id
    return UserIdempotencyRow, UserIdempotencyRow.user
