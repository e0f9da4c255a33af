"""`lackey db copy`: what it prints, and what it does not."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lackey.store.database import Database
from tests.cli.conftest import Lackey, calls
from tests.postgres import Cluster

SECRET = "Sesame-7"


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lackey:
    """The command line in a directory with a database that holds two keys."""
    alone = calls(monkeypatch, tmp_path)
    alone("db", "upgrade")
    for name in ("anna", "ben"):
        alone("key", "create", name, "--scope", "read")
    return alone


@pytest.fixture
def target(postgresql: Cluster) -> str:
    """An empty database, of which the URL holds a password."""
    return postgresql.create().replace("postgres@", f"postgres:{SECRET}@")


SOURCE = "sqlite:///var/lackey.sqlite3"


def test_a_copy_counts_the_rows_and_says_what_comes_next_and_never_the_password(alone: Lackey, target: str) -> None:
    result = alone("db", "copy", SOURCE, target)
    assert result.exit_code == 0, result.stderr
    counts = dict(line.split() for line in result.stdout.splitlines())
    assert (counts["TABLE"], counts["key"], counts["run"]) == ("ROWS", "2", "0")
    assert f'url = "{target.replace(SECRET, "***")}"' in result.stderr
    assert SECRET not in result.output
    database = Database(target)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT name FROM key ORDER BY id").scalars().all() == ["anna", "ben"]
    database.close()


def test_the_counts_as_json(alone: Lackey, target: str) -> None:
    counts = json.loads(alone("db", "copy", SOURCE, target, "--json").stdout)
    assert (counts["key"], counts["run"], counts["indexed_text"]) == (2, 0, 0)


def test_a_second_copy_is_refused_without_the_password(alone: Lackey, target: str) -> None:
    hidden = f"{target}&password={SECRET}"
    alone("db", "copy", SOURCE, hidden)
    result = alone("db", "copy", SOURCE, hidden)
    assert result.exit_code == 1 and "there are rows in key" in result.stderr
    assert SECRET not in result.output


def test_a_path_is_answered_with_the_url_that_it_has(alone: Lackey, target: str, tmp_path: Path) -> None:
    result = alone("db", "copy", "var/lackey.sqlite3", target)
    assert result.exit_code == 2 and f"sqlite:///{tmp_path}/var/lackey.sqlite3" in result.stderr


@pytest.mark.parametrize(
    "odd", ["postgresql://lackey:Sesame-7@db/lackey", "postgresql+psycopg://lackey:Sesame-7@db:x/"]
)
def test_a_url_that_can_t_be_used_is_refused_without_the_password(alone: Lackey, odd: str) -> None:
    result = alone("db", "copy", SOURCE, odd)
    assert result.exit_code in (1, 2) and result.stderr.strip() and SECRET not in result.output


def test_a_schema_that_is_not_this_version_s_is_to_be_upgraded_first(alone: Lackey, target: str) -> None:
    with closing(sqlite3.connect("old.sqlite3")) as old:
        old.execute("CREATE TABLE something (id integer)")
    result = alone("db", "copy", "sqlite:///old.sqlite3", target)
    assert result.exit_code == 1 and "lackey db upgrade" in result.stderr
