"""What lackey's launches are measured against: a plain program with the same guarantees, two runs at a time.

`python -m scripts.bench_bare_launches DIRECTORY COUNT` prints the seconds from the first claim to the last end. Of each
run: that it is claimed is a transaction, on disk before anything is started (WAL, synchronous=FULL); making its claim's
directory is the right to start it, once; its output goes to its log file; how it ended is written aside, synced and
renamed, and the directory synced; that it has ended is a second transaction, on disk. A scheduler that is killed could
find out from this what has run and what has not. Nobody shares a commit, and nothing is followed.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.bench_bare_sqlite import connect

SLOTS = 2
_CLAIM = "UPDATE run SET state = 'running', claimed_at = ? WHERE id = ? AND state = 'queued'"
_END = "UPDATE run SET state = 'succeeded', ended_at = ?, exit_code = ? WHERE id = ? AND state = 'running'"


def main() -> None:
    """Launch them all."""
    directory, count = Path(sys.argv[1]), int(sys.argv[2])
    database = connect(str(directory / "bare.sqlite3"))
    columns = "id INTEGER PRIMARY KEY, state TEXT, claimed_at REAL, ended_at REAL, exit_code INTEGER"
    database.execute(f"CREATE TABLE run ({columns})")
    database.execute("BEGIN")
    database.executemany("INSERT INTO run (id, state) VALUES (?, 'queued')", ((number,) for number in range(count)))
    database.execute("COMMIT")
    todo, turn = iter(range(count)), threading.Lock()

    def work() -> None:
        while (number := _next(todo, turn)) is not None:
            with turn:
                database.execute(_CLAIM, (time.time(), number))
            code = launch(directory / str(number))
            with turn:
                database.execute(_END, (time.time(), code, number))

    begun = time.monotonic()
    workers = [threading.Thread(target=work) for _ in range(SLOTS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(time.monotonic() - begun)


def _next(todo: Iterator[int], turn: threading.Lock) -> int | None:
    with turn:
        return next(todo, None)


def launch(place: Path) -> int:
    """Run it in a directory of its own, and leave a receipt there; its exit code."""
    place.mkdir()
    with (place / "log.txt").open("wb") as log:
        command = ["/bin/sh", "-c", "/bin/true"]
        code = subprocess.run(command, cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
    with (place / "receipt.new").open("w") as receipt:
        receipt.write(str(code))
        receipt.flush()
        os.fsync(receipt.fileno())
    (place / "receipt.new").rename(place / "receipt")
    descriptor = os.open(place, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return code


if __name__ == "__main__":
    main()
