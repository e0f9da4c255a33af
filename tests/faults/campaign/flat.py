"""Whether what lackey holds stays as it is over thousands of runs: descriptors, threads, memory, files, rows.

Through one service go launched runs and as many reported ones. After each tenth of them, when nothing is under way, it
is counted what each process holds and what lies in the data directory. What grows is given for each pair of runs, over
the second half.
"""

import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.faults.campaign.ledger import Ledger
from tests.faults.campaign.processes import Process, named
from tests.faults.campaign.setups import Serve, started
from tests.faults.campaign.traffic import Service
from tests.waiting import wait_until

_ROUNDS = 10
_CLIENTS = 8
_ROUND_SECONDS = 600.0
# What may come and go: a connection, a thread of a pool, what Python and SQLite keep for later.
_DESCRIPTORS, _THREADS, _MEMORY_KILOBYTES = 5, 3, 4096


@dataclass(frozen=True)
class Held:
    """What was counted, by what it is (`scheduler: threads`), after so many pairs of runs."""

    pairs: int
    counts: dict[str, int]


def flatness(place: Path, pairs: int) -> bool:
    """Go through it and print what was counted; whether no process holds more and more."""
    ledger = Ledger(place / "ledger")
    with started("serve", place, ledger.file, mounts=False) as setup:
        assert isinstance(setup, Serve)
        service = Service(setup.url, setup.key)
        application = {"project": "lab", "name": "short", "directory": "simulation", "command": "true"}
        service.ask("POST", "/api/application", json=application)
        held = []
        for number in range(1, _ROUNDS + 1):
            _put_through(service, pairs // _ROUNDS)
            held.append(Held(number * pairs // _ROUNDS, dict(_count(setup))))
            print(f"{held[-1].pairs} pairs of runs", flush=True)
    return _show(held)


def _put_through(service: Service, pairs: int) -> None:
    turns = iter(range(pairs))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if next(turns, None) is None:
                    return
            service.ask("POST", "/api/run", json={"application": "lab/short"})
            reported = service.ask("POST", "/api/run", json={"launch": False, "name": "reported"})
            for verb, fields in (("start", {}), ("metric", {"name": "residual", "value": 1}), ("stop", {"log": "end"})):
                data = {"token": reported["token"], **fields}
                service.insist("PUT", f"/api/run/{verb}/{reported['id']}", data=data)

    threads = [threading.Thread(target=work) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: not service.ask("GET", "/api/run/active")["items"], _ROUND_SECONDS)


def _count(setup: Serve) -> Iterator[tuple[str, int]]:
    seen = setup.sees()
    for part in ("web", "scheduler", "launcher", "reader"):
        for number, process in enumerate(sorted(setup.parts[part](seen), key=lambda one: one.line)):
            yield from _of_process(f"{part} {number}" if part == "reader" else part, process)
    yield "processes", len(named(seen, "lackey"))
    yield from _of_files(setup)
    with closing(sqlite3.connect(setup.file)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            (rows,) = database.execute(f'SELECT count(*) FROM "{table}"').fetchone()
            yield f"rows: {table}", rows
        yield "database, KiB", setup.file.stat().st_size >> 10


def _of_process(name: str, process: Process) -> Iterator[tuple[str, int]]:
    status = Path(f"/proc/{process.pid}/status").read_text()
    memory = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    yield f"{name}: descriptors", process.descriptors()
    yield f"{name}: threads", _field(status, "Threads:")
    yield f"{name}: RSS, KiB", _field(memory, "Rss:")
    yield f"{name}: PSS, KiB", _field(memory, "Pss:")


def _field(text: str, name: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))


def _of_files(setup: Serve) -> Iterator[tuple[str, int]]:
    data = setup.place / "data"
    found: Counter[str] = Counter()
    for directory, directories, files in os.walk(data):
        parts = Path(directory).relative_to(data).parts
        found[parts[0] if parts else "top"] += len(files) + len(directories)
    for name, inodes in sorted(found.items()):
        yield f"inodes in data_dir: {name}", inodes


def _show(held: list[Held]) -> bool:
    names = list(held[-1].counts)
    width = max(map(len, names))
    print(" " * width, *(f"{one.pairs:>8}" for one in held), "  more for each pair")
    flat = True
    middle, last = held[len(held) // 2], held[-1]
    for name in names:
        counts = [one.counts.get(name, 0) for one in held]
        more = last.counts[name] - middle.counts.get(name, 0)
        grows = more > _allowed(name)
        flat &= not grows
        rate = more / (last.pairs - middle.pairs)
        print(f"{name:<{width}}", *(f"{count:>8}" for count in counts), f"  {rate:.3f}{' GROWS' if grows else ''}")
    return flat


def _allowed(name: str) -> float:
    """How much more it may be after the second half; files and rows are kept for each run, and only shown."""
    if name.endswith("descriptors"):
        return _DESCRIPTORS
    if name.endswith("threads") or name == "processes":
        return _THREADS
    return _MEMORY_KILOBYTES if "SS, KiB" in name else float("inf")
