"""Convection as Lorenz reduced it (1963): three equations, by the classical Runge-Kutta scheme.

    dx/dt = sigma (y - x)      dy/dt = x (rho - z) - y      dz/dt = x y - b z,    sigma = 10, b = 8/3

`lorenz.py RHO [STOP]` goes 1000 steps of 0.01. At step STOP, before the last one, it reports how far it is, and waits
for a file `go-on` in the working directory.
"""

import json
import os
import sys
import time
import urllib.request
from pathlib import Path

STEPS = 1000
DT = 0.01
Point = tuple[float, float, float]


def slope(at: Point, rho: float) -> Point:
    x, y, z = at
    return 10 * (y - x), x * (rho - z) - y, x * y - 8 / 3 * z


def along(at: Point, to: Point, part: float) -> Point:
    return at[0] + part * to[0], at[1] + part * to[1], at[2] + part * to[2]


def advance(at: Point, rho: float) -> Point:
    first = slope(at, rho)
    second = slope(along(at, first, DT / 2), rho)
    third = slope(along(at, second, DT / 2), rho)
    fourth = slope(along(at, third, DT), rho)
    for part, to in ((1, first), (2, second), (2, third), (1, fourth)):
        at = along(at, to, part * DT / 6)
    return at


def report(verb: str, body: dict[str, object]) -> None:
    request = urllib.request.Request(
        f"{os.environ['LACKEY_URL']}/api/run/{verb}/{os.environ['LACKEY_RUN_ID']}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {os.environ['LACKEY_TOKEN']}", "Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=30):
        pass


def main() -> None:
    rho, stop = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else STEPS
    at, metrics = (1.0, 1.0, 1.0), []
    print(f"\x1b[1mLorenz' equations\x1b[0m, rho = {rho:g}, {STEPS} steps of {DT:g}", flush=True)
    for step in range(1, STEPS + 1):
        at = advance(at, rho)
        if step % 5 == 0:
            metrics += [{"name": name, "step": step, "value": value} for name, value in zip("xyz", at, strict=True)]
        if step % 20 == 0:
            print(f"\r\x1b[32m{'█' * (step // 20)}\x1b[0m {step} of {STEPS}", end="", flush=True)
        if step % 100 == 0:
            colour = 33 if abs(at[0]) > 10 else 36
            print(
                f"\nstep {step}: \x1b[{colour}mx = {at[0]:+.5f}\x1b[0m, y = {at[1]:+.5f}, z = {at[2]:.5f}", flush=True
            )
        if step == stop < STEPS:
            report("metric", {"metrics": metrics})
            report("progress", {"done": step, "total": STEPS, "message": f"step {step}, z = {at[2]:.3f}"})
            while not Path("go-on").exists():
                time.sleep(0.1)
    print("\n\x1b[1mdone\x1b[0m", flush=True)


if __name__ == "__main__":
    main()
