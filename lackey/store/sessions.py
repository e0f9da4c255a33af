"""Browsers in which somebody has signed in, by the digests of their cookies."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from lackey.domain.application import Key
from lackey.domain.limits import SESSIONS
from lackey.store.keys import KEY
from lackey.store.models import KeyRow, SessionRow
from lackey.store.tokens import digest


def add(connection: Connection, secret: str, key_id: int, now: datetime, since: datetime) -> None:
    """Let this cookie stand for the key, and forget those from before `since`, and the oldest of too many."""
    connection.execute(delete(SessionRow).where(SessionRow.created_at <= since))
    oldest = select(SessionRow.digest).where(SessionRow.key_id == key_id).order_by(SessionRow.created_at.desc())
    connection.execute(delete(SessionRow).where(SessionRow.digest.in_(oldest.offset(SESSIONS - 1).limit(SESSIONS))))
    connection.execute(insert(SessionRow).values(digest=digest(secret), key_id=key_id, created_at=now))


def key_of(connection: Connection, secret: str, since: datetime) -> Key | None:
    """The key that a cookie stands for, unless it is from before `since`, or the key is revoked."""
    statement = (
        select(*KEY)
        .join(SessionRow, SessionRow.key_id == KeyRow.id)
        .where(SessionRow.digest == digest(secret), SessionRow.created_at > since, KeyRow.revoked_at.is_(None))
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else Key(*row)


def count_by_key(connection: Connection, since: datetime) -> dict[int, int]:
    """How many cookies from after `since` stand for each key, by its id."""
    statement = select(SessionRow.key_id, func.count()).where(SessionRow.created_at > since)
    return dict(connection.execute(statement.group_by(SessionRow.key_id)).all())


def remove(connection: Connection, secret: str) -> None:
    """Let the cookie stand for nothing any more."""
    connection.execute(delete(SessionRow).where(SessionRow.digest == digest(secret)))
