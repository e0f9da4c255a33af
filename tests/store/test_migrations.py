"""A database comes from an older schema to this one with all that it holds, while the older version is still at work.

The guide promises that an upgrade makes no request fail, and until its last worker is replaced the version before
works on the new schema.
"""

import threading
from datetime import timedelta
from typing import Any

import pytest

from lackey.domain.run import RunState
from lackey.store import dependencies, keys, logs, overview, runs, schema, sessions
from lackey.store.database import Database
from tests.store.older import ENDED, KEY, NOW, UNENDED, Older, ago, older, run
from tests.store.rows import all_runs

DAY = timedelta(days=1)


@pytest.fixture
def before(empty: Database) -> Older:
    """The older version, on a database of its own."""
    return older(empty)


def test_nothing_that_was_kept_is_lost(before: Older) -> None:
    kept = before.kept()
    schema.upgrade(before.database)
    assert before.kept() == kept
    assert schema.current(before.database) == schema.expected()


def test_small_pieces_of_a_log_are_joined_and_not_a_byte_of_it_is_another(before: Older) -> None:
    lines = [b"step %04d\n" % number for number in range(4000)]
    starts = [10 * number + (5 if number > 2000 else 0) for number in range(len(lines))]
    rows = [{"run_id": 6, "part": "reported", "start": at, "content": it} for at, it in zip(starts, lines, strict=True)]
    with before.database.writer.begin() as connection:
        before.add(connection, "log_piece", *rows)
    schema.upgrade(before.database)
    with before.database.read() as connection:
        assert logs.count(connection, 6, "reported", 100) <= 4
        assert logs.content(connection, 6, "reported", 0, 1 << 20) == b"".join(lines[:2001])
        assert logs.content(connection, 6, "reported", 20015, 1 << 20) == b"".join(lines[2001:])


def test_what_ended_in_the_last_day_is_known_to_have_and_nothing_else(before: Older) -> None:
    schema.upgrade(before.database)
    with before.database.read() as connection:
        assert [run.id for run in overview.ended(connection, NOW - 2 * DAY, 10, 5)] == [4, 3]
        settled = {run_id: runs.get(connection, run_id).settled_at is not None for run_id in (*ENDED, *UNENDED)}
    assert [run_id for run_id, known in settled.items() if known] == [3, 4]


def test_runs_are_listed_and_found_by_words_and_tokens_as_before(before: Older) -> None:
    schema.upgrade(before.database)
    with before.database.read() as connection:
        listed = all_runs(connection)
        assert [run.id for run in listed] == sorted([*ENDED, *UNENDED], reverse=True)
        assert [run.id for run in all_runs(connection, text="needle")] == [1]
        assert (listed[0].parameters, listed[0].marks, listed[0].revision) == ({"n": "64"}, ["clock"], 4)


def test_who_has_a_key_of_before_can_sign_in(before: Older) -> None:
    schema.upgrade(before.database)
    with before.database.read() as connection:
        key = keys.by_secret(connection, KEY)
    assert key is not None
    before.database.write(lambda connection: sessions.add(connection, "cookie", key.id, NOW, NOW - DAY))
    with before.database.read() as connection:
        assert sessions.key_of(connection, "cookie", NOW - DAY) == key


def report_of_before(before: Older, run_id: int) -> None:
    """Make a run and report all of it, as the older version writes it."""
    with before.database.writer.begin() as connection:
        before.add(connection, "run", run(run_id, state="queued", queued_at=ago(minutes=2)))
        before.add(connection, "token", {"digest": b"token %d" % run_id, "run_id": run_id})
        before.change_run(connection, run_id, state="running", started_at=ago(minutes=1), heard_at=ago(minutes=1))
        before.add(
            connection,
            "event",
            {"run_id": run_id, "at": ago(minutes=1), "kind": "started", "by": "run", "text": "started", "details": {}},
        )
        before.add(
            connection,
            "metric",
            {"run_id": run_id, "name": "residual", "place": "step 1", "step": 1, "ts": 1, "value": 0.5},
        )
        before.add(connection, "log_piece", {"run_id": run_id, "part": "log", "start": 0, "content": b"done"})
        before.change_run(connection, run_id, state="succeeded", ended_at=ago(), exit_code=0, revision=7)
        before.add(connection, "idempotency", {"key_id": 1, "digest": b"%d" % run_id, "request_digest": b"r"} | _ANSWER)


_ANSWER = {"resource_id": 1, "created_at": 0}


def test_the_version_before_goes_on_over_the_connections_that_it_has(before: Older) -> None:
    # So often that PostgreSQL has prepared its statements: those must still give what they were prepared for.
    for run_id in range(100, 110):
        report_of_before(before, run_id)
        before.kept()
    schema.upgrade(before.database)
    report_of_before(before, 110)
    assert 110 in [row.id for row in before.kept()["run"]]
    with before.database.read() as connection:
        made = runs.get(connection, 110)
        assert (made.state, made.exit_code) == (RunState.SUCCEEDED, 0)
        assert made.id == all_runs(connection)[0].id


def test_who_writes_while_the_schema_is_brought_up_waits_and_succeeds(before: Older) -> None:
    begins, failed = threading.Event(), list[BaseException]()

    def report() -> None:
        begins.set()
        try:
            report_of_before(before, 100)
        except BaseException as error:
            failed.append(error)

    reporter = threading.Thread(target=report)
    with before.database.writer.begin() as connection:
        schema.upgrade_within(connection)
        reporter.start()
        begins.wait()
    reporter.join()
    assert not failed
    with before.database.read() as connection:
        assert runs.get(connection, 100).state is RunState.SUCCEEDED


def test_what_runs_waited_for_and_which_retries_they_had_comes_along(before: Older) -> None:
    rows: dict[int, dict[str, Any]] = {
        20: {"state": "scheduled", "after": [1, 6]},
        21: {"state": "cancelled", "after": [1], "ended_at": ago(hours=1)},
        22: {"state": "failed", "parent_id": 1, "cause": "retry", "ended_at": ago(hours=1)},
        23: {"state": "queued", "parent_id": 22, "cause": "retry"},
        24: {"state": "queued", "parent_id": 22, "cause": "rerun"},
    }
    with before.database.writer.begin() as connection:
        before.add(connection, "run", *(run(run_id, **values) for run_id, values in rows.items()))
    schema.upgrade(before.database)
    with before.database.read() as connection:
        first, second = dependencies.awaited_by(connection, 20, 10)
        (in_vain,) = dependencies.awaited_by(connection, 21, 10)
        found = {run_id: runs.get(connection, run_id) for run_id in rows}
    assert [(one.run_id, one.wants, one.outcome) for one in (first, second, in_vain)] == [
        (1, "succeeded", None),
        (6, "succeeded", None),
        (1, "succeeded", "failed"),
    ]
    assert {run_id: (one.unmet, one.stands_for) for run_id, one in found.items()} == {
        20: (2, None),
        21: (1, None),
        22: (0, 1),
        23: (0, 1),
        24: (0, None),
    }
