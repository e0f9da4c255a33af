"""The shell lines by which a script reports, as pages and README show them: whatever answers, or nothing does."""

import os
import signal
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from lackey.web.pages.report_lines import report_lines
from tests.cli.desk import Service, free_port, serving, wait_for

TOKEN = "99ee72e2-764d-42a9-b3a1-5c38d1647f28"
# The options of curl 7.61 that the lines may use (its manual page names each), and whether a value follows.
KNOWN_BY_OLD_CURL = {"-sS": 0, "--connect-timeout": 1} | dict.fromkeys(
    ["-Y", "-y", "-X", "-K", "-w", "-d", "-F", "-m"], 1
)
OLD_CURL = f"""#!/usr/bin/env python3
import os, sys
known, words = {KNOWN_BY_OLD_CURL!r}, iter(sys.argv[1:])
for word in words:
    if word.startswith("-"):
        if word not in known:
            sys.exit(f"curl: option {{word}}: is unknown")
        if known[word]:
            next(words)
os.execv("/usr/bin/curl", ["curl", *sys.argv[1:]])
"""
SHELLS = ("dash", "bash")


class Answers(BaseHTTPRequestHandler):
    """Answers with `codes`, one after the other, the last for ever; 0: breaks the connection off."""

    codes: ClassVar[list[int]]
    asked: ClassVar[list[str]]

    def do_PUT(self) -> None:
        verb = self.path.split("/")[3]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if verb == "start":
            code = 200
        else:
            code = self.codes[min(len(self.asked), len(self.codes) - 1)]
            self.asked.append(verb)
        if code == 0:
            self.close_connection = True
            self.connection.close()
            return
        body = b'{"title": "exit should be a whole number"}'
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def answering(*codes: int) -> Iterator[tuple[str, list[str]]]:
    """Where a server answers stops with these, and the list of what it has been asked."""
    handler = type("Handler", (Answers,), {"codes": list(codes), "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.asked  # type: ignore[attr-defined]
        server.shutdown()


def lines_of(url: str, run_id: int, token: str) -> str:
    """What the page of a run shows for a script: the function, and the traps."""
    curl = report_lines(run_id, url, token)[0]
    return "\n".join(code for _, code in curl.steps[:2])


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """Of a script on an old system: a curl of 7.61, and a sleep that is over at once, and is noted in `pauses`."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "curl").write_text(OLD_CURL)
    (tools / "sleep").write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/pauses\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    return {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}


def script(shell: str, text: str, surroundings: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [shell, "-c", textwrap.dedent(text)], env=surroundings, capture_output=True, text=True, timeout=60, check=False
    )


def strict(shell: str) -> str:
    return "set -euo pipefail" if shell == "bash" else "set -eu"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service"), "--no-scheduler", ready="/healthz") as started:
        yield started


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("code", [0, 4])
def test_the_end_is_reported_with_the_exit_code_of_a_strict_script(
    service: Service, surroundings: dict[str, str], shell: str, code: int
) -> None:
    run = service.api("POST", "/api/run", json={"launch": False, "name": "by hand"})
    lines = lines_of(service.url, run["id"], run["token"])
    done = script(shell, f"{strict(shell)}\n{lines}\n(exit {code})\necho not reached after a failure", surroundings)
    assert (done.returncode, done.stderr) == (code, "")
    ended = service.api("GET", f"/api/run/{run['id']}")
    assert (ended["state"], ended["exit_code"]) == ("failed" if code else "succeeded", code)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"])
def test_a_script_that_is_killed_reports_its_end(
    service: Service, surroundings: dict[str, str], shell: str, number: int, code: int
) -> None:
    run = service.api("POST", "/api/run", json={"launch": False, "name": "by hand"})
    text = f"{lines_of(service.url, run['id'], run['token'])}\n/bin/sleep 60"
    process = subprocess.Popen([shell, "-c", text], env=surroundings, start_new_session=True)
    wait_for(lambda: service.api("GET", f"/api/run/{run['id']}")["state"] == "running", "its start")
    # As a terminal and a batch system do: to all of its processes.
    os.killpg(process.pid, number)
    assert process.wait(60) == code
    ended = service.api("GET", f"/api/run/{run['id']}")
    assert (ended["state"], ended["exit_code"]) == ("failed", code)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("code", [400, 401, 409])
def test_a_refusal_is_said_and_not_repeated(surroundings: dict[str, str], shell: str, code: int) -> None:
    with answering(code) as (url, asked):
        done = script(shell, f"{strict(shell)}\n{lines_of(url, 1, TOKEN)}\necho simulated", surroundings)
    assert (done.returncode, done.stdout, asked) == (0, "simulated\n", ["stop"])
    assert "lackey: stop was not reported" in done.stderr
    assert "exit should be a whole number" in done.stderr and str(code) in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("code", [408, 429, 500, 503, 0], ids=["408", "429", "500", "503", "broken-off"])
def test_what_passes_is_tried_again_until_it_arrives(surroundings: dict[str, str], shell: str, code: int) -> None:
    with answering(code, code, 200) as (url, asked):
        done = script(shell, f"{strict(shell)}\n{lines_of(url, 1, TOKEN)}\nexit 7", surroundings)
    assert (done.returncode, asked) == (7, ["stop", "stop", "stop"])
    assert "not reported" not in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_where_nothing_answers_the_simulation_runs_all_the_same(
    surroundings: dict[str, str], tmp_path: Path, shell: str
) -> None:
    lines = lines_of(f"http://127.0.0.1:{free_port()}", 1, TOKEN)
    text = f"{strict(shell)}\n{lines}\nreport progress -d fraction=0.5\necho simulated\nwait\nexit 5"
    done = script(shell, text, surroundings)
    assert (done.returncode, done.stdout) == (5, "simulated\n")
    for verb in ("start", "progress", "stop"):
        assert f"lackey: {verb} was not reported" in done.stderr
    # Start and stop each wait a little over two minutes in all, progress not at all.
    assert sum(map(int, (tmp_path / "pauses").read_text().split())) == 2 * 127


def test_without_curl_and_without_a_token_a_script_goes_on(surroundings: dict[str, str], tmp_path: Path) -> None:
    lines = lines_of("http://127.0.0.1:1", 1, TOKEN).replace(f" LACKEY_TOKEN={TOKEN}", "")
    surroundings = {"PATH": str(tmp_path / "empty")}
    done = script("/bin/bash", f"set -euo pipefail\n{lines}\necho simulated", surroundings)
    assert (done.returncode, done.stdout) == (0, "simulated\n")
    assert "lackey: stop was not reported" in done.stderr


def test_no_list_of_processes_shows_the_token(surroundings: dict[str, str], tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    (tmp_path / "tools" / "curl").write_text(f'#!/bin/sh\ntr "\\0" "\\n" < /proc/$$/cmdline >> {seen}\necho 200\n')
    assert script("dash", f"{lines_of('http://127.0.0.1:1', 1, TOKEN)}\nwait", surroundings).returncode == 0
    assert "/api/run/stop/1" in seen.read_text() and TOKEN not in seen.read_text()
