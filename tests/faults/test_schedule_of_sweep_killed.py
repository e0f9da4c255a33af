"""A scheduler is killed while it makes the sweep of a recurring schedule: in the end it is there once, and whole."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lackey.domain.paths import Share
from lackey.services import Database
from lackey.services.catalogue import changing as catalogue
from lackey.services.schedules import changing, firing, reading
from lackey.services.sweeps.care import Care
from tests.services.lab import APPLICATION, PROJECT
from tests.stage import now, until

POINTS = 5_000
SCHEDULE: dict[str, Any] = {"application": "heat/explicit", "parameters": {}, "cron": "0 0 1 1 *", "timezone": "UTC"}
SCHEDULE |= {"overlap": "skip", "catch_up": "latest", "paused": False, "grid": {"n": f"1..{POINTS}"}}
BE_SCHEDULER = """
import sys
from lackey.services import Database
from lackey.services.schedules import firing
from lackey.services.sweeps import making
from lackey.services.sweeps.care import Care
from tests.stage import now
making.POINTS_AT_ONCE = making.RUNS_AT_ONCE = 50
database, drafts, care = Database(sys.argv[1]), firing.Drafts(), Care()
while True:
    firing.fire(database, now(), drafts)
    care.tick(database, now())
"""


def count(database: Database, what: str) -> int:
    with database.read() as connection:
        found: int = connection.exec_driver_sql(f"SELECT count(*) FROM {what}").scalar_one()
    return found


# What there is when it is killed: points of a sweep that is not complete, or the first of its runs.
@pytest.mark.parametrize("table", ["sweep_point", "run"])
def test_a_time_at_which_the_scheduler_is_killed_makes_one_whole_sweep(database_url: str, table: str) -> None:
    database = Database(database_url)
    catalogue.add_project(database, PROJECT, {"lab": Share("lab", "/srv/lab", None)}, now())
    catalogue.add_application(database, APPLICATION, {"lab": Share("lab", "/srv/lab", None)}, now())
    schedule = changing.add(database, SCHEDULE, "anna", now() - timedelta(days=366))
    killed = subprocess.Popen([sys.executable, "-c", BE_SCHEDULER, database_url], cwd=Path(__file__).parents[2])
    until(lambda: count(database, table) >= 100, "the first pieces")
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, "it was to be killed before its end"
    assert count(database, "run") < POINTS
    care, drafts, more = Care(), firing.Drafts(), True
    while more or not reading.ticks(database, schedule.id, None, 1):
        later = now() + timedelta(seconds=61)
        firing.fire(database, later, drafts)
        more = care.tick(database, later)
    assert [tick.came_to for _, tick in reading.ticks(database, schedule.id, None, 9)] == ["caught_up"]
    assert [count(database, what) for what in ("sweep", "sweep_point", "run")] == [1, POINTS, POINTS]
    database.close()
