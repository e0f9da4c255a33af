"""Following a run: what is shown, when it ends, with which exit code."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import DEADLINE_SECONDS, Service, environment, serving, start, wait_for

# Goes on until it is told to stop, so that a test can look at it while it runs; not for ever, should the test fail.
WAITS = 'echo begun; for i in $(seq 900); do [ -e "$LACKEY_RUN_DIR/go" ] && break; sleep 0.05; done; echo ended'


def application(service: Service, name: str, command: str) -> str:
    """An application of the project `lab`, by its full name."""
    service.api("POST", "/api/application", json={"project": "lab", "name": name, "command": command})
    return f"lab/{name}"


def state_of(service: Service, run_id: int) -> str:
    return str(service.api("GET", f"/api/run/{run_id}")["state"])


def run_directory(service: Service, run_id: int) -> Path:
    return service.share / "lab" / "lackey-runs" / str(run_id)


def newest(service: Service) -> dict[str, Any]:
    run: dict[str, Any] = service.api("GET", "/api/run?limit=1")["items"][0]
    return run


def followed(service: Service, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of a command on this service's host."""
    process = start(*arguments, cwd=service.directory)
    out, err = process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("name", "command", "code", "out", "outcome"),
    [
        ("good", "echo one; echo two >&2", 0, "one\ntwo\n", "succeeded after"),
        ("bad", "printf half; exit 3", 3, "half", "failed after"),
        ("killed", "kill -9 $$", 137, "", "failed after"),
        (
            "left",
            "nohup sleep 60 >&2 & echo on",
            0,
            "on\n",
            "1 process that its command left behind was ended; use `wait`",
        ),
        ("nowhere", "cd nowhere && true", 2, None, "failed after"),
    ],
)
def test_following_a_run_shows_its_log_and_exits_with_its_exit_code(
    desk: Service, name: str, command: str, code: int, out: str | None, outcome: str
) -> None:
    exit_code, printed, said = followed(desk, "run", "now", application(desk, name, command), "--follow")
    assert exit_code == code
    assert out is None or printed == out
    assert outcome in said.splitlines()[-1]


def test_with_json_the_ended_run_alone_is_on_standard_output(desk: Service) -> None:
    name = application(desk, "speaks", "echo much; exit 4")
    exit_code, printed, _ = followed(desk, "run", "now", name, "--follow", "--json")
    run = json.loads(printed)
    assert exit_code == 4 and (run["state"], run["exit_code"]) == ("failed", 4) and "token" not in run


def test_a_run_that_waits_says_why(desk: Service) -> None:
    name = application(desk, "one-by-one", WAITS)
    desk.api("PUT", f"/api/application/{newest_application(desk)['id']}", json={"max_running": 1})
    first = desk.api("POST", "/api/run", json={"application": name})["id"]
    wait_for(lambda: state_of(desk, first) == "running", "the first run")
    process = start("run", "now", name, "--follow", cwd=desk.directory)
    assert process.stderr is not None
    assert any("waits for another run of its application" in line for line in iter(process.stderr.readline, ""))
    second = newest(desk)["id"]
    (run_directory(desk, first) / "go").touch()
    wait_for(lambda: state_of(desk, second) == "running", "the second run")
    (run_directory(desk, second) / "go").touch()
    assert process.communicate(timeout=DEADLINE_SECONDS)[0] == "begun\nended\n"


def newest_application(service: Service) -> dict[str, Any]:
    application: dict[str, Any] = service.api("GET", "/api/application?limit=1")["items"][0]
    return application


def test_progress_is_told_in_lines_where_there_is_no_terminal(desk: Service) -> None:
    report = 'curl -fsS -X PUT -d "token=$LACKEY_TOKEN&fraction=0.5&message=half%1b[2J" '
    report += '"$LACKEY_URL/api/run/progress/$LACKEY_RUN_ID"'
    name = application(desk, "reports", f"{report} > /dev/null; {WAITS}")
    process = start("run", "now", name, "--follow", cwd=desk.directory)
    run = wait_for(lambda: newest(desk) if newest(desk)["name"] == name and newest(desk)["progress"] else None, "it")
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any(r"running: 50%, half\x1b[2J" in line for line in lines)
    (run_directory(desk, run["id"]) / "go").touch()
    assert process.communicate(timeout=DEADLINE_SECONDS)[0].endswith("begun\nended\n")
    assert process.returncode == 0


