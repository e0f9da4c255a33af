"""Logs whose words are not in the index yet: they are brought in many at once, in short transactions."""

from functools import partial

from lackey.store import log_words, logs
from lackey.store.database import Database

# So many pieces at once, of 16 KiB at most but for what lackey takes in whole.
_PIECES = 64
# Whoever looks for words waits for so many of these at most; those that are due then are found a moment later.
_ROUNDS = 16


def catch_up(database: Database) -> bool:
    """Bring in the words of some logs; whether there may be more. Raises Unavailable."""
    with database.read() as connection:
        if not logs.are_words_due(connection):
            return False
    return database.write(partial(log_words.learn_due, most=_PIECES)) == _PIECES


def before_a_search(database: Database) -> None:
    """Bring in the words of all logs, as far as that takes no longer than a moment."""
    for _ in range(_ROUNDS):
        if not catch_up(database):
            return
