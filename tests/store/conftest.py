"""Databases with no schema yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lackey.store.database import Database
from tests.postgres import Cluster


@pytest.fixture
def empty_sqlite(tmp_path: Path) -> str:
    """The URL of a file that is not there yet."""
    return f"sqlite:///{tmp_path / 'empty.sqlite3'}"


@pytest.fixture
def empty_postgresql(postgresql: Cluster) -> str:
    """The URL of a new database."""
    return postgresql.create()


@pytest.fixture(params=["empty_sqlite", "empty_postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """Each in turn."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    """The same, open."""
    database = Database(empty_url)
    yield database
    database.close()
