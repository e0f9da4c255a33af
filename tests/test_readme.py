"""The README is true: what it shows is run here as it stands there, only on another port."""

import json
import os
import re
import signal
import socket
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from lackey.services import Database
from lackey.services.runs import scheduling
from lackey.settings import load
from lackey.store import schema, tokens
from lackey.web.pages.report_lines import REPORT
from tests.copies import ROOT, copy_project
from tests.waiting import wait_until

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [textwrap.dedent(found) for found in re.findall(r"(?:^ {4}.*\n)+", TEXT, re.MULTILINE)]
LINES = [line for block in BLOCKS for line in block.splitlines()]
TOKEN = "99ee72e2-764d-42a9-b3a1-5c38d1647f28"


@dataclass
class Newcomer:
    """Somebody with a copy of the project, in a directory of its own, who has followed the README so far."""

    place: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, within_seconds: float = 240) -> subprocess.CompletedProcess[str]:
        """The command as a shell runs it; `lackey` is the one that was installed."""
        command = re.sub(r"\blocalhost:8000\b", f"localhost:{self.port}", command)
        path = f"{self.place / '.venv' / 'bin'}:{os.environ['PATH']}"
        environment = {**os.environ, **self.environment, "PATH": path}
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=within_seconds,
            check=False,
        )


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    place = tmp_path_factory.mktemp("clone") / "lackey"
    copy_project(place)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Newcomer(place, free.getsockname()[1])


@pytest.fixture(scope="module")
def started(newcomer: Newcomer) -> subprocess.CompletedProcess[str]:
    """What the first command of the README printed, called from elsewhere."""
    return newcomer.run(f"cd / && '{newcomer.place}'/scripts/quickstart --once --port {newcomer.port}")


@pytest.fixture(scope="module")
def served(newcomer: Newcomer, started: subprocess.CompletedProcess[str]) -> Iterator[Newcomer]:
    """The service on a fresh data directory, which has a run 1 with the README's token."""
    data_dir = newcomer.place / "readme"
    data_dir.mkdir()
    newcomer.environment["LACKEY_SERVER__DATA_DIR"] = str(data_dir)
    database = Database(f"sqlite:///{data_dir / 'lackey.sqlite3'}")
    schema.upgrade(database)
    run, _ = scheduling.schedule(database, scheduling.Wanted(name="one", launch=False), "anna", datetime.now(UTC))
    database.write(lambda connection: tokens.add(connection, run.id, TOKEN))
    database.close()
    command = [str(newcomer.place / ".venv/bin/lackey"), "serve", "--port", str(newcomer.port)]
    environment = {**os.environ, **newcomer.environment}
    with (newcomer.place / "serve.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=newcomer.place, env=environment, stderr=log)
    try:
        ready = f"curl -fsS --retry 60 --retry-delay 1 --retry-all-errors http://localhost:{newcomer.port}/readyz"
        assert newcomer.run(ready).returncode == 0, (newcomer.place / "serve.log").read_text()
        newcomer.environment["LACKEY_KEY"] = (data_dir / "admin.key").read_text().strip()
        simulation = data_dir / "share" / "weather" / "storm"
        simulation.parent.mkdir(parents=True)
        simulation.write_text('#!/bin/sh\necho "a storm of $2 cells"\n')
        simulation.chmod(0o755)
        yield newcomer
    finally:
        server.terminate()
        server.wait()


def shown(start: str) -> list[str]:
    """The lines of the README's examples that begin like this."""
    found = [line for line in LINES if line.startswith(start)]
    assert found, f"the README shows no {start}"
    return found


def test_the_first_command_shows_a_simulation_and_its_outcome(
    newcomer: Newcomer, started: subprocess.CompletedProcess[str]
) -> None:
    assert shown("scripts/quickstart") == ["scripts/quickstart"]
    assert started.returncode == 0, started.stdout + started.stderr
    assert "succeeded" in started.stdout + started.stderr
    assert f"http://localhost:{newcomer.port}/run/1" in started.stdout


def test_the_last_line_of_the_first_command_is_a_link_that_leads_to_the_run_it_has_shown(newcomer: Newcomer) -> None:
    command = ["scripts/quickstart", "--port", str(newcomer.port)]
    environment = {**os.environ, **newcomer.environment}
    output = newcomer.place / "interactive.log"
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=newcomer.place, env=environment, stdout=file, stderr=file)
    try:
        wait_until(lambda: b"To sign in, once: " in output.read_bytes() or process.poll() is not None, 180.0)
        *before, last = output.read_text().splitlines()
        page = next(line.removeprefix("Its page: ") for line in before if line.startswith("Its page: "))
        link = last.removeprefix("To sign in, once: ")
        with requests.Session() as browser:
            form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', browser.get(link, timeout=30).text))
            arrived = browser.post(link.partition("?")[0], data=form, timeout=30)
        assert arrived.ok and arrived.url == page
        assert "examples/heat" in arrived.text
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_the_first_command_works_a_second_time(newcomer: Newcomer, started: subprocess.CompletedProcess[str]) -> None:
    again = newcomer.run(f"scripts/quickstart --once --port {newcomer.port}")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "installing" not in again.stdout + again.stderr


