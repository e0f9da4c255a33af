"""Rows for the benchmark of the pages, made by SQL."""

import time

from sqlalchemy import text

from lackey.services import Database

# Half of the runs are of one application, the others spread over many; some hundred kinds of ends; some of all states.
STATE = """CASE WHEN n > :runs - 20 THEN 'running' WHEN n > :runs - 3000 THEN 'queued'
 WHEN n > :runs - 5000 THEN 'scheduled' WHEN n % 1000 = 7 THEN 'lost' WHEN n % 50 = 3 THEN 'failed'
 WHEN n % 97 = 5 THEN 'cancelled' ELSE 'succeeded' END"""
AT = "(:now - (:runs - n) * 10000000)"
ENDED = f"CASE WHEN n <= :runs - 5000 THEN {AT} + (n * 7919) % 3600000000 END"
RUN = {
    **dict.fromkeys(("uid", "name", "project", "application"), "'heat'"),
    **dict.fromkeys(("parameters", "environment"), 'CAST(\'{"n": "64"}\' AS json)'),
    "evidence": "CAST('{}' AS json)",
    **dict.fromkeys(("after", "marks"), "CAST('[]' AS json)"),
    **dict.fromkeys(("retries", "log_size", "stop_log_size", "revision"), "0"),
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
    "scheduled_at": f"{AT} + CASE WHEN n > :runs - 5000 AND n <= :runs - 3000 THEN 86400000000 ELSE 0 END",
    "started_at": f"CASE WHEN n <= :runs - 5000 OR n > :runs - 20 THEN {AT} END",
}
PROJECT = {"name": "'p' || n", **dict.fromkeys(("title", "description"), "''"), "share": "'lab'"}
PROJECT |= {"directory": "'heat'", "created_at": "0"}
APPLICATION = {"project_id": "1 + n % 20", "name": "'a' || n", **dict.fromkeys(("description", "directory"), "''")}
APPLICATION |= {"command": "'x'", "parameters": RUN["after"], "environment": "CAST('{}' AS json)"}
APPLICATION |= {"executor": "'local'", "retries": "0", "workdir": "'application'", "created_at": "0"}
EVENT = {"run_id": "n", "at": AT, **dict.fromkeys(("kind", "by", "text"), "'made'"), "details": RUN["evidence"]}
METRIC = {"run_id": "1 + n / 1000", "name": "'residual'", "place": "'step ' || n", "step": "n", "ts": "n"}
METRIC |= {"value": "1.0 / (1 + n)"}
# One run that has a lot of both.
LONG = {"run_id": ":runs / 2"}
MANY_EVENTS = {**EVENT, **LONG}
MANY_METRICS = {**METRIC, **LONG, "name": "'figure ' || (n % 10)"}
WORDS = "'heat ' || n || CASE WHEN n % 10 = 0 THEN ' tenth' ELSE '' END || CASE WHEN n = 7 THEN ' needle' ELSE '' END"


def fill(database: Database, runs: int) -> None:
    """Make the rows."""
    lite = database.is_sqlite
    words = {"rowid": "n", "words": WORDS} if lite else {"id": "n", "words": f"to_tsvector('simple', {WORDS})"}
    tables = [("project", PROJECT, 20), ("application", APPLICATION, 200), ("run", RUN, runs), ("event", EVENT, runs)]
    tables += [("event", MANY_EVENTS, 1_000), ("metric", METRIC, 20_000), ("metric", MANY_METRICS, 10_000)]
    given = {"runs": runs, "now": int(time.time() * 1e6)}
    with database.writer.begin() as connection:
        for table, columns, count in (*tables, ("indexed_text", {"run_id": "n"}, runs)):
            connection.execute(text(insert_series(table, columns, count, lite)).bindparams(**used(columns, given)))
        connection.execute(text(insert_series("run_words", words, runs, lite)))
    if not lite:
        with database.reader.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))


def used(columns: dict[str, str], given: dict[str, int]) -> dict[str, int]:
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
