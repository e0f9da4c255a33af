"""Runs are found by the words in their texts, in the same way on both databases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from lackey.domain.run import Run
from lackey.store import words
from lackey.store.database import Database
from tests.clock import Clock
from tests.store.rows import add_run, all_runs

LOG = 'Iteration 17: residual=1.5e-07, file "out_final.dat" written; ΔT reached, Größe 3, d\'accord, NEAR the OR'


@pytest.fixture
def run(database: Database, clock: Clock) -> Run:
    def work(connection: Connection) -> Run:
        add_run(connection, clock())
        run = add_run(connection, clock())
        words.index(connection, run.id, "heat/explicit\n./heat --fast")
        words.index(connection, run.id, LOG)
        return run

    return database.write(work)


def found(database: Database, wanted: str) -> list[int]:
    with database.read() as connection:
        return [run.id for run in all_runs(connection, text=wanted)]


@pytest.mark.parametrize(
    "wanted",
    [
        *("iteration", "ITERATION", "Iteration 17", "17 residual", "fast residual", "heat/explicit", "--fast"),
        *('"out_final.dat"', "out_final.dat", "größe", "GRÖSSE", "δt", "1.5e-07", "d'accord"),
        *("NEAR(the OR)", "OR", "near* OR", 'the "or', "residual:1", "^iteration", "(written)", "-fast"),
    ],
)
def test_a_run_is_found_by_words_of_all_its_texts_in_any_case(database: Database, run: Run, wanted: str) -> None:
    assert found(database, wanted) == [run.id]


@pytest.mark.parametrize("wanted", ["iterat", "resid*", "iteration diverged", "NOT iteration", "heat OR diverged"])
def test_a_run_is_not_found_unless_each_whole_word_occurs(database: Database, run: Run, wanted: str) -> None:
    assert found(database, wanted) == []


@pytest.mark.parametrize("wanted", ["", '"', "*", "-- %", "((", "\\", "\ud800"])
def test_what_holds_no_word_asks_for_nothing(database: Database, run: Run, wanted: str) -> None:
    assert len(found(database, wanted)) == 2


@given(st.text(st.characters(exclude_characters="\0")))
def test_no_text_is_a_query_that_the_database_stumbles_over(database: Database, run: Run, wanted: str) -> None:
    found(database, wanted)


@given(st.text(max_size=60))
def test_a_run_is_found_by_every_text_it_holds(database: Database, clock: Clock, content: str) -> None:
    content += " lackey"

    def work(connection: Connection) -> Run:
        run = add_run(connection, clock())
        words.index(connection, run.id, content)
        return run

    run = database.write(work)
    assert run.id in found(database, content)


@pytest.mark.parametrize(
    "content",
    [
        "".join(f"{chr(first)}{chr(second)} " for first in range(0x4E00, 0x4F00) for second in range(0x5000, 0x5300)),
        "".join(f"{number:x} " for number in range(200_000)),
        "x" * 1_000_000,
        "_".join(str(number) for number in range(200_000)),
        " ".join("\u0390" * length for length in range(1, 1500)),
    ],
    ids=["two signs each", "numbers", "one word", "one word in pieces", "letters that grow"],
)
def test_a_log_full_of_different_words_is_found_by_its_first_and_its_last(
    database: Database, clock: Clock, content: str
) -> None:
    def work(connection: Connection) -> Run:
        run = add_run(connection, clock())
        words.index(connection, run.id, f"begins {content} finishes")
        return run

    run = database.write(work)
    assert found(database, "begins") == found(database, "FINISHES") == [run.id]
