"""Moving to another database."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from lackey.domain.refusals import Conflict
from lackey.store import copying, schema, service
from lackey.store.copying import Both, NotTheSame
from lackey.store.database import Database, take_your_time, unavailable
from lackey.store.service import Heartbeat

SILENT = timedelta(seconds=30)
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Copied:
    """How many rows each table has, the same on both sides; and how many texts runs are found by now."""

    rows: dict[str, int]
    texts: int


def copy(source: Database, target: Database, told: Callable[[str], None]) -> Copied:
    """Write all that is in `source` into `target`, ids and all, and read both again to compare them, row by row.

    It is one transaction on `target`, which has to be empty or to have the schema alone; it is upgraded then. `source`
    is never changed, and others may only read it meanwhile. What runs are found by is made anew: from their names,
    their commands and the logs that are held, so the words of a long log's middle, which was let go, are forgotten.
    `told` hears how far it is. Raises Conflict, with nothing written; Unavailable.
    """
    _check_places(source, target)
    _wait_for_silence(source, told)
    with unavailable(), source.writer.begin() as reading, target.writer.begin() as writing:
        take_your_time(reading)
        take_your_time(writing)
        _check_source(reading, source)
        _prepare(writing)
        try:
            return _copy(Both(reading, writing), told)
        except NotTheSame as error:
            raise Conflict(f"{error}; nothing was written") from error


def _copy(both: Both, told: Callable[[str], None]) -> Copied:
    written = {}
    for table in copying.tables():
        written[table.name] = copying.copy(both, table)
        told(f"{table.name}: {written[table.name]} rows written")
    texts = copying.index(both)
    told(f"{texts} texts indexed")
    for table in copying.tables():
        count = copying.verify(both, table)
        told(f"{table.name}: {count} rows compared")
    return Copied(written, texts)


def _check_places(source: Database, target: Database) -> None:
    """Refuse what shows without a transaction: a file that is not there must not come into being for the question."""
    files = [database.url.database or "" for database in (source, target) if database.is_sqlite]
    if not all(files) or ":memory:" in files:
        raise Conflict("an SQLite database has to be a file: sqlite:///path")
    if source.is_sqlite and not os.path.exists(files[0]):
        raise Conflict(f"there is no database {files[0]} to copy from")
    if len(files) == 2 and os.path.exists(files[1]) and os.path.samefile(*files):
        raise Conflict("this is the same database twice")


def _check_source(connection: Connection, source: Database) -> None:
    at, needed = schema.revision(connection), schema.expected()
    if at != needed:
        standing = f"its schema is at {at or 'nothing'}, this version of lackey needs {needed}"
        raise Conflict(f"the database to copy from can't be read: {standing}; bring it there with: lackey db upgrade")
    if heard := _heard_lately(connection, source):
        raise _at_work(heard)
    if not copying.begin(connection):
        raise Conflict("the database to copy from is being copied already")
    copying.keep_writers_out(connection)


def _wait_for_silence(source: Database, told: Callable[[str], None]) -> None:
    """Wait until schedulers that were just stopped have been silent for long. Raises Conflict when one says more."""
    last: list[Heartbeat] = []
    while True:
        with source.read() as connection:
            # Where there is no schema, there is no scheduler either; what is wrong is said later.
            heard = _heard_lately(connection, source) if schema.revision(connection) == schema.expected() else []
        if not heard:
            return
        if last and max(beat.beat_at for beat in heard) > max(beat.beat_at for beat in last):
            raise _at_work(heard)
        if not last:
            told(f"a scheduler was heard from lately; waiting until it has been silent for {SILENT.seconds} s")
        last = heard
        time.sleep(_LOOK_SECONDS)


def _heard_lately(connection: Connection, source: Database) -> list[Heartbeat]:
    now = source.clock()
    return [beat for beat in service.heartbeats(connection) if now - beat.beat_at < SILENT]


def _at_work(heard: list[Heartbeat]) -> Conflict:
    return Conflict(
        f"the scheduler {', '.join(sorted(beat.name for beat in heard))} is at work; stop schedulers and services"
        " first, for what they write from now on would be lost"
    )


def _prepare(connection: Connection) -> None:
    """Bring an empty database to the schema, and see that there are no rows in it."""
    if not copying.begin(connection):
        raise Conflict("the database to copy to is the one to copy from, or another copy into it is under way")
    at = schema.revision(connection)
    if at is None and copying.has_tables(connection):
        raise Conflict("the database to copy to holds tables that are not lackey's; give lackey one of its own")
    if at is not None and not schema.is_known(at):
        raise Conflict(f"the schema of the database to copy to is at {at}, which only a later version of lackey knows")
    schema.upgrade_within(connection)
    copying.keep_writers_out(connection)
    if filled := copying.filled(connection):
        raise Conflict(f"the database to copy to is not empty: there are rows in {', '.join(filled)}")
