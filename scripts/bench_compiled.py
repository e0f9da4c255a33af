"""The small programs in C that the benchmarks use."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def program(name: str, place: Path) -> Path:
    """`scripts/bench_<name>.c`, compiled into `place`."""
    return _compiled(name, place / name, "-O2")


def library(name: str, place: Path) -> Path:
    """The same as a library to be loaded before others."""
    return _compiled(name, place / f"{name}.so", "-O2", "-shared", "-fPIC")


def _compiled(name: str, into: Path, *options: str) -> Path:
    source = ROOT / "scripts" / f"bench_{name}.c"
    subprocess.run(["gcc", *options, "-o", str(into), str(source), "-ldl"], check=True)
    return into
