"""What `lackey import-v1` refuses: it says why in a sentence, and nothing is written."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lackey.store.lackey_1 import COLUMNS
from tests.cli.conftest import Lackey, calls
from tests.cli.lackey_1 import LOOSE, SCHEMA, NewService, OldService

# What has nothing to do with the new database is looked at with one of them.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_run_of_somebody_else_with_such_an_id_is_in_the_way(new: NewService, old: OldService) -> None:
    foreign = [new.api.reported_run(name=f"mine {number}")["id"] for number in range(3)]
    old.heat()
    old.runs({"id": number} for number in (1, 2, 3, 4))
    assert foreign == [1, 2, 3]
    assert new.refused() == (
        "lackey: nothing was imported from old.sqlite: 3 things are in the way\n"
        "run 1: 'mine 0' has its id here\nrun 2: 'mine 1' has its id here\nrun 3: 'mine 2' has its id here\n"
    )


def test_the_first_twenty_of_what_is_in_the_way_are_named(new: NewService, old: OldService) -> None:
    old.heat()
    old.runs({"id": number, "schedule": "soon"} for number in range(1, 31))
    lines = new.refused().splitlines()
    assert lines[0].endswith("30 things are in the way") and lines[-1] == "… and 10 more"
    assert [line.partition(":")[0] for line in lines[1:-1]] == [f"run {number}" for number in range(1, 21)]


def test_projects_and_applications_with_such_an_id_or_name_are_in_the_way(new: NewService, old: OldService) -> None:
    new.api.application(name="mine")
    old.project(1, name="flow")
    old.project(2, name="heat")
    old.application(1, name="mine", project_id=2)
    said = new.refused()
    assert "project 1 ('flow'): 'heat' has its id here" in said
    assert "project 2: its name 'heat' is that of project 1 here" in said
    assert "application 1 ('mine'): 'mine' has its id here" in said


def test_what_another_lackey_1_knew_under_the_same_ids_is_in_the_way(new: NewService, old: OldService) -> None:
    old.heat()
    old.run(1, token="")
    new.take_over()
    old.say("UPDATE run SET command = 'another'")
    assert "run 1: 'heat/explicit' has its id here" in new.refused()


@on_sqlite
@pytest.mark.parametrize(
    ("table", "column", "value", "said"),
    [
        ("project", "id", "one", "project: id is no id (a whole number from 1 to 1000000000000000)"),
        ("project", "id", None, "project: id is no id"),
        ("project", "id", 0, "project: id is no id"),
        ("project", "name", 5, "project 1: name is no text"),
        ("project", "title", b"Heat", "project 1: title is no text"),
        ("project", "directory", None, "project 1: directory is no text"),
        ("application", "description", 2.5, "application 1: description is no text"),
        ("application", "command", "./heat\0", "application 1: command holds a NUL character"),
        ("application", "project_id", "1", "application 1: project_id is no id"),
        ("run", "id", 2**63 - 1, "run: id is no id"),
        ("run", "id", -1, "run: id is no id"),
        ("run", "command", None, "run 1: command is no text"),
        ("run", "schedule", None, "run 1: schedule is no time such as 2013-05-25 10:55:56"),
        ("run", "schedule", 1369479356, "run 1: schedule is no time"),
        ("run", "schedule", "25.05.2013 10:55", "run 1: schedule is no time"),
        ("run", "schedule", "2013-02-30 10:55:56", "run 1: schedule is no time"),
        ("run", "start", "2013-05-25T10:55:56Z", "run 1: start is no time"),
        ("run", "end", "", "run 1: end is no time"),
        ("run", "end", "0001-01-01 00:00:00", "run 1: end is a time that no calendar has in UTC"),
        ("run", "token", 17, "run 1: token is no text"),
        ("run", "raw_log", 17, "run 1: raw_log is neither a text nor a blob"),
        ("run", "application_id", 1.5, "run 1: application_id is no id"),
    ],
)
def test_a_value_that_cannot_be_understood_is_named_by_row_and_column(
    new: NewService, old: OldService, table: str, column: str, value: Any, said: str
) -> None:
    old.file.unlink()
    old.make(LOOSE)
    old.heat()
    old.run(1)
    old.say(f'UPDATE {table} SET "{column}" = ?', value)
    assert f"\n{said}" in new.refused("--timezone", "Asia/Tokyo")


def test_text_that_is_no_utf8_is_named_by_row_and_column(new: NewService, old: OldService) -> None:
    old.project()
    old.say("UPDATE project SET title = CAST(x'fc' AS TEXT)")
    assert "\nproject 1: title is no UTF-8\n" in new.refused()


def test_ids_that_come_twice_are_named(new: NewService, old: OldService) -> None:
    old.file.unlink()
    old.make(LOOSE)
    for _ in range(2):
        old.heat()
        old.run(7)
    said = new.refused()
    assert all(f"\n{one} comes twice\n" in said for one in ("project 1", "application 1", "run 7"))


def test_when_anything_is_in_the_way_later_ids_are_not_moved(new: NewService, old: OldService) -> None:
    old.heat()
    old.runs([{"id": 1, "start": "soon"}, {"id": 1000}])
    new.refused()
    assert new.api.reported_run()["id"] == 1


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path) -> Lackey:
    """The command line of an empty installation on SQLite."""
    (tmp_path / "var").mkdir()
    shutil.copyfile(sqlite_template, tmp_path / "var" / "lackey.sqlite3")
    return calls(monkeypatch, tmp_path)


def nothing(_: OldService) -> None:
    """Leave it as it was made."""


def damage(old: OldService) -> None:
    old.heat()
    old.runs({"id": number, "raw_log": "x" * 500} for number in range(1, 200))
    content = bytearray(old.file.read_bytes())
    content[20_000:40_000] = os.urandom(20_000)
    old.file.write_bytes(content)


def cut_short(old: OldService) -> None:
    damage(old)
    old.file.write_bytes(old.file.read_bytes()[:30_000])


def in_utf16(old: OldService) -> None:
    old.file.unlink()
    old.make(f"PRAGMA encoding = 'UTF-16le'; {SCHEMA}")


def with_a_view_without_end(old: OldService) -> None:
    old.say("DROP TABLE run")
    columns = ", ".join(f'x AS "{name}"' for name in COLUMNS["run"])
    old.say(
        f"CREATE VIEW run AS WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT {columns} FROM r"
    )


def with_a_virtual_table(old: OldService) -> None:
    old.say("DROP TABLE run")
    old.say("CREATE VIRTUAL TABLE run USING fts5({})".format(", ".join(f'"{name}"' for name in COLUMNS["run"])))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda old: old.file.write_bytes(b""), "is no database of lackey 1.0: it has no table project"),
        (lambda old: old.file.write_text("id,name\n1,heat\n" * 99), "is no SQLite database"),
        (lambda old: old.say("DROP TABLE application"), "is no database of lackey 1.0: it has no table application"),
        (
            lambda old: old.say('ALTER TABLE run DROP COLUMN "end"'),
            "is no database of lackey 1.0: its table run has no end",
        ),
        (with_a_view_without_end, "is no database of lackey 1.0: it has no table run"),
        (with_a_virtual_table, "is no database of lackey 1.0: it has no table run"),
        (in_utf16, "holds its texts in UTF-16le, not in UTF-8; import a copy: sqlite3 FILE .dump | sqlite3 COPY"),
        (damage, "is damaged"),
        (cut_short, "old.sqlite"),
    ],
)
def test_what_is_no_sound_database_of_lackey_1_is_refused_with_a_sentence(
    alone: Lackey, old: OldService, spoil: Callable[[OldService], object], said: str
) -> None:
    spoil(old)
    result = alone("import-v1", str(old.file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("lackey: old.sqlite ") and said in result.stderr


def test_the_database_of_this_installation_is_refused(alone: Lackey, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("var/lackey.sqlite3")
    for file in ("var/lackey.sqlite3", "link"):
        result = alone("import-v1", file)
        assert result.exit_code == 1 and "is the database of this installation itself" in result.stderr


def test_what_is_no_file_is_refused_at_once(alone: Lackey, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = alone("import-v1", "pipe")
    assert (result.exit_code, result.stderr) == (1, "lackey: pipe is no file\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.sqlite"], "'none.sqlite' does not exist"),
        (["old.sqlite", "--share", "lab"], "there is no share 'lab' here; there are: local"),
        *((["old.sqlite", "--timezone", zone], "there is no time zone") for zone in ("Mars", "../UTC", "", "Europe")),
    ],
)
def test_wrong_usage_is_told_from_failure(alone: Lackey, old: OldService, arguments: list[str], said: str) -> None:
    result = alone("import-v1", *arguments)
    assert result.exit_code == 2 and said in result.stderr


def test_a_schema_that_is_not_current_is_named(
    old: OldService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = calls(monkeypatch, tmp_path)("import-v1", str(old.file))
    assert result.exit_code == 1 and "lackey db upgrade" in result.stderr
