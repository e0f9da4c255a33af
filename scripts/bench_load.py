"""Load on a server: wrk, with as many connections as reporters."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 16


@dataclass(frozen=True)
class Answers:
    """What came back within `seconds`; `p50` and `p99` in milliseconds. `failed`: not answered, or not with 200."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def report(url: str, runs: Path, seconds: float, connections: int = CONNECTIONS, closing: bool = False) -> Answers:
    """Report starts and stops of the runs in this file, for so many seconds or until all have ended.

    `closing`: each answer ends its connection.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "60s"]
    command += ["-s", str(ROOT / "scripts/bench_reports.lua"), url]
    told = {"LACKEY_BENCH_RUNS": str(runs), **({"LACKEY_BENCH_CLOSE": "1"} if closing else {})}
    printed = subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=False)
    found = re.search(r"bench (\d+) ([\d.]+) ([\d.]+) ([\d.]+) (\d+)", printed.stdout)
    if found is None:
        raise SystemExit(f"bench: wrk failed:\n{printed.stdout}{printed.stderr}")
    answers = Answers(int(found[1]), float(found[2]), float(found[3]), float(found[4]), int(found[5]))
    if answers.requests == 0:
        raise SystemExit(f"bench: {url} answered nothing:\n{printed.stdout}")
    return answers
