"""Tokens of runs, by their digests."""

import hashlib
from collections.abc import Collection, Mapping

from sqlalchemy import Connection, bindparam, insert, select

from lackey.domain.limits import TOKENS
from lackey.domain.run import Garbled, Run
from lackey.store.compiled import Compiled
from lackey.store.database import unique
from lackey.store.models import RunRow, TokenRow
from lackey.store.runs import as_run, select_runs

_TOKEN = TokenRow.metadata.tables[TokenRow.__tablename__]
_ADD = Compiled(insert(_TOKEN).inline())
_KNOWN = select(_TOKEN.c.digest).where(_TOKEN.c.digest.in_(bindparam("digests", expanding=True)))
_OF_DIGEST = _TOKEN.c.digest.in_([bindparam("as_sent"), bindparam("lower")])
_ID_OF = Compiled(select(_TOKEN.c.run_id).where(_OF_DIGEST))
_RUN_OF = Compiled(select_runs().where(RunRow.id == _TOKEN.c.run_id, _OF_DIGEST))


def digest(secret: str) -> bytes:
    """What is stored of a token or key. Both are random and long, so a plain hash can't be turned back."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def add(connection: Connection, run_id: int, token: str) -> None:
    """Let this token speak for the run."""
    _ADD.run(connection, {"digest": digest(token), "run_id": run_id})


def has_room(connection: Connection, run_id: int) -> bool:
    """Whether the run has fewer than `TOKENS` tokens."""
    statement = select(TokenRow.digest).where(TokenRow.run_id == run_id)
    return connection.execute(statement.limit(1).offset(TOKENS - 1)).first() is None


def add_all(connection: Connection, runs: Mapping[bytes, int]) -> None:
    """Let the tokens of these digests speak for these runs. Raises NotUnique."""
    with unique():
        _ADD.run_each(connection, [{"digest": digest, "run_id": run_id} for digest, run_id in runs.items()])


def known(connection: Connection, digests: Collection[bytes]) -> set[bytes]:
    """Those of the digests that are some run's."""
    return set(connection.execute(_KNOWN, {"digests": list(digests)}).scalars())


def run_of(connection: Connection, token: str) -> Run | None:
    """The run that the token speaks for; one indexed read. Raises Garbled.

    Tokens are given out in lower case, and those that were taken over are as they were.
    """
    sent = {"as_sent": digest(token), "lower": digest(token.lower())}
    try:
        rows = _RUN_OF.rows(connection, sent)
        return as_run(rows[0]) if rows else None
    except (ValueError, TypeError) as error:
        [[run_id], *_] = _ID_OF.rows(connection, sent)
        raise Garbled(run_id, error) from error
