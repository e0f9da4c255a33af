"""Heat flow in a square plate, by the explicit scheme (FTCS).

The upper edge is held at temperature 1, the other three at 0; the plate begins at 0 and nears the steady state, in
which the middle of the plate has temperature 1/4, by symmetry. The grid has n × n points; the time step is the largest
that is stable, dt = h²/4.

LACKEY_PARAM_N and LACKEY_PARAM_STEPS give the size of the grid and the number of steps. Beside what it prints, the
program tells lackey how far it is, and the residual: the largest change in a step. Without lackey it prints only.
Within a run the result goes to `temperature.csv` in the run's directory.
"""

import csv
import http.client
import json
import os
import time
import urllib.request
from pathlib import Path

REPORT_EVERY_SECONDS = 0.5
# A simulation does not depend on lackey: a report that fails is dropped, and the next one is not tried at once.
PAUSE_AFTER_FAILURE_SECONDS = 10.0

Grid = list[list[float]]


def plate(n: int) -> Grid:
    """The cold plate with its warm upper edge."""
    return [[1.0] * n] + [[0.0] * n for _ in range(n - 1)]


def advance(grid: Grid) -> tuple[Grid, float]:
    """The plate one time step later, and the largest change at any point."""
    after = [grid[0]]
    residual = 0.0
    for above, row, below in zip(grid, grid[1:], grid[2:], strict=False):
        inner = [
            0.25 * (up + down + left + right)
            for up, down, left, right in zip(above[1:-1], below[1:-1], row, row[2:], strict=False)
        ]
        residual = max(residual, max(abs(new - old) for new, old in zip(inner, row[1:-1], strict=True)))
        after.append([row[0], *inner, row[-1]])
    after.append(grid[-1])
    return after, residual


class Reporter:
    """Sends reports to lackey; does nothing where the program runs without it."""

    def __init__(self) -> None:
        self.url = os.environ.get("LACKEY_URL", "")
        self.run = os.environ.get("LACKEY_RUN_ID", "")
        self.token = os.environ.get("LACKEY_TOKEN", "")
        self.due = time.monotonic()

    def tell(self, step: int, steps: int, residual: float, middle: float) -> None:
        """Report progress and residual, unless the last report is too recent to have another."""
        if not self.url or (time.monotonic() < self.due and step < steps):
            return
        message = f"step {step} of {steps}, temperature in the middle {middle:.4f}"
        try:
            self._put("progress", {"fraction": step / steps, "message": message, "ts": time.time()})
            self._put("metric", {"name": "residual", "value": residual, "step": step, "ts": time.time()})
            self.due = time.monotonic() + REPORT_EVERY_SECONDS
        except (OSError, http.client.HTTPException) as error:
            print(f"lackey did not take the report: {error}", flush=True)
            self.due = time.monotonic() + PAUSE_AFTER_FAILURE_SECONDS

    def _put(self, verb: str, report: dict[str, object]) -> None:
        request = urllib.request.Request(
            f"{self.url}/api/run/{verb}/{self.run}",
            data=json.dumps(report).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=2):
            pass


def write_result(grid: Grid) -> None:
    """Keep the temperatures beside the log, a line for each row of the grid."""
    directory = os.environ.get("LACKEY_RUN_DIR")
    if directory:
        with Path(directory, "temperature.csv").open("w", newline="") as file:
            csv.writer(file).writerows([f"{value:.6f}" for value in row] for row in grid)


def main() -> None:
    """Compute, print and report."""
    n = int(os.environ.get("LACKEY_PARAM_N", "65"))
    steps = int(os.environ.get("LACKEY_PARAM_STEPS", "5000"))
    if n < 3 or steps < 1:
        raise SystemExit("a grid has at least 3 × 3 points, and a run at least one step")
    print(f"heat flow on {n} × {n} points, {steps} steps", flush=True)
    reporter, grid = Reporter(), plate(n)
    for step in range(1, steps + 1):
        grid, residual = advance(grid)
        middle = grid[n // 2][n // 2]
        reporter.tell(step, steps, residual, middle)
        if step % max(1, steps // 20) == 0:
            print(f"step {step}: residual {residual:.3e}, temperature in the middle {middle:.4f}", flush=True)
    write_result(grid)
    print("done", flush=True)


if __name__ == "__main__":
    main()
