"""A process that makes a sweep is killed in the middle: all of the sweep is there in the end, or nothing."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from lackey.domain.paths import Share
from lackey.services import Database
from lackey.services.catalogue import changing
from lackey.services.sweeps.care import Care
from tests.services.lab import APPLICATION, PROJECT
from tests.stage import now, until

POINTS = 20_000
MAKE = f"""
import sys
from lackey.services import Database
from lackey.services.runs.scheduling import Wanted
from lackey.services.sweeps import making
from tests.stage import now
making.POINTS_AT_ONCE = making.RUNS_AT_ONCE = 50
points = lambda: ((str(number), {{"n": str(number)}}) for number in range({POINTS}))
making.make(Database(sys.argv[1]), making.WantedSweep(Wanted("heat/explicit"), points), "anna", now)
"""


def count(database: Database, table: str) -> int:
    with database.read() as connection:
        found: int = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
    return found


# What there is when the maker is killed: points of a sweep that is not complete, or the first of its runs.
@pytest.mark.parametrize(("table", "left"), [("sweep_point", 0), ("run", POINTS)])
def test_of_a_sweep_whose_maker_is_killed_all_runs_are_made_or_none(database_url: str, table: str, left: int) -> None:
    database = Database(database_url)
    changing.add_project(database, PROJECT, {"lab": Share("lab", "/srv/lab", None)}, now())
    changing.add_application(database, APPLICATION, {"lab": Share("lab", "/srv/lab", None)}, now())
    maker = subprocess.Popen([sys.executable, "-c", MAKE, database_url], cwd=Path(__file__).parents[2])
    until(lambda: count(database, table) >= 100, "the first pieces")
    os.kill(maker.pid, signal.SIGKILL)
    assert maker.wait() == -signal.SIGKILL, "it was to be killed before its end"
    assert count(database, "run") < POINTS
    care = Care()
    while care.tick(database, now() + timedelta(seconds=61)):
        pass
    assert (count(database, "run"), count(database, "sweep_point"), count(database, "sweep")) == (left, left, left > 0)
    database.close()
