"""A flow that grows too fast for its time step: Burgers' equation with a driving force, by the upwind scheme.

The scheme is stable as long as nothing travels further than one cell in a step, that is, as long as the Courant
number max(u)·dt/dx is at most 1 (Courant, Friedrichs and Lewy, 1928). The force drives the flow faster and faster, and
with the time step given here (LACKEY_PARAM_DT) the number passes 1 on the way: the program says so, and ends with exit
code 3. Half the time step carries it to the end (LACKEY_PARAM_END_TIME). It reports nothing to lackey itself; its
output and exit code are enough.
"""

import math
import os
import sys

CELLS = 4800
FORCE = 2.0
UNSTABLE = 3


def advance(flow: list[float], dt: float, dx: float) -> list[float]:
    """The flow a time step later, on a ring of cells; it always moves to the right."""
    ratio = dt / dx
    before = [flow[-1], *flow[:-1]]
    return [u - ratio * 0.5 * (u * u - left * left) + FORCE * dt for u, left in zip(flow, before, strict=True)]


def main() -> int:
    """Compute until the end, or until the scheme would become unstable; return the exit code."""
    dt = float(os.environ.get("LACKEY_PARAM_DT", "0.000087"))
    end_time = float(os.environ.get("LACKEY_PARAM_END_TIME", "1"))
    if not 0 < dt < end_time < math.inf:
        print(f"the time step has to lie between 0 and the end time, {end_time:g}, and is {dt:g}")
        return 2
    dx = 1.0 / CELLS
    flow = [1.0 + 0.1 * math.sin(2 * math.pi * cell * dx) for cell in range(CELLS)]
    steps = math.ceil(end_time / dt)
    print(f"Burgers' equation on {CELLS} cells, {steps} steps of {dt:g}", flush=True)
    for step in range(steps):
        fastest = max(flow)
        courant = fastest * dt / dx
        if courant > 1:
            print(f"step {step}, time {step * dt:.4f}: the Courant number is {courant:.4f}, the scheme is unstable")
            print(
                f"the CFL condition is violated; choose a time step of {dx / (fastest + FORCE * end_time):.2e} or less"
            )
            return UNSTABLE
        if step % max(1, steps // 20) == 0:
            print(f"step {step}, time {step * dt:.4f}: Courant number {courant:.4f}", flush=True)
        flow = advance(flow, dt, dx)
    print("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