def test_a_port_in_use_is_named(served: Newcomer) -> None:
    refused = served.run(f"scripts/quickstart --once --port {served.port}")
    assert refused.returncode != 0
    assert str(served.port) in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_second_command_is_there() -> None:
    assert shown("scripts/test") == ["scripts/test"]
    assert os.access(ROOT / "scripts" / "test", os.X_OK)


def test_the_curl_lines_make_a_run_start_it_and_stop_it(served: Newcomer) -> None:
    make, start, stop = shown("curl ")
    made = served.run(make)
    assert '"name":"my-experiment"' in made.stdout.replace(" ", ""), made.stderr
    first, last = served.run(start), served.run(stop)
    assert " 200 " in first.stdout.splitlines()[0]
    assert '"duration":10000.0' in last.stdout.replace(" ", "")
    log = served.run('curl -fsS -H "Authorization: Bearer $LACKEY_KEY" http://localhost:8000/api/run/1/log')
    assert log.stdout == "asdf 123"


def test_the_script_reports_its_run_and_its_log_and_keeps_its_exit_code(served: Newcomer) -> None:
    (script,) = [block for block in BLOCKS if "report() (" in block]
    assert REPORT in script
    again = 'curl -fsS -X POST -H "Authorization: Bearer $LACKEY_KEY" http://localhost:8000/api/run/rerun/1'
    made = json.loads(served.run(again).stdout)
    script = script.replace(TOKEN, made["token"]).replace("RUN_ID=1", f"RUN_ID={made['id']}")
    simulation = served.place / "simulation"
    simulation.write_text("#!/bin/sh\necho '50 % & more: 1+1, é'\nexit 3\n")
    simulation.chmod(0o755)
    done = served.run(f"set -euo pipefail\n{script}")
    assert (done.returncode, done.stderr) == (3, "")
    read = 'curl -fsS -H "Authorization: Bearer $LACKEY_KEY" http://localhost:8000/api/run'
    ended = json.loads(served.run(f"{read}/{made['id']}").stdout)
    assert (ended["state"], ended["exit_code"]) == ("failed", 3)
    assert served.run(f"{read}/{made['id']}/log").stdout == "50 % & more: 1+1, é\n"


def test_the_command_line_runs_a_simulation_on_the_share(served: Newcomer) -> None:
    for line in shown("lackey "):
        done = served.run(line)
        assert done.returncode == 0, line + done.stdout + done.stderr
        if "run now" in line:
            assert "a storm of 128 cells" in done.stdout
        if "sweep table" in line:
            assert [row.split(",")[2:4] for row in done.stdout.splitlines()[1:]] == [
                [cells, "succeeded"] for cells in ("64", "128", "256")
            ]
        if "schedule add" in line:
            assert done.stdout.count("02:00:00 Europe/Zurich") == 5
        if "key create" in line:
            assert len(done.stdout.split()) == 1


def test_the_configuration_it_shows_is_understood(tmp_path: Path) -> None:
    (block,) = [block for block in BLOCKS if block.startswith("[server]")]
    (tmp_path / "lackey.toml").write_text(block)
    settings = load(tmp_path / "lackey.toml")
    assert settings.shares["lab"].unc == "\\\\fileserver\\lab"
    assert settings.executor.local.user == "lackey-run"
