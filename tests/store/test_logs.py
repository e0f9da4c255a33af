"""The bytes of logs: any order of pieces gives the same text, and the same cut."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from lackey.store import logs
from lackey.store.database import Database
from lackey.store.logs import Span
from tests.clock import Clock
from tests.store.rows import add_run

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
            if span.piece is None:
                continue
            content = logs.content(connection, run_id, PART, span, span.start, 1 << 20)
            assert len(content) == span.end - span.start
            if joined and joined[-1][0] + len(joined[-1][1]) == span.start:
                joined[-1] = (joined[-1][0], joined[-1][1] + content)
            else:
                joined.append((span.start, content))
    return joined


def test_pieces_come_together_whatever_their_order(database: Database, run_id: int) -> None:
    assert keep(database, run_id, [(6, b"world"), (0, b"hello ")], 100) == [(0, b"hello world")]


def test_a_gap_is_told_with_its_size(database: Database, run_id: int) -> None:
    keep(database, run_id, [(2, b"ab"), (7, b"c")], 100)
    with database.read() as connection:
        spans = logs.spans(connection, run_id, PART, 10, 100)
    assert spans == [Span(0, 2, None), Span(2, 4, 2), Span(4, 7, None), Span(7, 8, 7), Span(8, 10, None)]


def test_bytes_that_are_held_stand(database: Database, run_id: int) -> None:
    assert keep(database, run_id, [(2, b"held"), (0, b"0123456789")], 100) == [(0, b"01held6789")]


def test_what_is_sent_again_is_kept_once(database: Database, run_id: int) -> None:
    assert keep(database, run_id, [(0, b"ab"), (0, b"ab"), (1, b"b"), (0, b"")], 100) == [(0, b"ab")]


def test_of_a_long_log_head_and_tail_are_kept(database: Database, run_id: int) -> None:
    pieces = [(offset, bytes([65 + offset]) * 1) for offset in range(26)]
    assert keep(database, run_id, pieces, 10) == [(0, b"ABCDE"), (21, b"VWXYZ")]


def test_what_lies_wholly_in_the_cut_is_not_stored_for_ever(database: Database, run_id: int) -> None:
    keep(database, run_id, [(offset, b"x" * 10) for offset in range(0, 10_000, 10)], 100)
    with database.read() as connection:
        stored = {span.piece for span in logs.spans(connection, run_id, PART, 10_000, 10_000)} - {None}
    assert len(stored) <= 12


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
        _, span = logs.spans(connection, run_id, PART, 20, 100)
        assert logs.content(connection, run_id, PART, span, 13, 4) == b"3456"
        assert logs.content(connection, run_id, PART, span, 18, 100) == b"89"


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
