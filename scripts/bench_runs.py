"""Runs to be reported on: many at once, for lackey and for the plain programs, each with its token."""

import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from sqlalchemy import insert, text

from lackey.services import Database
from lackey.services.runs import scheduling
from lackey.store import models
from lackey.store.tokens import digest

# Makes so many runs; what each is known by, with its token.
Maker = Callable[[int], list[tuple[int, str]]]
# As many starts, and then their stops, are reported in a block (bench_reports.lua).
BLOCK = 64


def listed(file: Path, count: int, make: Maker) -> Path:
    """Make at least so many runs, and list them for the load generator."""
    made = make(-(-count // BLOCK) * BLOCK)
    file.write_text("".join(f"{run_id} {token}\n" for run_id, token in made))
    return file


def no_runs(count: int) -> list[tuple[int, str]]:
    """Runs that nobody knows."""
    return [(number, "none") for number in range(1, count + 1)]


def lackeys_runs(database: Database) -> Maker:
    """Runs of lackey's: one is made as users make them, the others are copies of its rows."""
    tables = models.Base.metadata.tables
    run, event, token = (tables[name] for name in ("run", "event", "token"))

    def make(count: int) -> list[tuple[int, str]]:
        wanted = scheduling.Wanted(name="bench", launch=False)
        first, _ = scheduling.schedule(database, wanted, "bench", datetime.now(UTC))
        columns = ", ".join(f'"{column.name}"' for column in run.columns if column.name != "id")
        series = "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < :count)"
        copy = f"INSERT INTO run ({columns}) {series} SELECT {columns} FROM run, series WHERE id = :first"
        told = ", ".join(f'"{column.name}"' for column in event.columns if column.name not in ("id", "run_id"))
        told_of = ", ".join(f"event.{name}" for name in told.split(", "))
        copy_events = f"INSERT INTO event (run_id, {told}) SELECT run.id, {told_of} FROM run, event"
        given = {"count": count, "first": first.id}
        with database.writer.begin() as connection:
            connection.execute(text(copy), given)
            connection.execute(text(f"{copy_events} WHERE run.id > :first AND event.run_id = :first"), given)
            ids = connection.execute(text("SELECT id FROM run WHERE id > :first"), given).scalars()
            made = [(run_id, str(uuid.uuid4())) for run_id in ids]
            connection.execute(insert(token), [{"digest": digest(secret), "run_id": of} for of, secret in made])
        database.close()  # the connections that are counted are the servers' alone
        return made

    return make


def plain_runs(connection: "sqlite3.Connection | psycopg.Cursor[tuple[object, ...]]") -> Maker:
    """Runs of a plain program's."""
    mark = "?" if isinstance(connection, sqlite3.Connection) else "%s"

    def make(count: int) -> list[tuple[int, str]]:
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM run").fetchone() or (0,)
        made = [(int(str(last)) + number, str(uuid.uuid4())) for number in range(1, count + 1)]
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO run (id, state) VALUES ({mark}, 'scheduled')", [(of,) for of, _ in made])
        tokens = [(digest(secret), of) for of, secret in made]
        connection.executemany(f"INSERT INTO token (digest, run_id) VALUES ({mark}, {mark})", tokens)
        connection.execute("COMMIT")
        return made

    return make