def test_ctrl_c_ends_the_following_and_not_the_run(desk: Service) -> None:
    process = start("run", "now", application(desk, "waits", WAITS), "--follow", cwd=desk.directory)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    run_id = newest(desk)["id"]
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=DEADLINE_SECONDS)[1]
    assert process.returncode == 130
    assert f"run {run_id} goes on; come back with: lackey run log {run_id} --follow" in said
    assert state_of(desk, run_id) == "running"
    (run_directory(desk, run_id) / "go").touch()
    assert followed(desk, "run", "log", str(run_id), "--follow")[:2] == (0, "begun\nended\n")


def test_a_cancelled_run_ends_its_following_without_success(desk: Service) -> None:
    process = start("run", "now", application(desk, "endless", "echo begun; sleep 60"), "--follow", cwd=desk.directory)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    code, said, _ = followed(desk, "run", "cancel", str(newest(desk)["id"]))
    assert code == 0 and "cancel" in said
    outcome = process.communicate(timeout=DEADLINE_SECONDS)[1]
    assert process.returncode != 0 and "cancelled" in outcome.splitlines()[-1]


def test_a_rerun_can_be_followed_and_a_run_waited_for(desk: Service) -> None:
    made = desk.api("POST", "/api/run", json={"application": application(desk, "again", "echo again; exit 6")})
    assert followed(desk, "run", "wait", str(made["id"]))[:2] == (6, "")
    assert followed(desk, "run", "rerun", str(made["id"]), "--follow")[:2] == (6, "again\n")


def test_a_log_goes_byte_by_byte_into_a_file(desk: Service) -> None:
    name = application(desk, "colours", r"printf '\033[31mred\033[0m\033[2J\377\r\n'")
    process = subprocess.run(
        [sys.executable, "-m", "lackey", "run", "now", name, "--follow"],
        cwd=desk.directory,
        env=environment(),
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    assert process.stdout == b"\x1b[31mred\x1b[0m\x1b[2J\xff\r\n"


def test_following_outlasts_a_service_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        (service.share / "lab").mkdir()
        service.api("POST", "/api/project", json={"name": "lab", "directory": "lab"})
        process = start("run", "now", application(service, "waits", WAITS), "--follow", cwd=tmp_path)
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "begun\n"
        service.process.kill()
        assert any("no service answers" in line for line in iter(process.stderr.readline, ""))
        service.process.wait()
    with serving(tmp_path, port=service.port) as again:
        assert any("the service is back" in line for line in iter(process.stderr.readline, ""))
        (run_directory(again, 1) / "go").touch()
        assert process.communicate(timeout=DEADLINE_SECONDS)[0] == "ended\n"
        assert process.returncode == 0


def at_a_terminal(service: Service, *arguments: str, meanwhile: Callable[[bytes], None] = lambda _: None) -> bytes:
    """What a command writes on a terminal; `meanwhile` is told all that was written so far."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(service.directory)
        os.execve(sys.executable, [sys.executable, "-m", "lackey", *arguments], environment(TERM="xterm"))
    written = b""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # the other side is closed: pty(7)
            break
        written += piece
        meanwhile(written)
    os.close(terminal)
    os.waitpid(child, 0)
    return written


def test_on_a_terminal_a_bar_shows_progress_and_the_log_keeps_nothing_but_its_colours(desk: Service) -> None:
    say = r"printf 'one \033[31mred\033[0m \033]0;owned\007\033[2J\033[Hdone\nhalf'"
    name = application(desk, "paints", f"{say}; {WAITS}")

    def let_it_go(written: bytes) -> None:
        if b"done\r\n" in written and b" running" in written:
            (run_directory(desk, newest(desk)["id"]) / "go").touch()

    written = at_a_terminal(desk, "run", "now", name, "--follow", meanwhile=let_it_go)
    assert b"one \x1b[31mred\x1b[0m done\r\n" in written
    assert "━".encode() in written
    assert b"halfbegun\r\n" in written and b"ended\r\n" in written
    assert not any(hostile in written for hostile in (b"\x1b]0;", b"\x1b[2J", b"\x1b[H"))
    assert written.endswith(b"\r\n") and b"\x1b[?25h" in written


def test_on_a_terminal_a_printed_log_is_harmless_too(desk: Service) -> None:
    made = desk.api("POST", "/api/run", json={"application": application(desk, "rings", r"printf 'a\007\033[2Jb\n'")})
    followed(desk, "run", "wait", str(made["id"]))
    assert at_a_terminal(desk, "run", "log", str(made["id"])) == b"ab\r\n"
