"""Recurring schedules from a shell."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Lackey
from tests.cli.desk import Service

Json = Callable[..., Any]
NIGHTLY = ("lab/heat", "--cron", "0 2 * * *", "--timezone", "Europe/Zurich")


@pytest.fixture(scope="module", autouse=True)
def heat(service: Service) -> Iterator[None]:
    """An application to run."""
    service.api("POST", "/api/project", json={"name": "lab"})
    body = {"project": "lab", "name": "heat", "command": "./heat {n}", "parameters": [{"name": "n", "default": "8"}]}
    service.api("POST", "/api/application", json=body)
    yield


def test_a_schedule_is_made_and_says_when_it_makes_its_next_five_runs(cli: Lackey) -> None:
    lines = cli("schedule", "add", *NIGHTLY, "-p", "n=9").stdout.splitlines()
    assert "runs lab/heat" in lines[0]
    assert len(lines) == 6 and all(" 02:00:00 Europe/Zurich (in " in line for line in lines[1:])


def test_a_rule_is_tried_out_and_nothing_is_made(cli: Lackey, as_json: Json) -> None:
    before = as_json("schedule", "list")
    lines = cli("schedule", "preview", "--cron", "30 4 * * mon", "--timezone", "Asia/Kolkata").stdout.splitlines()
    assert len(lines) == 5 and all(" 04:30:00 Asia/Kolkata (in " in line for line in lines)
    assert as_json("schedule", "list") == before


def test_a_wrong_rule_is_refused_and_the_reason_is_said(cli: Lackey) -> None:
    refused = cli("schedule", "add", "lab/heat", "--cron", "0 25 * * *", "--timezone", "UTC")
    assert refused.exit_code == 1
    assert "cron: " in refused.stderr


def test_a_schedule_is_shown_changed_paused_and_resumed(cli: Lackey, as_json: Json) -> None:
    made = str(as_json("schedule", "add", *NIGHTLY, "-p", "n=9", "--overlap", "queue", "--catch-up", "none")["id"])
    shown = cli("schedule", "show", made).stdout
    for said in ("lab/heat", "n=9", "0 2 * * *", "Europe/Zurich", "queue", "none"):
        assert said in shown
    changed = as_json("schedule", "edit", made, "--cron", "0 3 * * *", "--pause")
    assert (changed["cron"], changed["paused"], changed["firings"]) == ("0 3 * * *", True, [])
    assert "paused" in next(line for line in cli("schedule", "list").stdout.splitlines() if line.startswith(made))
    assert len(as_json("schedule", "edit", made, "--resume")["firings"]) == 5
    assert cli("schedule", "edit", made).exit_code == 2


def test_a_schedule_is_removed(cli: Lackey, as_json: Json) -> None:
    made = str(as_json("schedule", "add", *NIGHTLY)["id"])
    assert cli("schedule", "remove", made).exit_code == 2
    assert cli("schedule", "remove", made, "--yes").exit_code == 0
    assert cli("schedule", "show", made).exit_code == 1


def test_a_schedule_of_a_sweep_is_made_of_a_grid_or_a_table(cli: Lackey, as_json: Json, tmp_path: Path) -> None:
    made = as_json("schedule", "add", *NIGHTLY, "--grid", "n=1..3", "--max-running", "2")
    assert (made["grid"], made["max_running"]) == ({"n": "1..3"}, 2)
    assert "n=1..3" in cli("schedule", "show", str(made["id"])).stdout
    (tmp_path / "points.csv").write_text("n\n1\n5\n")
    changed = as_json("schedule", "edit", str(made["id"]), "--csv", str(tmp_path / "points.csv"))
    assert (changed["grid"], changed["points"]) == ({}, [{"n": "1"}, {"n": "5"}])
    refused = cli("schedule", "add", *NIGHTLY, "--csv", "-", input="n\n1,2\n")
    assert (refused.exit_code, "line 2" in refused.stderr) == (2, True)
