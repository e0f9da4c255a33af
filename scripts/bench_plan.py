"""How long, how often and where the benchmarks measure."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy.engine import make_url

from scripts.bench_processes import Group, group
from tests.postgres import Cluster, cluster


@dataclass(frozen=True)
class Postgresql:
    """A server that keeps what is committed, and its processes."""

    cluster: Cluster
    group: Group

    def create(self) -> str:
        """A new database; its URL."""
        return self.cluster.create()


@contextmanager
def postgresql(parent: Path, preloaded: str = "") -> Iterator[Postgresql]:
    """A cluster of its own below `parent`. `preloaded`: a library that comes before the C library."""
    with ExitStack() as held:
        members = held.enter_context(group(f"postgresql-{Path(preloaded).stem}"))
        with preloading(preloaded):
            server = held.enter_context(cluster(durable=True, parent=parent))
        made = Postgresql(server, members)
        directory = Path(str(make_url(made.create()).query["host"]))
        postmaster = int((directory / "files/postmaster.pid").read_text().split()[0])
        members.adopt([postmaster, *(each.pid for each in psutil.Process(postmaster).children())])
        yield made


@contextmanager
def preloading(library: str) -> Iterator[None]:
    """What is started within the block has this library before the C library."""
    os.environ["LD_PRELOAD"] = library
    try:
        yield
    finally:
        del os.environ["LD_PRELOAD"]


@dataclass(frozen=True)
class Plan:
    """`rounds` of so many `seconds`, `launches`, `orders` and `log_bytes`; idle for `idle_seconds`."""

    place: Path
    postgresql: Postgresql
    rounds: int
    seconds: float
    launches: int
    orders: int
    idle_seconds: float
    log_bytes: int
