"""`scripts/faults`: real lackeys in a temporary directory, faults by chance, and a ledger to compare with.

As root the campaign goes on in namespaces of its own (of mounts and processes), so that disks can be filled, the clock
be stepped, and nothing is left in the end. Else those faults are left out.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.campaign.clock import Clock
from tests.faults.campaign.conduct import Report, campaign
from tests.faults.campaign.disks import mount
from tests.faults.campaign.flat import flatness
from tests.faults.campaign.setups import SETUPS
from tests.real.deployed import for_others

ROOT = Path(__file__).resolve().parents[3]
_INSIDE = "FAULTS_INSIDE"
# bash as first process: it buries whoever loses its parent.
_FIRST = 'mount --make-rprivate / && "$@"; exit $?'


def main() -> int:
    """Exit code 0: nothing was lost, run twice or wrong."""
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="of faults, on each set-up (2)")
    parser.add_argument("--seed", type=int, help="the same one gives the same faults (by chance)")
    parser.add_argument("--setup", choices=list(SETUPS), action="append", help="this one alone (all)")
    parser.add_argument("--flat", type=int, metavar="N", help="no faults: what N launched and N reported runs leave")
    given = parser.parse_args()
    as_root = os.geteuid() == 0
    if as_root and _INSIDE not in os.environ:
        _enter_namespaces()
    if given.flat:
        with tempfile.TemporaryDirectory(prefix="faults-flat-") as place:
            return 0 if flatness(Path(place), given.flat) else 1
    seed = random.randrange(1_000_000) if given.seed is None else given.seed
    good = True
    for name in given.setup or list(SETUPS):
        print(f"{name}: {given.minutes:g} minutes, seed {seed}", flush=True)
        good &= _campaign(name, given.minutes * 60, seed, as_root)
    return 0 if good else 1


def _enter_namespaces() -> None:
    os.environ[_INSIDE] = "1"
    again = [sys.executable, "-m", "tests.faults.campaign", *sys.argv[1:]]
    namespaces = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    os.execvp("unshare", ["unshare", *namespaces, "bash", "-c", _FIRST, "campaign", *for_others(again)])


def _campaign(name: str, seconds: float, seed: int, as_root: bool) -> bool:
    place = Path(tempfile.mkdtemp(prefix=f"faults-{name}-"))
    place.chmod(0o755)
    clock = None
    if as_root:
        _own_etc(place / "etc")
        clock = Clock(place)
    else:
        print("left out, for this is not root: full disks, shares that go away, and the clock")
    report = campaign(name, place, seconds, seed, as_root, clock)
    print(_table(report), flush=True)
    if report.is_good:
        shutil.rmtree(place, ignore_errors=True)
    else:
        print(f"{report.details}\nall of it is in {place}", flush=True)
    return report.is_good


def _own_etc(place: Path) -> None:
    """Lay a layer over /etc, so that what is written there is this campaign's alone."""
    for part in ("upper", "work"):
        (place / part).mkdir(parents=True)
    mount("-t", "overlay", "-o", f"lowerdir=/etc,upperdir={place}/upper,workdir={place}/work", "overlay", "/etc")


def _table(report: Report) -> str:
    rows = [
        ("runs asked for", report.runs),
        ("reports taken", report.reports),
        ("answers", " ".join(f"{status}:{times}" for status, times in sorted(report.answers.items()))),
        ("settled after", f"{report.settled:.0f} s"),
        *((f"fault: {fault}", times) for fault, times in sorted(report.faults.items())),
        *((kind, report.count(kind)) for kind in ("lost", "twice", "wrong")),
        *(("trouble", trouble) for trouble in report.troubles),
    ]
    width = max(len(name) for name, _ in rows)
    head = f"{report.setup}, {report.seconds:.0f} s, seed {report.seed}"
    return "\n".join([head, *(f"  {name:<{width}}  {value}" for name, value in rows)])


if __name__ == "__main__":
    sys.exit(main())
