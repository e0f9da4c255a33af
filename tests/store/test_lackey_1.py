"""Reading databases of lackey 1.0: from disks that can't be written, and while somebody else has them open."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lackey.domain.refusals import NotImportable
from lackey.store import lackey_1
from tests.cli.lackey_1 import OldService

NOBODY = 65534


@pytest.fixture
def old(tmp_path: Path) -> OldService:
    """With one project."""
    service = OldService(tmp_path / "what? 100%#.sqlite")
    service.make()
    service.project()
    return service


@contextmanager
def unwritable(directory: Path) -> Iterator[None]:
    """Nothing can be written there meanwhile, not by root either, who is nobody for that long."""
    directory.chmod(0o555)
    for path in directory.iterdir():
        path.chmod(0o444)
    before = {path.name for path in directory.iterdir()}
    open_to_all = [parent for parent in directory.parents if not parent.stat().st_mode & 0o001]
    for parent in open_to_all:
        parent.chmod(parent.stat().st_mode | 0o011)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        assert {path.name for path in directory.iterdir()} == before
        directory.chmod(0o755)


def names(old: OldService) -> list[str]:
    with lackey_1.opened(old.file) as opened:
        return [row["name"] for row in opened.rows("project")]


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_is_read_where_nothing_can_be_written(old: OldService, mode: str) -> None:
    old.say(f"PRAGMA journal_mode={mode}")
    with unwritable(old.file.parent):
        assert names(old) == ["heat"]


def test_what_is_still_in_the_write_ahead_log_is_read_too(old: OldService) -> None:
    with closing(sqlite3.connect(old.file)) as open_elsewhere:
        open_elsewhere.execute("PRAGMA journal_mode=wal")
        open_elsewhere.execute("UPDATE project SET name = 'flow'")
        open_elsewhere.commit()
        assert names(old) == ["flow"]


def test_a_write_ahead_log_that_cannot_be_used_where_it_lies_is_not_passed_over(
    old: OldService, tmp_path: Path
) -> None:
    copy = OldService(tmp_path / "copy" / "old.sqlite")
    copy.file.parent.mkdir()
    with closing(sqlite3.connect(old.file)) as open_elsewhere:
        open_elsewhere.execute("PRAGMA journal_mode=wal")
        open_elsewhere.execute("UPDATE project SET name = 'flow'")
        open_elsewhere.commit()
        copy.file.write_bytes(old.file.read_bytes())
        Path(f"{copy.file}-wal").write_bytes(Path(f"{old.file}-wal").read_bytes())
    with unwritable(copy.file.parent), pytest.raises(NotImportable, match="old.sqlite-wal.*copy them together"):
        names(copy)
    assert names(copy) == ["flow"]


def test_all_is_read_as_of_one_moment(old: OldService) -> None:
    old.say("PRAGMA journal_mode=wal")
    with lackey_1.opened(old.file) as opened:
        old.project(2, "flow")
        assert [row["name"] for row in opened.rows("project")] == ["heat"]
    assert names(old) == ["heat", "flow"]


def test_a_database_that_somebody_writes_is_said_to_be_busy(old: OldService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lackey_1, "BUSY_SECONDS", 0.01)
    with closing(sqlite3.connect(old.file)) as open_elsewhere:
        open_elsewhere.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NotImportable, match="database is locked"):
            names(old)
