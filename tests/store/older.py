"""A database as version 0002 of the schema had it, with rows, and that version's way to read and write them.

Its statements name the columns that it knew, and no others.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from alembic import command
from sqlalchemy import Connection, MetaData, Table, insert, select, text, update

from lackey.store import schema
from lackey.store.database import Database
from lackey.store.tokens import digest

VERSION = "0002"
KEY = "a key of before"
NOW = datetime.now(UTC).replace(microsecond=0)

_PROJECT = {"name": "heat", "title": "Heat", "description": "", "share": "lab", "directory": "heat", "created_at": 1}
_APPLICATION = {"project_id": 1, "name": "explicit", "description": "", "directory": "explicit", "command": "./heat"}
_APPLICATION |= {"parameters": [{"name": "n", "kind": "integer"}], "environment": {"OMP_NUM_THREADS": "4"}}
_APPLICATION |= {"executor": "local", "retries": 2, "workdir": "run", "created_at": 2}
_RUN: dict[str, Any] = {"name": "heat/explicit", "project_id": 1, "application_id": 1, "project": "heat"}
_RUN |= {"application": "heat/explicit", "launched": True, "by": "anna", "command": "./heat", "share": "lab"}
_RUN |= {"directory": "heat/explicit", "workdir": "run", "parameters": {"n": "64"}, "environment": {}, "priority": 3}
_RUN |= {"executor": "local", "retries": 0, "held": False, "after": [], "ticket_open": False, "evidence": {}}
_RUN |= {"marks": ["clock"], "log_size": 8, "stop_log_size": 0, "log_kept": True, "revision": 4}
_INSERT_WORDS = {
    "sqlite": text("INSERT INTO run_words (rowid, words) VALUES (:id, :words)"),
    "postgresql": text("INSERT INTO run_words (id, words) VALUES (:id, to_tsvector('simple', :words))"),
}


def ago(**time: float) -> int:
    """A moment before now, as it is stored."""
    return (NOW - timedelta(**time) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


# When the runs ended, by their ids; those that did not are of the states that there are besides.
ENDED = {1: ago(days=400), 2: ago(hours=25), 3: ago(hours=12), 4: ago(minutes=1), 5: ago(hours=-12)}
UNENDED = {6: "running", 7: "queued", 8: "scheduled"}


def _runs() -> list[dict[str, Any]]:
    times = {run_id: {"state": "failed", "started_at": at - 10, "ended_at": at} for run_id, at in ENDED.items()}
    states: dict[int, dict[str, Any]] = {run_id: {"state": state} for run_id, state in UNENDED.items()}
    return [run(run_id, **values) for run_id, values in (times | states).items()]


def run(run_id: int, **values: Any) -> dict[str, Any]:
    """The row of a run as that version made it."""
    return {**_RUN, "id": run_id, "uid": f"u{run_id}", "created_at": 3, "scheduled_at": ago(days=1), **values}


ROWS: dict[str, list[dict[str, Any]]] = {
    "installation": [{"id": "an installation", "created_at": 1}],
    "key": [{"id": 1, "name": "anna", "scope": "admin", "digest": digest(KEY), "created_at": 1}],
    "scheduler": [{"name": "host", "started_at": 1, "beat_at": 2, "leads": True}],
    "project": [_PROJECT],
    "application": [_APPLICATION],
    "run": _runs(),
    "token": [{"digest": digest(f"token {run_id}"), "run_id": run_id} for run_id in (*ENDED, *UNENDED)],
    "event": [{"run_id": 6, "at": 5, "kind": "made", "by": "anna", "text": "made", "details": {"x": [1]}}],
    "metric": [{"run_id": 6, "name": "residual", "place": "step 1", "step": 1.0, "ts": 2.5, "value": 0.1}],
    "log_piece": [{"run_id": 6, "part": "log", "start": 0, "content": b"caf\xc3\xa9 \xff\x00"}],
    "indexed_text": [{"id": 1, "run_id": 1}],
    "idempotency": [
        {"key_id": 1, "digest": b"a", "request_digest": b"b", "resource_id": 1, "created_at": ago(hours=1)}
    ],
    "user_idempotency": [
        {"user": "bob", "digest": b"a", "request_digest": b"b", "resource_id": 2, "created_at": ago(hours=1)}
    ],
}


@dataclass(frozen=True)
class Older:
    """The version that knew this schema, at work on the database."""

    database: Database
    tables: dict[str, Table]

    def add(self, connection: Connection, table: str, *rows: dict[str, Any]) -> None:
        """Write rows."""
        for row in rows:
            connection.execute(insert(self.tables[table]).values(row))

    def change_run(self, connection: Connection, run_id: int, **values: Any) -> None:
        """Write a run's columns, and read it whole from the same statement, as `store.runs.change` does."""
        runs = self.tables["run"]
        changed = update(runs).where(runs.c.id == run_id).values(values).returning(*runs.c)
        row = connection.execute(changed).mappings().one()
        assert {name: row[name] for name in values} == values

    def kept(self) -> dict[str, list[Any]]:
        """All that this version can see."""
        with self.database.read() as connection:
            return {name: sorted(connection.execute(select(table)), key=repr) for name, table in self.tables.items()}


def older(database: Database) -> Older:
    """The version, and its rows in this database, which is empty."""
    with database.writer.begin() as connection:
        command.upgrade(schema._config(connection), VERSION)
        known = MetaData()
        known.reflect(connection, only=lambda name, _: not name.startswith(("run_words", "alembic")))
        version = Older(database, dict(known.tables))
        assert sorted(ROWS) == sorted(version.tables)
        for table, rows in ROWS.items():
            version.add(connection, table, *rows)
        connection.execute(_INSERT_WORDS[connection.dialect.name], {"id": 1, "words": "heat needle"})
    return version
