"""What a worker of uWSGI does with its threads, and what becomes of one that says no more."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from scripts.lackey_worker import Worker

THREADS = 4
LARGE = 2 << 30


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Say that much comes, and reads nothing."""
    start_response("200 OK", [("Content-Length", environ["length"])])
    return [b"first", b"second"]


def ask(worker: Worker, length: int, body: BytesIO | None = None) -> tuple[str, Any]:
    """The status and the answer, of which nothing is taken yet."""
    told: list[str] = []
    environ = {"length": str(length), "wsgi.input": body or BytesIO()}
    answer = worker(environ, lambda status, headers: told.append(status))
    return told[0], answer


def test_at_most_half_of_the_threads_pass_on_what_nginx_has_no_room_for() -> None:
    worker = Worker(application, THREADS)
    held = [ask(worker, LARGE) for _ in range(THREADS // 2)]
    assert [status for status, _ in held] == ["200 OK"] * 2
    assert ask(worker, LARGE)[0] == "503 Service Unavailable"
    assert ask(worker, 100)[0] == "200 OK"
    assert list(held[0][1]) == [b"first", b"second"]
    held[0][1].close()
    assert ask(worker, LARGE)[0] == "200 OK"


def test_a_body_that_the_application_has_not_read_is_read_before_the_answer() -> None:
    body = BytesIO(b"x" * 100)
    assert ask(Worker(application, THREADS), 100, body)[0] == "200 OK"
    assert body.tell() == 100


def test_a_worker_is_well_while_a_thread_is_free_or_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    worker, now = Worker(application, THREADS), [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    all_hold, leaving = threading.Barrier(THREADS), threading.Event()

    def hold() -> None:
        worker.move()
        all_hold.wait()
        leaving.wait()

    for _ in range(THREADS - 1):
        threading.Thread(target=hold).start()
    all_hold.wait()
    now[0] += 100
    assert worker.is_well()
    _, answer = ask(worker, 100)
    assert worker.is_well()
    now[0] += 100
    next(answer)
    assert worker.is_well()
    now[0] += 100
    assert not worker.is_well()
    answer.close()
    assert worker.is_well()
    leaving.set()


# The mule, in a uWSGI that has one worker of this pid, which says nothing new; it ends after so many looks.
_WATCHED = """
import sys, time, types
from scripts.lackey_worker import WELL

pid = int(sys.argv[1])
shared = memoryview(bytearray(2 * WELL.size))
WELL.pack_into(shared, WELL.size, pid, 1 if pid else 0)
looks = iter(range(30))
time.sleep = lambda _: next(looks, None) is None and sys.exit()
workers = lambda: [{"id": 1, "pid": pid}]
sys.modules["uwsgi"] = types.SimpleNamespace(workers=workers, sharedarea_memoryview=lambda _: shared)
import scripts.lackey_watch
"""


def watch(pid: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _WATCHED, str(pid)]
    root = Path(__file__).resolve().parent.parent
    # A session of its own: whoever ends a process group ends none of the tests'.
    return subprocess.run(command, cwd=root, capture_output=True, text=True, start_new_session=True)


def test_a_worker_that_says_nothing_new_is_ended() -> None:
    with subprocess.Popen(["sleep", "60"]) as worker:
        watched = watch(worker.pid)
        assert worker.wait(30) == -signal.SIGKILL
    assert (watched.returncode, watched.stderr) == (
        0,
        f"lackey: worker 1 (pid {worker.pid}) answers nobody and is replaced\n",
    )


def test_while_a_worker_that_never_said_anything_is_not_there_nobody_is_ended() -> None:
    watched = watch(0)
    assert (watched.returncode, watched.stderr) == (0, "")
