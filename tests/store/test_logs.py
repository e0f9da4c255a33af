"""The bytes of logs: any order of pieces gives the same text, and the same cut."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from lackey.store import log_words, logs
from lackey.store.database import Database
from tests.clock import Clock
from tests.store.rows import add_run, all_runs

PART = "reported"


@pytest.fixture
def run_id(database: Database, clock: Clock) -> int:
    return database.write(lambda connection: add_run(connection, clock()).id)


def keep(database: Database, run_id: int, pieces: list[tuple[int, bytes]], limit: int) -> list[tuple[int, bytes]]:
    """Store the pieces as they come; what is then read, each stretch with its offset."""

    def work(connection: Connection) -> int:
        reached = 0
        for start, content in pieces:
            logs.put(connection, run_id, PART, start, content)
            reached = max(reached, start + len(content))
            logs.let_go(connection, run_id, PART, reached, limit)
        return reached

    return read(database, run_id, database.write(work), limit)


def read(database: Database, run_id: int, end: int, limit: int) -> list[tuple[int, bytes]]:
    """What is held, each stretch joined to its neighbours."""
    joined: list[tuple[int, bytes]] = []
    with database.read() as connection:
        for span in logs.spans(connection, run_id, PART, end, limit):
            if span.is_held:
                joined.append((span.start, logs.content(connection, run_id, PART, span.start, span.end)))
                assert len(joined[-1][1]) == span.end - span.start
    return joined


def test_pieces_come_together_whatever_their_order(database: Database, run_id: int) -> None:
    assert keep(database, run_id, [(6, b"world"), (0, b"hello ")], 100) == [(0, b"hello world")]


def test_a_gap_is_told_with_its_size(database: Database, run_id: int) -> None:
    keep(database, run_id, [(2, b"ab"), (7, b"c")], 100)
    with database.read() as connection:
        spans = logs.spans(connection, run_id, PART, 10, 100)
    assert [(span.start, span.end) for span in spans if span.is_held] == [(2, 4), (7, 8)]
    assert [(span.start, span.end) for span in spans if not span.is_held] == [(0, 2), (4, 7), (8, 10)]


def test_bytes_that_are_held_stand(database: Database, run_id: int) -> None:
    assert keep(database, run_id, [(2, b"held"), (0, b"0123456789")], 100) == [(0, b"01held6789")]


def test_what_is_sent_again_is_kept_once(database: Database, run_id: int) -> None:
    assert keep(database, run_id, [(0, b"ab"), (0, b"ab"), (1, b"b"), (0, b"")], 100) == [(0, b"ab")]


def test_of_a_long_log_head_and_tail_are_kept(database: Database, run_id: int) -> None:
    pieces = [(offset, bytes([65 + offset]) * 1) for offset in range(26)]
    assert keep(database, run_id, pieces, 10) == [(0, b"ABCDE"), (21, b"VWXYZ")]


def test_what_lies_wholly_in_the_cut_is_not_stored_for_ever(database: Database, run_id: int) -> None:
    keep(database, run_id, [(offset, b"x" * 1000) for offset in range(0, 200_000, 1000)], 100)
    with database.read() as connection:
        held = [span for span in logs.spans(connection, run_id, PART, 200_000, 200_000) if span.is_held]
    assert sum(span.end - span.start for span in held) <= 3 * logs.JOINED_BYTES


def test_parts_and_runs_are_kept_apart(database: Database, run_id: int, clock: Clock) -> None:
    def work(connection: Connection) -> int:
        other = add_run(connection, clock()).id
        logs.put(connection, run_id, PART, 0, b"mine")
        logs.put(connection, run_id, "stop", 0, b"last words")
        logs.put(connection, other, PART, 0, b"theirs")
        return other

    other = database.write(work)
    assert read(database, run_id, 4, 100) == [(0, b"mine")]
    assert read(database, other, 6, 100) == [(0, b"theirs")]


def test_any_byte_is_kept_as_it_is(database: Database, run_id: int) -> None:
    every = bytes(range(256))
    assert keep(database, run_id, [(0, every)], 1000) == [(0, every)]


def test_a_log_can_lie_beyond_the_first_terabytes(database: Database, run_id: int) -> None:
    far = 1 << 45
    assert keep(database, run_id, [(far, b"far")], 10) == [(far, b"far")]


def test_a_part_of_a_piece_can_be_read(database: Database, run_id: int) -> None:
    keep(database, run_id, [(10, b"0123456789")], 100)
    with database.read() as connection:
        assert logs.content(connection, run_id, PART, 13, 17) == b"3456"
        assert logs.content(connection, run_id, PART, 18, 118) == b"89"


@st.composite
def overlapping(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Pieces of one text, some of them overlapping, with gaps between."""
    text = bytes(index % 251 for index in range(60))
    cuts = draw(st.lists(st.tuples(st.integers(0, 59), st.integers(1, 20)), min_size=1, max_size=8))
    return [(start, text[start : start + length]) for start, length in cuts]


