"""Logs are found by their words, though these come into the index after the report was answered."""

import pytest
from sqlalchemy import Connection, text

from lackey.domain.refusals import Unavailable
from lackey.services.runs import searchable
from lackey.store import logs, words
from lackey.store.database import Database
from tests.services.lab import LOG_LIMIT, Lab
from tests.services.test_reporting import send_log
from tests.store.rows import all_runs


def are_due(database: Database) -> bool:
    with database.read() as connection:
        return logs.are_words_due(connection)


def indexed(lab: Lab, word: str) -> list[int]:
    """What the index alone leads to."""
    with lab.database.read() as connection:
        return [run.id for run in all_runs(connection, text=word)]


def found(lab: Lab, words: str) -> list[int]:
    return [run.id for run in lab.found(words)]


def test_a_search_finds_what_was_reported_just_before(lab: Lab) -> None:
    run_id = lab.reported().id
    lab.start(run_id)
    lab.stop(run_id, 1, log=b"the solver diverged")
    assert (are_due(lab.database), indexed(lab, "diverged")) == (True, [])
    assert found(lab, "diverged") == [run_id]
    assert not are_due(lab.database)


def test_lines_that_come_one_by_one_are_found_and_leave_one_text(lab: Lab) -> None:
    run_id = lab.reported().id
    for number in range(3):
        send_log(lab, run_id, b"line%d and\n" % number)
        assert found(lab, f"line{number} line0") == [run_id]
    send_log(lab, run_id, b"x" * LOG_LIMIT)
    send_log(lab, run_id, b"y" * LOG_LIMIT)
    assert found(lab, "line1") == [run_id], "its head is kept"


def test_words_of_what_was_let_go_before_they_were_brought_in_lead_nowhere(lab: Lab) -> None:
    run_id = lab.reported().id
    send_log(lab, run_id, b"kept" + b" " * 16, limit=40)
    send_log(lab, run_id, b"middle" + b"-" * 14, limit=40)
    send_log(lab, run_id, b"end" + b"." * 37, limit=40)
    assert (found(lab, "kept"), found(lab, "end")) == ([run_id], [run_id])


def test_many_logs_are_brought_in_in_pieces_and_one_that_fails_loses_none(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searchable, "_PIECES", 2)
    runs = [lab.reported().id for _ in range(5)]
    for run_id in runs:
        send_log(lab, run_id, b"common")

    def fails(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(logs, "note_words", fails)
        searchable.catch_up(lab.database)
    assert indexed(lab, "common") == []
    assert searchable.catch_up(lab.database) and len(indexed(lab, "common")) == 2
    assert sorted(found(lab, "common")) == runs


def test_a_search_while_nothing_can_be_written_finds_what_is_in_the_index(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = lab.reported().id, lab.reported().id
    send_log(lab, old, b"common")
    assert found(lab, "common") == [old]
    send_log(lab, new, b"common")

    def away(*_: object) -> None:
        raise Unavailable("the database can only be read")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", away)
        assert found(lab, "common") == [old]
    assert sorted(found(lab, "common")) == [old, new]


def test_a_log_whose_report_was_answered_is_found_by_another_process_that_never_saw_it(
    lab: Lab, database_url: str
) -> None:
    """Whoever stored it may be gone: what is due is in the database alone."""
    run_id = lab.reported().id
    send_log(lab, run_id, b"orphaned words")
    lab.database.close()
    another = Database(database_url)
    try:
        assert searchable.catch_up(another) is False
        with another.read() as connection:
            assert [run.id for run in all_runs(connection, text="orphaned")] == [run_id]
    finally:
        another.close()


def test_pieces_of_a_version_before_beside_it_are_found_and_stay_so(lab: Lab) -> None:
    """It stores a piece, and its words, and knows nothing of words that are due."""
    run_id = lab.reported().id

    def as_before(connection: Connection) -> None:
        stored = "INSERT INTO log_piece (run_id, part, start, content) VALUES (:run_id, 'reported', 0, :content)"
        connection.execute(text(stored), {"run_id": run_id, "content": b"elder "})
        connection.execute(text("UPDATE run SET log_size = 6, revision = revision + 1 WHERE id = :id"), {"id": run_id})
        words.index(connection, run_id, "elder ")

    lab.database.write(as_before)
    assert (are_due(lab.database), indexed(lab, "elder")) == (False, [run_id])
    send_log(lab, run_id, b"younger")
    assert (found(lab, "younger elder"), found(lab, "elder")) == ([run_id], [run_id])
