"""`lackey db` and `lackey key`: on the database itself, with no service."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Lackey, calls


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lackey:
    """The command line in an empty directory."""
    return calls(monkeypatch, tmp_path)


def test_the_schema_is_checked_and_brought_up_to_date(alone: Lackey, tmp_path: Path) -> None:
    result = alone("db", "check")
    assert result.exit_code == 1 and "lackey db upgrade" in result.stderr
    assert not list(tmp_path.glob("**/*.sqlite3"))
    assert alone("db", "upgrade").exit_code == alone("db", "upgrade").exit_code == 0
    result = alone("db", "check")
    assert result.exit_code == 0 and "as this version needs it" in result.stdout


def test_a_key_needs_a_schema(alone: Lackey) -> None:
    result = alone("key", "create", "anna", "--scope", "run")
    assert result.exit_code == 1 and "lackey db upgrade" in result.stderr and result.stdout == ""


def test_a_key_is_printed_once_and_alone_and_is_not_listed(alone: Lackey) -> None:
    alone("db", "upgrade")
    secret = alone("key", "create", "anna", "--scope", "run").stdout
    assert secret.count("\n") == 1 and " " not in secret
    (listed,) = json.loads(alone("key", "list", "--json").stdout)
    assert (listed["name"], listed["scope"], listed["revoked_at"]) == ("anna", "run", None)
    assert listed["created_at"].endswith("Z")
    assert secret.strip() not in alone("key", "list").stdout + str(listed)


def test_a_key_is_revoked_by_name_or_by_id_where_names_are_not_enough(alone: Lackey) -> None:
    alone("db", "upgrade")
    for name in ("anna", "ben", "ben"):
        alone("key", "create", name, "--scope", "read")
    assert alone("key", "revoke", "anna").exit_code == 0
    assert "there is no key anna in force" in alone("key", "revoke", "anna").stderr
    result = alone("key", "revoke", "ben")
    assert result.exit_code == 1 and "2 keys are called ben; say which by its id: 3, 2" in result.stderr
    assert alone("key", "revoke", "3").exit_code == alone("key", "revoke", "ben").exit_code == 0
    assert all(each["revoked_at"] for each in json.loads(alone("key", "list", "--json").stdout))


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "red\x1b[31m"])
def test_a_key_has_a_name_that_can_be_shown(alone: Lackey, name: str) -> None:
    assert alone("key", "create", name, "--scope", "read").exit_code == 2


def test_a_database_that_is_away_is_named_in_a_sentence(alone: Lackey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACKEY_DATABASE__URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    for arguments in (("db", "check"), ("db", "upgrade"), ("key", "list")):
        result = alone(*arguments)
        assert result.exit_code == 1 and result.stderr.startswith("lackey: the database is not available")


def test_a_configuration_that_is_not_there_is_named(alone: Lackey) -> None:
    result = alone("--config", "none.toml", "db", "check")
    assert result.exit_code == 1 and result.stderr.startswith("lackey: none.toml: can't be read")
