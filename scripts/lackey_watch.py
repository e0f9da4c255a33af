"""Has a worker of uWSGI replaced that no longer says that it is well: a mule, a process of its own beside the workers.

What it counts are its own looks, one a second, at which a worker has said nothing new, and not what a clock shows: a
host that was asleep, or a clock that was set, ends nobody. A worker that has said nothing yet is loading, and is
uWSGI's to look after. Those whose requests it held get 503 with Retry-After from nginx.
"""

import contextlib
import os
import signal
import sys
import time
from typing import NoReturn

import uwsgi  # uWSGI's own, found nowhere else

from scripts.lackey_worker import BETWEEN_SECONDS, WELL

_LOOKS = 20


def _watch(shared: memoryview) -> NoReturn:
    said: dict[int, tuple[int, int]] = {}
    looks: dict[int, int] = {}
    while True:
        time.sleep(BETWEEN_SECONDS)
        for worker in uwsgi.workers():
            number, pid = worker["id"], worker["pid"]
            now = WELL.unpack_from(shared, number * WELL.size)
            # The pid of a worker that is not there is 0, as is what nobody has written yet; to end 0 would end all.
            silent = pid > 0 and now == said.get(number) and now[0] == pid
            looks[number] = looks.get(number, 0) + 1 if silent else 0
            said[number] = now
            if looks[number] >= _LOOKS:
                _end(number, pid)
                looks[number] = 0


def _end(number: int, pid: int) -> None:
    print(f"lackey: worker {number} (pid {pid}) answers nobody and is replaced", file=sys.stderr, flush=True)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


_watch(uwsgi.sharedarea_memoryview(0))
