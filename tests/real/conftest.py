"""What the tests with real servers share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def empty_copy(sqlite_template: Path, tmp_path: Path) -> Path:
    """A data directory with a database that has the schema and nothing in it."""
    shutil.copyfile(sqlite_template, tmp_path / "lackey.sqlite3")
    return tmp_path
