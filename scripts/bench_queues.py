"""Queues for the benchmark: a hundred thousand runs that wait, each mix for reasons of its own."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from lackey.domain.paths import Share
from lackey.domain.policy import lane_of
from lackey.domain.sweep import Sweep
from lackey.services import Database
from lackey.services.catalogue import changing
from lackey.services.runs.scheduling import Wanted
from lackey.services.sweeps import making
from lackey.services.sweeps.care import Care
from lackey.services.sweeps.making import WantedSweep
from lackey.store import sweeps
from scripts.bench_rows import AT, EVENT, RUN, WORDS, analyze, insert_all
from tests.stage import APPLICATION

SHARES = {name: Share(name, f"/lackey-bench/{name}") for name in ("lab", "attic")}
FAN_IN = 10_000
_FIRST_IS_QUEUED = "CASE WHEN n = 1 THEN 'queued' ELSE 'scheduled' END"
_OTHERS_WAIT = "CASE WHEN n = 1 THEN 0 ELSE 1 END"
_BUT_FIRST = "CASE WHEN n = 1 THEN '[]' ELSE '[' || ({on}) || ']' END"
_QUEUED = {**RUN, **dict.fromkeys(("ended_at", "settled_at", "started_at", "ticket", "claimed_at"), "NULL")}
_QUEUED |= {"uid": "'waiting' || n || '-' || :first", "stop_log_size": "0", "scheduled_at": AT}
_EDGE = {"wants": "'succeeded'"}


@dataclass(frozen=True)
class Mix:
    """Why many runs wait.

    `away`: the shares that are, with the reason. `on`: what each but the first waits for, in SQL. `is_let_go`: once the
    first has ended, all may start. `gathers`: besides, one run waits for each `FAN_IN` of them. `is_sweep`: they are
    made as one sweep.
    """

    name: str
    application: str = "sweep/many"
    columns: dict[str, str] = field(default_factory=dict)
    away: dict[str, str] = field(default_factory=dict)
    on: str = ""
    is_let_go: bool = False
    gathers: bool = False
    is_sweep: bool = False


MIXES = (
    Mix("of one user"),
    Mix("of a hundred users", columns={"by": "'user ' || n % 100"}),
    Mix("of one sweep", is_sweep=True),
    Mix("with max_running=1", application="sweep/single"),
    Mix("with their share away", away={"lab": "waits for share lab: nothing is mounted there"}),
    Mix("that wait for one run", on=":first + 1", is_let_go=True),
    Mix("in a chain", on=":first + n - 1"),
    Mix("in fans of 10,000", gathers=True),
)


def furnish(database: Database) -> None:
    """Make the applications: for the queues, and `free/few` on another share, for what is to start beside them."""
    now = datetime.now(UTC)
    project = {"title": "", "description": "", "directory": "heat"}
    for name, share in (("sweep", "lab"), ("free", "attic")):
        changing.add_project(database, {**project, "name": name, "share": share}, SHARES, now)
    for full_name, most in (("sweep/many", None), ("sweep/single", 1), ("free/few", None)):
        of, _, name = full_name.partition("/")
        values = {
            **APPLICATION,
            "parameters": [{"name": "n", "default": "1"}],
            "project": of,
            "name": name,
            "directory": "",
            "command": "./heat {n}",
            "max_running": most,
        }
        changing.add_application(database, values, SHARES, now)


def queue(database: Database, mix: Mix, count: int) -> None:
    """Put `count` runs of a mix into the queue."""
    if mix.is_sweep:
        make_sweep(database, mix.application, count)
        return
    first, texts, application = (_number(database, question, mix) for question in _QUESTIONS)
    lite = database.is_sqlite
    given = {"first": first, "texts": texts, "runs": count, "application": application}
    waiting = _waiting(mix, application)
    words = WORDS if lite else f"to_tsvector('simple', {WORDS})"
    word = {"rowid" if lite else "id": ":texts + n", "words": words}
    tables = [("run", waiting, count), ("event", {**EVENT, "run_id": ":first + n", "at": AT}, count)]
    tables += [("indexed_text", {"run_id": ":first + n"}, count), ("run_words", word, count)]
    if mix.on:
        edge = {**_EDGE, "run_id": ":first + 1 + n", "on_run_id": mix.on.replace("n - 1", "n")}
        tables.append(("dependency", edge, count - 1))
    insert_all(database, tables, given)
    if mix.gathers:
        for number in range(-(-count // FAN_IN)):
            _gather(database, waiting, given, number, count)
    analyze(database)


def make_sweep(database: Database, application: str, points: int) -> Sweep:
    """Make a sweep over the parameter `n`, with all its runs: whoever asks for one waits for them just for a while."""

    def clock() -> datetime:
        return datetime.now(UTC)

    wanted = WantedSweep(Wanted(application), lambda: ((str(n), {"n": str(n)}) for n in range(points)))
    made, care = making.make(database, wanted, "anna", clock), Care()
    while made.unmade:
        care.tick(database, clock())
        with database.read() as connection:
            made = sweeps.get(connection, made.id)
    analyze(database)
    return made


_QUESTIONS = (
    "SELECT max(id) FROM run",
    "SELECT max(id) FROM indexed_text",
    "SELECT application.id FROM application JOIN project ON project.id = project_id"
    " WHERE project.name || '/' || application.name = :application",
)


def _number(database: Database, question: str, mix: Mix) -> int:
    given = {"application": mix.application} if ":application" in question else {}
    with database.read() as connection:
        return int(connection.execute(text(question), given).scalar_one())


def _waiting(mix: Mix, application: int) -> dict[str, str]:
    columns = {**_QUEUED, "application": f"'{mix.application}'", "application_id": ":application", "project": "'sweep'"}
    columns |= {"lane": f"'{lane_of(application, 'lab', None, None, 0)}'", "state": "'queued'", "queued_at": AT}
    if mix.on:
        after = _BUT_FIRST.format(on=mix.on)
        columns |= {"state": _FIRST_IS_QUEUED, "unmet": _OTHERS_WAIT, "after": f"CAST({after} AS json)"}
    return {**columns, **mix.columns}


def _gather(database: Database, waiting: dict[str, str], given: dict[str, Any], number: int, count: int) -> None:
    """One run that waits for the ones of this number."""
    first = given["first"] + number * FAN_IN
    most = min(FAN_IN, count - number * FAN_IN)
    values = {"uid": f"'gathers{number}'", "state": "'scheduled'", "unmet": str(most), "after": "CAST(:after AS json)"}
    after = str([first + n for n in range(1, most + 1)])
    insert_all(database, [("run", {**waiting, **values}, 1)], {**given, "after": after})
    edge = {**_EDGE, "run_id": str(given["first"] + count + 1 + number), "on_run_id": f"{first} + n"}
    insert_all(database, [("dependency", edge, most)], given)
