"""Rows for the benchmarks, made by SQL: runs that have ended, with all that is kept of them, and some that have not."""

import time
from typing import Any

from sqlalchemy import text

from lackey.services import Database
from lackey.store.database import take_your_time

# Half of the runs are of one application, the others spread over many; some hundred kinds of ends. Those behind `past`
# have not ended.
UNENDED = 5_000
STATE = """CASE WHEN n > :past + 4980 THEN 'running' WHEN n > :past + 2000 THEN 'queued'
 WHEN n > :past THEN 'scheduled' WHEN n % 1000 = 7 THEN 'lost' WHEN n % 10 = 3 THEN 'failed'
 WHEN n % 97 = 5 THEN 'cancelled' ELSE 'succeeded' END"""
# One each ten seconds, the last an hour ago.
AT = "(:now - 3600000000 - (:runs - n) * 10000000)"
ENDED = f"CASE WHEN n <= :past THEN {AT} + (n * 7919) % 3600000000 END"
LOG = "'step ' || n || ': residual 1.234567e-05, wrote result.vtk; the solution has converged'"
RUN = {
    **dict.fromkeys(("uid", "name", "project", "application"), "'heat'"),
    **dict.fromkeys(("parameters", "environment"), 'CAST(\'{"n": "64"}\' AS json)'),
    "evidence": "CAST('{}' AS json)",
    **dict.fromkeys(("after", "marks"), "CAST('[]' AS json)"),
    **dict.fromkeys(("retries", "log_size", "revision"), "0"),
    "stop_log_size": f"length({LOG})",
    **dict.fromkeys(("held", "ticket_open"), "false"),
    **dict.fromkeys(("launched", "log_kept"), "true"),
    **dict.fromkeys(("ended_at", "settled_at"), ENDED),
    "project_id": "CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % 20 END",
    "application_id": "CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % 200 END",
    "state": STATE,
    "reason": "'waits for a free slot'",
    "by": "CASE WHEN n % 5000 = 0 THEN 'rare' ELSE 'anna' END",
    "command": "'./heat ' || n",
    "share": "'lab'",
    "directory": "'heat/explicit'",
    "workdir": "'application'",
    "executor": "'local'",
    "priority": "n % 3",
    "created_at": AT,
    "scheduled_at": f"{AT} + CASE WHEN n > :past AND n <= :past + 2000 THEN 86400000000 ELSE 0 END",
    "started_at": f"CASE WHEN n <= :past OR n > :past + 4980 THEN {AT} END",
    "ticket": "CASE WHEN n <= :past THEN 'heat' || n || 'n1-00000000' END",
    "claimed_at": f"CASE WHEN n <= :past THEN {AT} END",
}
PROJECT = {"name": "'p' || n", **dict.fromkeys(("title", "description"), "''"), "share": "'lab'"}
PROJECT |= {"directory": "'heat'", "created_at": "0"}
APPLICATION = {"project_id": "1 + n % 20", "name": "'a' || n", **dict.fromkeys(("description", "directory"), "''")}
APPLICATION |= {"command": "'x'", "parameters": RUN["after"], "environment": "CAST('{}' AS json)"}
APPLICATION |= {"executor": "'local'", "retries": "0", "workdir": "'application'", "created_at": "0"}
ATTEMPT = {"run_id": "n", **dict.fromkeys(("number", "cpus"), "1"), "ticket": "'heat' || n || 'n1-00000000'"}
ATTEMPT |= {"scheduler": "'-00000000'", "executor": "'local'", "by": "'anna'", "share": "'lab'", "gpus": RUN["after"]}
ATTEMPT |= {"claimed_at": AT, "closed_at": AT, "came_to": "'ended'"}
# Three for each run.
EVENT = {"run_id": "1 + (n - 1) / 3", "at": "(:now - 3600000000 - (:runs - 1 - (n - 1) / 3) * 10000000)"}
EVENT |= {**dict.fromkeys(("kind", "by", "text"), "'made'"), "details": RUN["evidence"]}
METRIC = {"run_id": "1 + n / 1000", "name": "'residual'", "place": "'step ' || n", "step": "n", "ts": "n"}
METRIC |= {"value": "1.0 / (1 + n)"}
FIGURE = {**METRIC, "run_id": "n", "name": "'drag'", "place": "'step 100'", "step": "100"}
LOG_PIECE = {"run_id": "n", "part": "'stop'", "start": "0"}
# One run that has many events and points.
LONG = {"run_id": ":runs / 2"}
MANY_EVENTS = {**EVENT, **LONG}
MANY_METRICS = {**METRIC, **LONG, "name": "'figure ' || (n % 10)"}
WORDS = "'heat ' || n || CASE WHEN n % 10 = 0 THEN ' tenth' ELSE '' END || CASE WHEN n = 7 THEN ' needle' ELSE '' END"


def fill(database: Database, runs: int, unended: int = 0) -> None:
    """Make the rows of `runs` runs, `unended` of them not ended: none, or `UNENDED`."""
    lite = database.is_sqlite
    words = {"rowid": "n", "words": WORDS} if lite else {"id": "n", "words": f"to_tsvector('simple', {WORDS})"}
    token = {"digest": "randomblob(32)" if lite else "sha256(convert_to('' || n, 'UTF8'))", "run_id": "n"}
    log_piece = {**LOG_PIECE, "content": f"CAST({LOG} AS blob)" if lite else f"convert_to({LOG}, 'UTF8')"}
    tables = [("project", PROJECT, 20), ("application", APPLICATION, 200), ("run", RUN, runs)]
    tables += [("attempt", ATTEMPT, runs - unended), ("event", EVENT, 3 * runs), ("event", MANY_EVENTS, 1_000)]
    tables += [("token", token, runs), ("log_piece", log_piece, runs), ("metric", FIGURE, runs)]
    tables += [("metric", METRIC, 20_000), ("metric", MANY_METRICS, 10_000), ("indexed_text", {"run_id": "n"}, runs)]
    insert_all(database, [*tables, ("run_words", words, runs)], {"runs": runs, "past": runs - unended})
    analyze(database)


def insert_all(database: Database, tables: list[tuple[str, dict[str, str], int]], given: dict[str, Any]) -> None:
    """Insert so many rows into each table; columns may speak of `n`, of `:now` (microseconds) and of `given`."""
    known = {**given, "now": int(time.time() * 1e6)}
    with database.writer.begin() as connection:
        take_your_time(connection)
        for table, columns, count in tables:
            statement = text(insert_series(table, columns, count, database.is_sqlite))
            connection.execute(statement.bindparams(**used(columns, known)))


def analyze(database: Database) -> None:
    """Let PostgreSQL know what its tables hold, as it does where it is at work all the time."""
    if not database.is_sqlite:
        # Not by `reader`: what is read has a limit of time.
        with database.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM ANALYZE"))
            connection.invalidate()


def used(columns: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
    """Those of `given` that the columns mention."""
    return {name: value for name, value in given.items() if any(f":{name}" in each for each in columns.values())}


def insert_series(table: str, columns: dict[str, str], count: int, lite: bool) -> str:
    """An INSERT of a row for each n from 1 to `count`."""
    counted = f"SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {count}"
    series = f"WITH RECURSIVE series(n) AS ({counted})"
    if not lite:
        series = f"WITH series(n) AS (SELECT generate_series(CAST(1 AS bigint), {count}))"
    values = ", ".join(columns.values())
    if lite:
        values = values.replace("AS json)", "AS text)")
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) {series} SELECT {values} FROM series"
