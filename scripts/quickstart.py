"""Starts lackey, registers its examples and runs one; `scripts/quickstart` has installed what it needs.

Whatever ends this program (Ctrl-C, SIGTERM, a closed terminal) ends what it started, too: the service, and the run of
the example if that is still under way.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = "heat"
LOG = "quickstart.log"
START_SECONDS = 60
END_SECONDS = 15

Child = subprocess.Popen[bytes]


class Trouble(Exception):
    """Something that the user has to know, as a sentence; the quickstart can't go on."""


class Stopped(Exception):
    """The user, or the system, wants this program to end; holds the signal's number."""


class Signals:
    """Signals leave a note and interrupt nothing, so that no child is lost between its start and its entry here."""

    def __init__(self) -> None:
        self.caught = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        self.caught = number

    def pause(self) -> None:
        """Wait for a moment. Raises Stopped."""
        if not self.caught:
            time.sleep(0.1)
        if self.caught:
            raise Stopped(self.caught)


class Api:
    """The service's HTTP API, as a client on the same host sees it."""

    def __init__(self, port: int, key: str = "") -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.key = key
        # The service is on this host; a proxy has no part in it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer's JSON. Raises Trouble when the service refuses, OSError when it can't be reached."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Accept", "application/json")
        if self.key:
            request.add_header("Authorization", f"Bearer {self.key}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=10) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise Trouble(f"{method} {path}: {error.code} {error.read(2000).decode(errors='replace')}") from None

    @property
    def environment(self) -> dict[str, str]:
        """With which the command line finds the service."""
        return {"LACKEY_URL": self.url, "LACKEY_KEY": self.key, "no_proxy": "127.0.0.1"}


def port_number(text: str) -> int:
    """A port as argument. Raises ArgumentTypeError, which argparse turns into a sentence."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; ports go from 1 to 65535")
    return int(text)


def check_port(port: int) -> None:
    """Raises Trouble when somebody else listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise Trouble(f"port {port} needs root; choose another with --port") from None
        except OSError:
            raise Trouble(f"port {port} is in use; choose another with --port") from None


def start(*arguments: str, environment: dict[str, str] | None = None, output: IO[bytes] | int | None = None) -> Child:
    """Start the lackey that is installed beside this Python; its output goes where ours does, or to a file."""
    return subprocess.Popen(
        [sys.executable, "-m", "lackey", *arguments],
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # Ctrl-C is to reach this program alone, which then ends its children in good order.
        start_new_session=True,
    )


@contextmanager
def service(port: int, data_directory: Path, signals: Signals) -> Iterator[Api]:
    """The service, ready to serve; ended when the block is left. Its output goes to a file."""
    log = data_directory / LOG
    with log.open("wb") as output:
        child = start("serve", "--port", str(port), output=output)
    try:
        wait_until_ready(child, Api(port), log, signals)
        yield Api(port, (data_directory / "admin.key").read_text().strip())
    finally:
        end(child)


def wait_until_ready(child: Child, api: Api, log: Path, signals: Signals) -> None:
    """Return when the service says so. Raises Trouble when it ends instead, or takes too long."""
    last = "it did not answer"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            lines = log.read_text(errors="replace").splitlines()[-20:]
            raise Trouble("\n".join(["the service ended at once:", *lines]))
        try:
            api("GET", "/readyz")
            return
        except (Trouble, OSError, ValueError) as error:
            last = str(error)
        signals.pause()
    raise Trouble(f"the service is not ready after {START_SECONDS} s ({last}); see {log}")


def end(child: Child) -> None:
    """End a child: gently if it lets us, else with all of its process group."""
    child.terminate()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def register(api: Api) -> None:
    """Lay the examples on the share and make them known. Raises Trouble."""
    child = start("example", environment=api.environment, output=subprocess.PIPE)
    said, _ = child.communicate()
    if child.returncode:
        raise Trouble(said.decode(errors="replace"))


def sign_in_line(log: Path, run: int) -> str:
    """What the service has said of how to sign in, leading to the page of a run."""
    lines = log.read_text(errors="replace").splitlines()
    line = next(line for line in lines if line.startswith("To sign in")).replace("127.0.0.1", "localhost")
    return f"{line}?next=/run/{run}"


def newest_run(api: Api) -> dict[str, Any] | None:
    """The example's latest run, if it ever ran."""
    return next(iter(api("GET", f"/api/run?application=examples/{EXAMPLE}&limit=1")["items"]), None)


def run_example(api: Api, signals: Signals) -> tuple[int, int]:
    """Run the example, and show how it goes; the run's id and exit code. A run that is interrupted is cancelled."""
    before = newest_run(api)
    child = start("run", "now", f"examples/{EXAMPLE}", "--follow", environment=api.environment)
    try:
        while child.poll() is None:
            signals.pause()
    except Stopped:
        end(child)
        cancel_newest(api, before)
        raise
    run = newest_run(api)
    if run is None or (before and before["id"] == run["id"]):
        raise Trouble("the example did not start; the lines above say why")
    print(f"\nRun {run['id']} of examples/{EXAMPLE} {run['state']}, exit code {run['exit_code']}.")
    print(f"Its page: {api.url.replace('127.0.0.1', 'localhost')}/run/{run['id']}", flush=True)
    return run["id"], child.returncode


def cancel_newest(api: Api, before: dict[str, Any] | None) -> None:
    """Cancel the run that came after `before`, and wait for its end, so that it leaves no process behind."""
    run = newest_run(api)
    if run is None or (before and before["id"] == run["id"]):
        return
    api("POST", f"/api/run/cancel/{run['id']}")
    deadline = time.monotonic() + END_SECONDS
    while api("GET", f"/api/run/{run['id']}")["ended_at"] is None and time.monotonic() < deadline:
        time.sleep(0.1)


def quickstart(port: int, once: bool) -> int:
    """The whole way; returns the exit code."""
    signals = Signals()
    check_port(port)
    data_directory = Path(os.environ.get("LACKEY_SERVER__DATA_DIR") or ROOT / "var").absolute()
    os.environ["LACKEY_SERVER__DATA_DIR"] = str(data_directory)
    data_directory.mkdir(parents=True, exist_ok=True)
    print(f"Starting lackey on port {port} …", flush=True)
    with service(port, data_directory, signals) as api:
        register(api)
        run, code = run_example(api, signals)
        if once:
            return code
        print(f"lackey serves http://localhost:{port} until Ctrl-C; its log is {data_directory / LOG}")
        # Last, where it is seen.
        print(sign_in_line(data_directory / LOG, run), flush=True)
        while True:
            signals.pause()


def main() -> int:
    """Read the arguments, and put what goes wrong into a sentence."""
    parser = argparse.ArgumentParser(
        prog="scripts/quickstart",
        description="Installs lackey into .venv, starts it, registers its examples, runs one and shows how it goes; "
        "then serves until Ctrl-C.",
    )
    parser.add_argument("--once", action="store_true", help="end after the example, with its exit code")
    parser.add_argument("--port", type=port_number, default=8000, help="where the service listens (8000)")
    arguments = parser.parse_args()
    try:
        return quickstart(arguments.port, arguments.once)
    except (Trouble, OSError) as trouble:
        print(f"scripts/quickstart: {trouble}", file=sys.stderr)
        return 1
    except Stopped as stopped:
        print("\nlackey has ended.")
        return 0 if stopped.args[0] == signal.SIGINT and not arguments.once else 128 + int(stopped.args[0])


if __name__ == "__main__":
    sys.exit(main())