@settings(max_examples=60)
@given(overlapping(), st.data(), st.integers(0, 30) | st.just(100))
@example([(0, b"a" * 20), (10, b"a" * 20)], None, 10)
def test_any_order_and_repetition_of_overlapping_pieces_gives_the_same_text(
    database: Database, clock: Clock, pieces: list[tuple[int, bytes]], data: Any, limit: int
) -> None:
    one, other = (database.write(lambda connection: add_run(connection, clock()).id) for _ in range(2))
    again = data.draw(st.permutations(pieces + pieces[:2])) if data else [*reversed(pieces), pieces[0]]
    assert keep(database, one, pieces, limit) == keep(database, other, again, limit)


@pytest.fixture
def small_rows(monkeypatch: pytest.MonkeyPatch) -> int:
    """Up to how many bytes pieces are joined: so few that some are joined and some are not."""
    monkeypatch.setattr(logs, "JOINED_BYTES", 16)
    return 16


TEXT = b" ".join(b"w%02d" % number for number in range(40))


@st.composite
def cuts(draw: st.DrawFn) -> list[tuple[int, int]]:
    some = draw(st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 25)), min_size=1, max_size=25))
    return [(start, min(start + length, len(TEXT))) for start, length in some]


def held_as_before(database: Database, run_id: int) -> set[int]:
    """Some pieces that touch, as a version has left them that did not join; which bytes are held then."""
    starts = (3, 6, 9, 30, 33)
    rows = [(run_id, PART, start, TEXT[start : start + 3]) for start in starts]
    database.write(lambda connection: logs.add_all(connection, rows))
    return {at for start in starts for at in range(start, start + 3)}


def rows_of(connection: Connection, run_id: int) -> list[tuple[int, bytes]]:
    wanted = text("SELECT start, content FROM log_piece WHERE run_id = :run_id ORDER BY start")
    return [(start, bytes(content)) for start, content in connection.execute(wanted, {"run_id": run_id})]


def bring_in_words(database: Database) -> None:
    while database.write(partial(log_words.learn_due, most=2)):
        pass


@settings(max_examples=80)
@given(cuts(), st.integers(20, 200), st.booleans(), st.integers(1, 5))
def test_pieces_are_joined_as_a_plain_model_has_them_and_their_words_come_and_go_with_them(
    database: Database,
    clock: Clock,
    small_rows: int,
    pieces: list[tuple[int, int]],
    limit: int,
    older: bool,
    every: int,
) -> None:
    """`every`: after so many pieces the words are brought in."""
    run_id = database.write(lambda connection: add_run(connection, clock()).id)
    held = held_as_before(database, run_id) if older else set[int]()
    reached = max(held, default=-1) + 1

    def work(connection: Connection, start: int, end: int) -> int:
        content = TEXT[start:end]
        kept = logs.put(connection, run_id, PART, start, content)
        gone = logs.let_go(connection, run_id, PART, max(reached, end), limit)
        log_words.forget(connection, run_id, PART, gone)
        new = {at for piece in kept.pieces for first, last in piece.new for at in range(first, last)}
        assert new == {*range(start, end)} - held
        held.update(new)
        held.difference_update(at for piece in gone for at in range(piece.start, piece.end))
        return kept.rows - len(gone)

    count = database.write(lambda connection: len(rows_of(connection, run_id)))
    for number, (start, end) in enumerate(pieces, 1):
        count += database.write(partial(work, start=start, end=end))
        reached = max(reached, end)
        if number % every == 0 or number == len(pieces):
            bring_in_words(database)
    with database.read() as connection:
        rows = rows_of(connection, run_id)
        assert len(rows) == count
        assert {at for start, content in rows for at in range(start, start + len(content))} == held
        assert all(content == TEXT[start : start + len(content)] for start, content in rows)
        if not older:
            touching = [(a, b) for (s, a), (t, b) in pairwise(rows) if s + len(a) == t]
            assert all(len(a) + len(b) > small_rows for a, b in touching)
            words = {word for _, content in rows for word in content.split() if len(word) == 3}
            for word in TEXT.split():
                is_found = any(run.id == run_id for run in all_runs(connection, text=word.decode()))
                assert is_found == (word in words), word


@settings(max_examples=60)
@given(overlapping(), st.integers(2, 80))
def test_what_is_read_is_head_and_tail_of_what_was_sent(
    database: Database, clock: Clock, pieces: list[tuple[int, bytes]], limit: int
) -> None:
    run_id = database.write(lambda connection: add_run(connection, clock()).id)
    end = max(start + len(content) for start, content in pieces)
    known = {start + index: byte for start, content in pieces for index, byte in enumerate(content)}
    kept = {at: byte for at, byte in known.items() if end <= limit or not limit // 2 <= at < end - limit // 2}
    held = keep(database, run_id, pieces, limit)
    assert {start + index: byte for start, content in held for index, byte in enumerate(content)} == kept
