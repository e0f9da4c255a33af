"""Databases of lackey 1.0, as tests need them, and a new installation that takes them over."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import Result
from sqlalchemy import text

from lackey.services import Database
from lackey.store.models import Base
from tests.cli.desk import ROOT
from tests.web.client import Api

TOKEN = "212c8e00-6bda-4b45-a73e-{:012}"
DUE = "2013-05-25 10:55:56.000000"
STARTED = "2013-05-25 11:00:00.000000"
ENDED = "2013-05-25 12:30:00.500000"
# What lackey 1.0's own tables were made with.
SCHEMA = """
CREATE TABLE project (
    id INTEGER NOT NULL, name VARCHAR NOT NULL, title VARCHAR NOT NULL, description VARCHAR NOT NULL,
    directory VARCHAR NOT NULL, PRIMARY KEY (id)
);
CREATE TABLE application (
    id INTEGER NOT NULL, name VARCHAR NOT NULL, description VARCHAR NOT NULL, directory VARCHAR NOT NULL,
    command VARCHAR NOT NULL, project_id INTEGER, PRIMARY KEY (id), FOREIGN KEY(project_id) REFERENCES project (id)
);
CREATE TABLE run (
    id INTEGER NOT NULL, directory VARCHAR NOT NULL, command VARCHAR NOT NULL, schedule DATETIME NOT NULL,
    token VARCHAR NOT NULL, raw_log VARCHAR, start DATETIME, "end" DATETIME, application_id INTEGER, PRIMARY KEY (id),
    FOREIGN KEY(application_id) REFERENCES application (id)
);
"""
# The same without a word about types, so that anything goes in.
LOOSE = """
CREATE TABLE project (id, name, title, description, directory);
CREATE TABLE application (id, name, description, directory, command, project_id);
CREATE TABLE run (id, directory, command, schedule, token, raw_log, start, "end", application_id);
"""
REAL = ROOT.parent / "shared/data/lackey-1.0.sqlite"


@dataclass(frozen=True)
class OldService:
    """The database of a lackey 1.0, in `file`."""

    file: Path

    def make(self, schema: str = SCHEMA) -> None:
        """With nothing in it."""
        with closing(sqlite3.connect(self.file)) as connection:
            connection.executescript(schema)

    def say(self, statement: str, *values: Any) -> None:
        """Any statement."""
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(statement, values)

    def project(self, number: int = 1, name: Any = "heat", directory: Any = "heat/", **more: Any) -> None:
        """A project."""
        usual = {"title": "", "description": ""}
        self._insert("project", {**usual, "id": number, "name": name, "directory": directory, **more})

    def application(self, number: int = 1, name: Any = "explicit", directory: Any = "explicit/", **more: Any) -> None:
        """An application, of the first project unless it is said otherwise."""
        usual = {"description": "", "command": "./heat -n 64", "project_id": 1}
        self._insert("application", {**usual, "id": number, "name": name, "directory": directory, **more})

    def run(self, number: int = 1, **more: Any) -> None:
        """A run that is due and has not started, unless it is said otherwise."""
        self.runs([{"id": number, **more}])

    def runs(self, rows: Iterable[dict[str, Any]]) -> None:
        """Many of them."""
        usual = {"directory": "heat/explicit/", "command": "./heat -n 64", "schedule": DUE, "application_id": 1}
        usual |= dict.fromkeys(("raw_log", "start", "end"))
        self._insert("run", *({**usual, "token": TOKEN.format(row["id"]), **row} for row in rows))

    def heat(self) -> None:
        """A project with an application."""
        self.project()
        self.application()

    def _insert(self, table: str, *rows: dict[str, Any]) -> None:
        columns, places = ", ".join(f'"{name}"' for name in rows[0]), ", ".join(f":{name}" for name in rows[0])
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)


@dataclass
class NewService:
    """An installation with two shares, to whose command line and interface one can speak."""

    cli: Any
    api: Api
    database: Database
    old: OldService
    said: list[str] = field(default_factory=list)

    def take_over(self, *options: str, zone: str = "UTC") -> Any:
        """Import the old database; what was done, as JSON."""
        result = self.attempt(*options, "--json", zone=zone)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def attempt(self, *options: str, zone: str = "UTC") -> Result:
        """Try to import the old database."""
        result: Result = self.cli("import-v1", str(self.old.file), "--timezone", zone, *options)
        self.said.append(result.output)
        return result

    def refused(self, *options: str) -> str:
        """Try to import it in vain; why that was, after a look that nothing was written."""
        before = self.everything()
        result = self.attempt(*options)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        assert self.everything() == before
        return result.stderr

    def run(self, number: int) -> Any:
        """A run as the interface shows it."""
        return self.api.get(f"/api/run/{number}").json

    def log(self, number: int) -> bytes:
        """A run's log."""
        log: bytes = self.api.get(f"/api/run/{number}/log").body
        return log

    def report(self, verb: str, number: int, fields: str, token: str | None = None) -> Any:
        """A report as curl -d sends it, with the old token unless another is given."""
        token = TOKEN.format(number) if token is None else token
        return self.api.form("PUT", f"/api/run/{verb}/{number}", f"token={token}&{fields}")

    def everything(self) -> dict[str, list[str]]:
        """All rows of all tables, but those that the words are in."""
        with self.database.read() as connection:
            return {
                name: sorted(str(tuple(row)) for row in connection.execute(text(f'SELECT * FROM "{name}"')))
                for name in Base.metadata.tables
            }


def noted(summary: Any, words: str) -> list[str]:
    """Which ones the summary says this of."""
    return [which for found in summary["found"] if words in found["what"] for which in found["which"]]
