"""The examples are real computations with right results, and report as the contract says."""

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from lackey.domain.application import Parameter
from lackey.domain.command import check_command, check_parameters, fill_parameters

EXAMPLES = Path(__file__).resolve().parent.parent / "lackey" / "examples"
CATALOGUE = json.loads((EXAMPLES / "examples.json").read_text(encoding="utf-8"))
TOKEN = "99ee72e2-764d-42a9-b3a1-5c38d1647f28"
EPIDEMIC = ("sh", "epidemic/epidemic.sh", "100000", "0.4", "0.1", "40", "200")


@dataclass
class Listener:
    """Stands where lackey would: takes every report and keeps it as (path, authorization, body)."""

    url: str
    reports: list[tuple[str, str | None, bytes]] = field(default_factory=list)

    def of(self, verb: str) -> list[dict[str, Any]]:
        """The JSON reports of one kind."""
        return [json.loads(body) for path, _, body in self.reports if path == f"/api/run/{verb}/7"]

    def form(self, verb: str) -> dict[str, list[str]]:
        """The only form-encoded report of one kind."""
        [body] = [body for path, _, body in self.reports if path == f"/api/run/{verb}/7"]
        return parse_qs(body.decode(), strict_parsing=True, keep_blank_values=True)


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.reports.append((self.path, self.headers["Authorization"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Listener(f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield found
        server.shutdown()


def run_example(*command: str, **environment: object) -> subprocess.CompletedProcess[str]:
    variables = {name: str(value) for name, value in environment.items()}
    program = [sys.executable if command[0] == "python3" else command[0], str(EXAMPLES / command[1]), *command[2:]]
    where = variables.get("LACKEY_RUN_DIR")
    # In the run's directory where it is there: the examples write nowhere else.
    cwd = where if where and Path(where).is_dir() else "/"
    return subprocess.run(
        program, cwd=cwd, env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True, timeout=60
    )


def run_of(url: str, directory: Path) -> dict[str, str]:
    return {"LACKEY_URL": url, "LACKEY_RUN_ID": "7", "LACKEY_TOKEN": TOKEN, "LACKEY_RUN_DIR": str(directory)}


def rows_of(table: Path) -> list[list[float]]:
    with table.open(newline="") as file:
        return [[float(value) for value in row] for row in csv.reader(file) if row[0] != "day"]


def test_heat_runs_without_lackey_and_nears_a_quarter_in_the_middle() -> None:
    ended = run_example("python3", "heat/explicit.py", LACKEY_PARAM_N=17, LACKEY_PARAM_STEPS=1000)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "step 1000: residual" in ended.stdout
    assert "temperature in the middle 0.2500" in ended.stdout


def test_heat_reports_its_progress_to_the_end_and_a_residual_that_falls(listener: Listener, tmp_path: Path) -> None:
    ended = run_example(
        "python3", "heat/explicit.py", **run_of(listener.url, tmp_path), LACKEY_PARAM_N=17, LACKEY_PARAM_STEPS=500
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    fractions = [report["fraction"] for report in listener.of("progress")]
    assert len(fractions) > 1
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    metrics = listener.of("metric")
    assert {metric["name"] for metric in metrics} == {"residual"}
    values = [metric["value"] for metric in sorted(metrics, key=lambda metric: metric["step"])]
    assert values == sorted(values, reverse=True)


def test_heat_shows_its_token_to_lackey_alone(listener: Listener, tmp_path: Path) -> None:
    ended = run_example(
        "python3", "heat/explicit.py", **run_of(listener.url, tmp_path), LACKEY_PARAM_N=9, LACKEY_PARAM_STEPS=10
    )
    assert {authorization for _, authorization, _ in listener.reports} == {f"Bearer {TOKEN}"}
    seen = ended.stdout + ended.stderr + "".join(file.read_text() for file in tmp_path.iterdir())
    assert TOKEN not in seen


def test_heat_leaves_the_temperatures_in_the_directory_of_its_run(tmp_path: Path) -> None:
    run_example("python3", "heat/explicit.py", LACKEY_RUN_DIR=tmp_path, LACKEY_PARAM_N=17, LACKEY_PARAM_STEPS=1000)
    rows = rows_of(tmp_path / "temperature.csv")
    assert len(rows) == 17
    assert all(row == row[::-1] and 0 <= min(row) <= max(row) <= 1 for row in rows)
    # The exact steady state, at the middle of the plate and by symmetry.
    assert rows[8][8] == pytest.approx(0.25, abs=1e-5)


def test_heat_ends_well_while_lackey_is_away(tmp_path: Path) -> None:
    ended = run_example(
        "python3", "heat/explicit.py", **run_of("http://127.0.0.1:1", tmp_path), LACKEY_PARAM_N=9, LACKEY_PARAM_STEPS=9
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "lackey did not take the report" in ended.stdout


def test_the_epidemic_reports_its_start_and_its_end_with_curl(listener: Listener, tmp_path: Path) -> None:
    ended = run_example(*EPIDEMIC, **run_of(listener.url, tmp_path))
    assert (ended.returncode, ended.stderr) == (0, "")
    start, stop = listener.form("start"), listener.form("stop")
    assert start.keys() == {"ts"}
    assert {authorization for _, authorization, _ in listener.reports} == {f"Bearer {TOKEN}"}
    assert stop["exit"] == ["0"]
    assert int(start["ts"][0]) <= int(stop["ts"][0])
    assert stop["log"] == [(tmp_path / "summary.txt").read_text()]
    assert "infected at once" in stop["log"][0]


def test_the_epidemic_reports_what_it_came_to(listener: Listener, tmp_path: Path) -> None:
    run_example(*EPIDEMIC, **run_of(listener.url, tmp_path))
    bodies = [parse_qs(body.decode()) for path, _, body in listener.reports if path == "/api/run/metric/7"]
    told = {body["name"][0]: float(body["value"][0]) for body in bodies}
    rows = rows_of(tmp_path / "epidemic.csv")
    assert told == {
        "most_infected": round(max(row[2] for row in rows)),
        "ever_infected": round(rows[-1][2] + rows[-1][3]),
    }


def test_the_epidemic_keeps_its_population_and_the_invariant_of_the_model(tmp_path: Path) -> None:
    run_example(*EPIDEMIC, LACKEY_RUN_DIR=tmp_path)
    rows = rows_of(tmp_path / "epidemic.csv")
    assert [row[0] for row in rows] == list(range(1, 41))
    for _, susceptible, infected, recovered in rows:
        assert susceptible + infected + recovered == pytest.approx(100_000, abs=1e-4)
        # dI/dS = gamma N / (beta S) - 1, hence this sum stays what it was (Kermack and McKendrick, 1927).
        invariant = susceptible + infected - 0.25 * 100_000 * math.log(susceptible / 99_990)
        assert invariant == pytest.approx(100_000, rel=1e-7)
    # While nearly all are susceptible, the infected grow as exp((beta - gamma) t).
    assert rows[4][2] == pytest.approx(10 * math.exp(0.3 * 5), rel=2e-3)
    assert rows[-1][1] < 20_000


def test_an_epidemic_that_fails_says_so(listener: Listener, tmp_path: Path) -> None:
    ended = run_example(*EPIDEMIC, **run_of(listener.url, tmp_path / "missing"))
    assert ended.returncode == 1
    assert listener.form("stop")["exit"] == ["1"]
    assert not [path for path, _, _ in listener.reports if "metric" in path]


def test_the_failing_example_gives_its_reason_and_exit_code_3() -> None:
    ended = run_example("python3", "failing/burgers.py", LACKEY_PARAM_DT="0.00016")
    assert ended.returncode == 3
    assert "the CFL condition is violated" in ended.stdout


def test_a_shorter_time_step_mends_the_failing_example() -> None:
    unstable = {"LACKEY_PARAM_DT": "0.0002", "LACKEY_PARAM_END_TIME": "0.01"}
    assert run_example("python3", "failing/burgers.py", **unstable).returncode == 3
    ended = run_example("python3", "failing/burgers.py", **{**unstable, "LACKEY_PARAM_DT": "0.0001"})
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "done")


@pytest.mark.parametrize("application", CATALOGUE["applications"], ids=lambda application: str(application["name"]))
def test_each_example_is_described_as_lackey_wants_it(application: dict[str, Any]) -> None:
    parameters = [Parameter(**declared) for declared in application["parameters"]]
    check_parameters(parameters)
    check_command(application["command"], parameters)
    assert fill_parameters(parameters, {}).keys() == {parameter.name for parameter in parameters}
    script = application["command"].split()[1]
    assert (EXAMPLES / application["directory"] / script).is_file()
