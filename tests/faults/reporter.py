"""Clients that report without end, and try again as `curl --retry 8 --retry-all-errors` does."""

import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import requests

TRIES = 1 + 8
_FIRST_PAUSE_SECONDS = 0.05
STEPS = 3
PIECE = b"a line of the log\n"


@dataclass
class Reporter:
    """A simulation after the other, each of which reports its start, figures, progress, log and end.

    `answered` counts the answers by status; what is no answer, or one that no client can make use of, ends it.
    """

    name: str
    urls: list[str]
    key: str
    ending: threading.Event
    answered: Counter[int] = field(default_factory=Counter)
    runs: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turns = cycle(self.urls)

    def report(self) -> None:
        """Until it is to end; a simulation that has begun comes to its end."""
        while not self.ending.is_set():
            number = len(self.runs)
            self.simulate(self.make({"launch": False, "name": self.name}, f"{self.name}-{number}"))

    def make(self, wanted: dict[str, Any], once: str) -> dict[str, Any]:
        """A run; the same `once` makes it once, however often it is tried."""
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": once}
        made: dict[str, Any] = self.insist("POST", "/api/run", 201, json=wanted, headers=headers)
        self.runs.append(made["id"])
        return made

    def simulate(self, run: dict[str, Any]) -> None:
        """All that a run has to say."""
        self.tell(run, "start", ts=1000)
        for step in range(STEPS):
            self.tell(run, "metric", name="residual", step=step, value=step / 2, ts=1000 + step)
            self.tell(run, "progress", done=step + 1, total=STEPS, ts=1000 + step)
            self.tell(run, "log", text=PIECE, offset=step * len(PIECE))
        self.tell(run, "stop", ts=2000, exit=0, log="the end\n")

    def tell(self, run: dict[str, Any], verb: str, **fields: Any) -> None:
        """One report, until it is taken."""
        self.insist("PUT", f"/api/run/{verb}/{run['id']}", 200, data={"token": run["token"], **fields})

    def insist(self, method: str, path: str, wanted: int, **details: Any) -> Any:
        """Ask until the answer is `wanted`, as often as curl does, with longer and longer pauses."""
        for number in range(TRIES):
            answer = requests.request(method, next(self._turns) + path, timeout=30, **details)
            self.answered[answer.status_code] += 1
            if answer.status_code == wanted:
                return answer.json()
            assert answer.status_code == 503 and "Retry-After" in answer.headers, answer.text
            time.sleep(_FIRST_PAUSE_SECONDS * 2**number)
        raise AssertionError(f"{path}: {TRIES} tries were not enough")


class Curl(Reporter):
    """The same with the real curl, by the line that is recommended."""

    def tell(self, run: dict[str, Any], verb: str, **fields: Any) -> None:
        """One report; what curl says when it gives up is an error."""
        line = ["curl", "-fsS", "-m", "30", "--retry", "8", "--retry-all-errors", "-X", "PUT", "-o", "/dev/null"]
        for name, value in {"token": run["token"], **fields}.items():
            line += ["--data-urlencode", f"{name}={value.decode() if isinstance(value, bytes) else value}"]
        url = f"{next(self._turns)}/api/run/{verb}/{run['id']}"
        said = subprocess.run([*line, "-w", "%{http_code} ", url], capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
        self.answered[int(said.stdout.split()[-1])] += 1
