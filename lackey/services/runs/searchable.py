"""Logs whose words are not in the index yet: they are brought in many at once, in short transactions."""

import logging
from functools import partial

from lackey.domain.refusals import Unavailable
from lackey.store import log_words, logs
from lackey.store.database import Database

log = logging.getLogger(__name__)

# So many pieces at once, of 16 KiB at most but for what lackey takes in whole.
_PIECES = 64
# Whoever looks for words waits for so many of these, and so long for other writers; those that are due then are found a
# moment later.
_ROUNDS = 16
_PATIENCE_SECONDS = 1.0


def catch_up(database: Database, patience_seconds: float | None = None) -> bool:
    """Bring in the words of some logs; whether there may be more. Raises Unavailable."""
    with database.read() as connection:
        if not logs.are_words_due(connection):
            return False
    return database.write(partial(log_words.learn_due, most=_PIECES), patience_seconds) == _PIECES


def before_a_search(database: Database) -> None:
    """Bring in the words of all logs, as far as that takes no longer than a moment, and the database can be written."""
    try:
        for _ in range(_ROUNDS):
            if not catch_up(database, _PATIENCE_SECONDS):
                return
    except Unavailable as refusal:
        log.warning("the words of some logs are not found yet: %s", refusal)
