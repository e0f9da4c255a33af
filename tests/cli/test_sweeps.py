"""Sweeps from a shell."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Lackey, calls
from tests.cli.desk import Service

Json = Callable[..., Any]


@pytest.fixture(scope="module", autouse=True)
def heat(service: Service) -> Iterator[None]:
    """An application to run."""
    service.api("POST", "/api/project", json={"name": "lab"})
    parameters = [{"name": "n", "default": "8"}, {"name": "scheme", "default": "upwind"}]
    body = {"project": "lab", "name": "heat", "command": "./heat {n} {scheme}", "parameters": parameters}
    service.api("POST", "/api/application", json=body)
    yield


def points(sweep: Any, as_json: Json) -> list[dict[str, str]]:
    return [row["parameters"] for row in as_json("sweep", "table", str(sweep["id"]))]


def test_a_grid_is_made_of_what_people_type(as_json: Json) -> None:
    made = as_json("sweep", "add", "lab/heat", "--grid", "n=1..3", "--grid", "scheme=upwind,central", "--name", "both")
    assert (made["runs"], made["name"], made["parameters"]) == (6, "both", ["n", "scheme"])
    expected = [{"n": str(n), "scheme": scheme} for n in (1, 2, 3) for scheme in ("upwind", "central")]
    assert points(made, as_json) == expected


def test_a_table_of_points_is_read_from_a_file(as_json: Json, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("n,scheme\n1,upwind\n2,central\n")
    table = str(tmp_path / "points.csv")
    made = as_json("sweep", "add", "lab/heat", "--csv", table, "--priority", "3", "--max-running", "2", "--hold")
    assert (made["priority"], made["max_running"], made["hold"]) == (3, 2, True)
    assert points(made, as_json) == [{"n": "1", "scheme": "upwind"}, {"n": "2", "scheme": "central"}]


def test_a_faulty_table_is_refused_by_its_line(cli: Lackey) -> None:
    refused = cli("sweep", "add", "lab/heat", "--csv", "-", input="n,speed\n1,2\n")
    assert refused.exit_code == 1
    assert "line 2" in refused.stderr and "speed" in refused.stderr


def test_a_grid_or_a_table_is_needed_and_not_both(cli: Lackey) -> None:
    assert cli("sweep", "add", "lab/heat").exit_code == 2
    assert cli("sweep", "add", "lab/heat", "--grid", "n=1", "--csv", "-", input="n\n1\n").exit_code == 2


def test_it_is_shown_listed_changed_cancelled_and_run_again(cli: Lackey, as_json: Json) -> None:
    made = str(as_json("sweep", "add", "lab/heat", "--grid", "n=1..4", "-p", "scheme=central")["id"])
    assert "4: 4 queued" in cli("sweep", "show", made).stdout
    assert as_json("sweep", "edit", made, "--priority", "7", "--hold")["hold"] is True
    assert "held" in next(line for line in cli("sweep", "list").stdout.splitlines() if line.startswith(made))
    assert cli("sweep", "cancel", made).exit_code == 2
    assert "is being cancelled" in cli("sweep", "cancel", made, "--yes").stdout
    assert cli("sweep", "edit", made).exit_code == 2


def test_its_table_is_printed_whole_as_csv_and_sorted(cli: Lackey, as_json: Json) -> None:
    made = str(as_json("sweep", "add", "lab/heat", "--grid", "n=2,10,1")["id"])
    shown = cli("sweep", "table", made, "--csv", "--sort", "-parameters.n").stdout
    assert [row["n"] for row in csv.DictReader(io.StringIO(shown))] == ["10", "2", "1"]
    assert cli("sweep", "table", made).stdout.splitlines()[0].split() == [
        *("POINT", "RUN", "n", "scheme", "STATE", "EXIT", "TOOK")
    ]


def test_one_follows_it_to_its_end_and_learns_by_the_exit_code_whether_all_succeeded(
    desk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"project": "lab", "name": "small", "command": "test {n} -lt 3", "parameters": [{"name": "n"}]}
    desk.api("POST", "/api/application", json=body)
    cli = calls(monkeypatch, desk.directory)
    ended = cli("sweep", "add", "lab/small", "--grid", "n=1..2", "--follow")
    assert ended.exit_code == 0, ended.stderr
    assert "100%, 2 succeeded" in ended.stderr
    failed = cli("sweep", "add", "lab/small", "--grid", "n=2..3", "--follow")
    assert failed.exit_code == 1
    assert "1 succeeded, 1 failed" in failed.stderr


@pytest.mark.parametrize("how", ["grid", "csv"])
def test_a_sweep_waits_has_tags_and_variables_and_runs_wait_for_it(
    cli: Lackey, as_json: Json, tmp_path: Path, how: str
) -> None:
    points = ["--grid", "n=1..2"]
    if how == "csv":
        (tmp_path / "points.csv").write_text("n\n1\n2\n")
        points = ["--csv", str(tmp_path / "points.csv")]
    first = as_json("sweep", "add", "lab/heat", "--grid", "n=1..2", "--hold")["id"]
    given = ("--after", f"sweep:{first}:ended", "--tag", "paper", "--env", "MODE=a b", "--env", "OMP_NUM_THREADS=2")
    made = as_json("sweep", "add", "lab/heat", *points, *given)
    assert made["after"] == [{"sweep": first, "on": "ended"}]
    assert (made["tags"], made["environment"]) == (["paper"], {"MODE": "a b", "OMP_NUM_THREADS": "2"})
    shown = cli("sweep", "show", str(made["id"])).stdout
    assert f"sweep {first} (ended)" in shown and f"waits for sweep {first} to end" in shown and "MODE=a b" in shown
    run = as_json("run", "now", "lab/heat", "--after", f"sweep:{made['id']}", "--after", "1:ended")
    assert run["after"] == [{"run": 1, "on": "ended"}, {"sweep": made["id"], "on": "succeeded"}]
    assert f"run 1 (ended), sweep {made['id']}" in cli("run", "show", str(run["id"])).stdout
    for wrong in ("sweep:", "sweep:x", "sweep:1:begun", "7:", "sweep"):
        assert cli("run", "now", "lab/heat", "--after", wrong).exit_code == 2
