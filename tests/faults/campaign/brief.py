"""A short campaign with a fixed seed, for the suite; `scripts/faults` is the command for longer ones."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_MINUTES, _SEED = "0.67", "8"
_DEADLINE_SECONDS = 600


def brief(setup: str) -> None:
    """Go through one on this set-up. Fails with all that is known of the runs that were lost, run twice or wrong."""
    command = [sys.executable, "-m", "tests.faults.campaign"]
    done = subprocess.run(
        [*command, "--minutes", _MINUTES, "--seed", _SEED, "--setup", setup],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
