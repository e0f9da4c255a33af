"""`lackey import-v1` is killed in the middle: all of it is there, or nothing."""

from pathlib import Path

import psutil

from lackey.services import Database
from tests.cli.desk import start, wait_for
from tests.cli.lackey_1 import ENDED, STARTED, OldService


def runs_in(file: Path) -> int:
    database = Database(f"sqlite:///{file}")
    with database.read() as connection:
        found: int = connection.exec_driver_sql("SELECT count(*) FROM run").scalar_one()
    database.close()
    return found


def test_an_import_that_is_killed_leaves_nothing_and_can_be_done_again(sqlite_url: str, tmp_path: Path) -> None:
    old = OldService(tmp_path / "old.sqlite")
    old.make()
    old.heat()
    log = " ".join(f"word{number}" for number in range(500))
    old.runs({"id": number, "start": STARTED, "end": ENDED, "raw_log": log} for number in range(1, 2001))
    file = tmp_path / "lackey.sqlite3"
    written = Path(f"{file}-wal")

    killed = start("import-v1", str(old.file), cwd=tmp_path, LACKEY_DATABASE__URL=sqlite_url)
    # What does not fit into memory any more lies there before the end.
    wait_for(lambda: written.exists() and written.stat().st_size > 1 << 20, "the first pages of the import")
    psutil.Process(killed.pid).suspend()
    assert killed.poll() is None, "it was to be killed before its end"
    killed.kill()
    killed.communicate()
    assert runs_in(file) == 0

    again = start("import-v1", str(old.file), cwd=tmp_path, LACKEY_DATABASE__URL=sqlite_url)
    said, problem = again.communicate(timeout=60)
    assert again.returncode == 0, problem
    assert "2000 new (2000 succeeded)" in said and runs_in(file) == 2000
