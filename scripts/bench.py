"""Measures the two hot paths: start and stop reports under uWSGI, and launches; each beside a bare program.

A shared machine's times mean nothing by themselves, so each round runs both sides, one after the other, and what is
printed are the ratios, lackey over bare: the median of the rounds, the least and the greatest.
"""

import argparse
import contextlib
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import requests

from lackey.services import Database
from lackey.services.catalogue import changing
from lackey.services.runs import scheduling
from lackey.settings import Settings, load
from lackey.store import schema

ROOT = Path(__file__).resolve().parents[1]
PORT = 18765
THREADS = 16


def main() -> int:
    """Run both, print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three short rounds instead of seven longer ones")
    quick = parser.parse_args().quick
    rounds, seconds, launches = (3, 4, 500) if quick else (7, 15, 2000)
    report(
        "reports a second, × a trivial Bottle app", rounds, lambda: reports_rate(seconds), lambda: trivial_rate(seconds)
    )
    report("launches a second, × a bare spawn", rounds, lambda: launches_rate(launches), lambda: bare_rate(launches))
    return 0


def report(what: str, rounds: int, ours: Callable[[], float], bare: Callable[[], float]) -> None:
    """Print the ratio of two rates, measured in turns."""
    pairs = [(ours(), bare()) for _ in range(rounds)]
    ratios = sorted(one / other for one, other in pairs)
    rates = f"{statistics.median(a for a, _ in pairs):.0f} and {statistics.median(b for _, b in pairs):.0f}"
    print(
        f"{what}: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}; rates here {rates})", flush=True
    )


@contextmanager
def installation() -> Iterator[tuple[Settings, Database]]:
    """A fresh data directory with a database, on this machine's disk."""
    with tempfile.TemporaryDirectory(prefix="lackey-bench-", dir=ROOT / ".venv") as directory:
        os.environ["LACKEY_SERVER__DATA_DIR"] = directory
        settings = load()
        settings.make_own_share()
        database = Database(settings.database_url)
        schema.upgrade(database)
        try:
            yield settings, database
        finally:
            database.close()


def reports_rate(seconds: int) -> float:
    """Start and stop, with 1 kB of log, on SQLite with synchronous=FULL."""
    now = datetime.now(UTC)
    wanted = scheduling.Wanted(name="bench", launch=False)
    with installation() as (settings, database):
        made = [scheduling.schedule(database, wanted, "bench", now) for _ in range(1000 * seconds)]
        runs = settings.data_dir / "runs.txt"
        runs.write_text("".join(f"{run.id} {token}\n" for run, token in made))
        return served_rate("scripts.lackey_uwsgi", seconds, runs)


def trivial_rate(seconds: int) -> float:
    """The same requests to an app that does nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as runs:
        runs.write("1 none\n2 none\n")
        runs.flush()
        return served_rate("scripts.bench_trivial", seconds, Path(runs.name))


def served_rate(module: str, seconds: int, runs: Path) -> float:
    """Requests a second that uWSGI answers with this module's `application`."""
    command = [str(Path(sys.executable).parent / "uwsgi"), "--http11-socket", f"127.0.0.1:{PORT}", "--module", module]
    command += [
        "--master",
        "--lazy-apps",
        "--die-on-term",
        "--need-app",
        "--disable-logging",
        "--threads",
        str(THREADS),
    ]
    server = subprocess.Popen([*command, "--pythonpath", str(ROOT)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_for_answer()
        load_command = ["wrk", "-t2", f"-c{THREADS}", f"-d{seconds}s", "-s", "scripts/bench_reports.lua"]
        environment = {**os.environ, "LACKEY_BENCH_RUNS": str(runs), "LACKEY_BENCH_THREADS": "2"}
        command = [*load_command, f"http://127.0.0.1:{PORT}"]
        printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    finally:
        server.terminate()
        server.wait()
    found = re.search(r"bench ([\d.]+) (\d+)", printed)
    if found is None or found[2] != "0":
        raise SystemExit(f"not all requests were answered with 200:\n{printed}")
    return float(found[1])


def wait_for_answer() -> None:
    """Until the application answers, whatever it says; 60 s at most."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{PORT}/healthz", timeout=60)
            return
        time.sleep(0.05)
    raise SystemExit("uWSGI did not start")


def launches_rate(count: int) -> float:
    """Runs of /bin/true a second, from the first claim to the last recorded outcome."""
    with installation() as (settings, database):
        make_application(settings, database)
        wanted = scheduling.Wanted(application="bench/true")
        for _ in range(count):
            scheduling.schedule(database, wanted, "bench", datetime.now(UTC))
        scheduler = subprocess.Popen([sys.executable, "-m", "lackey", "scheduler"], cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            with sqlite3.connect(settings.data_dir / "lackey.sqlite3") as reading:
                while reading.execute("SELECT count(*) FROM run WHERE ticket_open OR ended_at IS NULL").fetchone()[0]:
                    time.sleep(0.02)
                ended = time.time()
                begun, good = reading.execute(
                    "SELECT min(claimed_at) / 1e6, sum(state = 'succeeded') FROM run"
                ).fetchone()
        finally:
            scheduler.terminate()
            scheduler.wait()
        if good != count:
            raise SystemExit(f"{count - good} of {count} runs did not succeed")
        return float(count / (ended - begun))


def make_application(settings: Settings, database: Database) -> None:
    """A project and an application that runs /bin/true."""
    (settings.data_dir / "share" / "bench").mkdir()
    now = datetime.now(UTC)
    place = {"name": "bench", "title": "", "description": "", "share": "local", "directory": "bench"}
    changing.add_project(database, place, settings.shares, now)
    application = {"project": "bench", "name": "true", "description": "", "directory": "", "command": "/bin/true"}
    limits = dict.fromkeys(("time_limit", "start_grace", "silence", "max_running", "cpus", "memory"))
    others = {"parameters": [], "environment": {}, "executor": "local", "retries": 0, "workdir": "application"}
    changing.add_application(database, {**application, **limits, **others}, settings.shares, now)


def bare_rate(count: int) -> float:
    """The same guarantees without lackey: a directory and a log for each run, a receipt on disk, two transactions."""
    with tempfile.TemporaryDirectory(prefix="lackey-bench-", dir=ROOT / ".venv") as directory:
        database = sqlite3.connect(Path(directory) / "bare.sqlite3", isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE run (id INTEGER PRIMARY KEY, state TEXT)")
        todo, lock = iter(range(count)), threading.Lock()
        begun = time.monotonic()
        workers = [threading.Thread(target=bare_worker, args=(Path(directory), database, todo, lock)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return count / (time.monotonic() - begun)


def bare_worker(directory: Path, database: sqlite3.Connection, todo: Iterator[int], lock: threading.Lock) -> None:
    """Launch one after the other."""
    while True:
        with lock:
            number = next(todo, None)
            if number is None:
                return
            database.execute("INSERT INTO run VALUES (?, 'running')", (number,))
        place = directory / str(number)
        place.mkdir()
        with (place / "log.txt").open("wb") as log:
            code = subprocess.run(
                ["/bin/sh", "-c", "/bin/true"], cwd=place, stdout=log, stderr=log, check=False
            ).returncode
        with (place / "receipt.new").open("w") as receipt:
            receipt.write(str(code))
            receipt.flush()
            os.fsync(receipt.fileno())
        (place / "receipt.new").rename(place / "receipt")
        descriptor = os.open(place, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        with lock:
            database.execute("UPDATE run SET state = 'succeeded' WHERE id = ?", (number,))


if __name__ == "__main__":
    sys.exit(main())
