"""What lackey's reports on PostgreSQL are measured against: psycopg alone, which keeps the same, as durably.

A request is one transaction (synchronous_commit=on): the token looked up by its digest, the run's row updated if its
state allows, an event, and of a stop the log. Each thread has a connection, and psycopg prepares the statements. It
knows as little beside that as the program for SQLite.
"""

import hashlib
import os
import threading
import time
from typing import Any

import bottle
import psycopg

SCHEMA = """
CREATE TABLE run (id bigint PRIMARY KEY, state text NOT NULL, started_at float8, ended_at float8, exit_code int);
CREATE TABLE token (digest bytea PRIMARY KEY, run_id bigint NOT NULL REFERENCES run);
CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id bigint NOT NULL REFERENCES run,
 at float8, kind text, details text);
CREATE INDEX ix_event_run_id ON event (run_id, id);
CREATE TABLE log_piece (run_id bigint NOT NULL REFERENCES run, start bigint, content bytea,
 PRIMARY KEY (run_id, start));
"""
START = "UPDATE run SET state = 'running', started_at = %s WHERE id = %s AND state = 'scheduled' RETURNING state"
STOP = """UPDATE run SET state = CASE %(code)s WHEN 0 THEN 'succeeded' ELSE 'failed' END, exit_code = %(code)s,
 ended_at = %(ts)s WHERE id = %(id)s AND state IN ('scheduled', 'running') RETURNING state"""
EVENT = "INSERT INTO event (run_id, at, kind, details) VALUES (%s, %s, %s, %s)"

application = bottle.Bottle()
_own = threading.local()


@application.put("/api/run/<verb>/<run_id:int>")  # type: ignore[untyped-decorator]
def report(verb: str, run_id: int) -> dict[str, object]:
    """Keep a start or a stop."""
    if not hasattr(_own, "connection"):
        _own.connection = psycopg.connect(os.environ["BENCH_DATABASE"], autocommit=True)
    connection, forms = _own.connection, bottle.request.forms
    digest = hashlib.sha256(forms["token"].encode()).digest()
    with connection.transaction():
        state = keep(connection, verb, run_id, digest, forms)
    return {"id": run_id, "state": state}


def keep(
    connection: psycopg.Connection[Any], verb: str, run_id: int, digest: bytes, forms: bottle.FormsDict
) -> str | None:
    """What is said, within the transaction; the state that the run is in by that."""
    token = connection.execute("SELECT run_id FROM token WHERE digest = %s", (digest,)).fetchone()
    if token is None or token[0] != run_id:
        raise bottle.HTTPError(401)
    ts = float(forms["ts"])
    if verb == "start":
        changed = connection.execute(START, (ts, run_id)).fetchone()
    else:
        changed = connection.execute(STOP, {"code": int(forms["exit"]), "ts": ts, "id": run_id}).fetchone()
        log = forms["log"].encode()
        connection.execute("INSERT INTO log_piece VALUES (%s, 0, %s)", (run_id, log))
    connection.execute(EVENT, (run_id, time.time(), verb, forms.get("exit")))
    # A start that was overtaken by its stop changes nothing.
    return None if changed is None else str(changed[0])
