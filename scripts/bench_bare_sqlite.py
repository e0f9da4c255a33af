"""What lackey's reports on SQLite are measured against: a plain program that keeps the same, as durably.

A request is one transaction, on disk before it is answered (WAL, synchronous=FULL): the token looked up by its digest,
the run's row updated if its state allows, an event, and of a stop the log. Each thread has a connection. SQLite has
one writer, and those that it turns away sleep, longer and longer; so threads take turns by a lock, and processes by
that of a file. No two share a commit, nothing is indexed for a search, and of reports that are late, contradict or come
twice it knows nothing.
"""

import fcntl
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TextIO

import bottle

SCHEMA = """
CREATE TABLE run (id INTEGER PRIMARY KEY, state TEXT NOT NULL, started_at REAL, ended_at REAL, exit_code INTEGER);
CREATE TABLE token (digest BLOB PRIMARY KEY, run_id INTEGER NOT NULL REFERENCES run);
CREATE TABLE event (id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL REFERENCES run, at REAL, kind TEXT, details TEXT);
CREATE INDEX ix_event_run_id ON event (run_id, id);
CREATE TABLE log_piece (run_id INTEGER NOT NULL REFERENCES run, start INTEGER, content BLOB,
 PRIMARY KEY (run_id, start));
"""
START = "UPDATE run SET state = 'running', started_at = ? WHERE id = ? AND state = 'scheduled' RETURNING state"
STOP = """UPDATE run SET state = CASE ?1 WHEN 0 THEN 'succeeded' ELSE 'failed' END, exit_code = ?1, ended_at = ?2
 WHERE id = ?3 AND state IN ('scheduled', 'running') RETURNING state"""
EVENT = "INSERT INTO event (run_id, at, kind, details) VALUES (?, ?, ?, ?)"

application = bottle.Bottle()
_own, _lock = threading.local(), threading.Lock()


def connect(file: str) -> sqlite3.Connection:
    """A connection on which transactions are begun and ended by name."""
    connection = sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@application.put("/api/run/<verb>/<run_id:int>")  # type: ignore[untyped-decorator]
def report(verb: str, run_id: int) -> dict[str, object]:
    """Keep a start or a stop."""
    if not hasattr(_own, "connection"):
        _own.connection = connect(os.environ["BENCH_DATABASE"])
    connection, forms = _own.connection, bottle.request.forms
    digest = hashlib.sha256(forms["token"].encode()).digest()
    with _turn():
        connection.execute("BEGIN IMMEDIATE")
        try:
            state = keep(connection, verb, run_id, digest, forms)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return {"id": run_id, "state": state}


@contextmanager
def _turn() -> Iterator[None]:
    """The right to write."""
    with _lock:
        fcntl.flock(_lock_file(), fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(_lock_file(), fcntl.LOCK_UN)


@cache
def _lock_file() -> TextIO:
    return open(f"{os.environ['BENCH_DATABASE']}.lock", "a")


def keep(connection: sqlite3.Connection, verb: str, run_id: int, digest: bytes, forms: bottle.FormsDict) -> str | None:
    """What is said, within the transaction; the state that the run is in by that."""
    token = connection.execute("SELECT run_id FROM token WHERE digest = ?", (digest,)).fetchone()
    if token is None or token[0] != run_id:
        raise bottle.HTTPError(401)
    ts = float(forms["ts"])
    if verb == "start":
        changed = connection.execute(START, (ts, run_id)).fetchone()
    else:
        code = int(forms["exit"])
        changed = connection.execute(STOP, (code, ts, run_id)).fetchone()
        connection.execute("INSERT INTO log_piece VALUES (?, 0, ?)", (run_id, forms["log"].encode()))
    connection.execute(EVENT, (run_id, time.time(), verb, forms.get("exit")))
    # A start that was overtaken by its stop changes nothing.
    return None if changed is None else str(changed[0])
