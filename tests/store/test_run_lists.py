"""Lists of runs: sorted, narrowed, a page at a time in both directions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from lackey.domain.refusals import Invalid
from lackey.domain.run import ACTIVE, FINAL, Run, RunState
from lackey.domain.run_list import Cursor, Order
from lackey.store import run_lists, words
from lackey.store.database import Database
from lackey.store.run_lists import RunPage
from lackey.store.runs import Filter
from tests.clock import Clock
from tests.store.rows import add_application, add_project, add_run

SECONDS = [5, 3, 3, 8, None, 3, 1, 5, None, 2]


@pytest.fixture
def made(database: Database, clock: Clock) -> list[Run]:
    """Ten runs, of which some began at one time, some took as long, and some have not begun."""

    def work(connection: Connection) -> list[Run]:
        made = []
        for place, seconds in enumerate(SECONDS):
            values: dict[str, Any] = {"scheduled_at": clock() + timedelta(hours=place // 3)}
            if seconds is not None:
                begun = clock() + timedelta(minutes=place // 2)
                values |= {"state": RunState.FAILED if place % 2 else RunState.SUCCEEDED, "started_at": begun}
                values |= {"ended_at": begun + timedelta(seconds=seconds)}
            made.append(add_run(connection, clock(), by="anna" if place % 3 else "bob", **values))
        return made

    return database.write(work)


def read(
    database: Database,
    cursor: Cursor | None = None,
    order: Order = Order.ID,
    down: bool = True,
    limit: int = 3,
    **wanted: Any,
) -> RunPage:
    with database.read() as connection:
        return run_lists.page(connection, Filter(**wanted), order, down, cursor, limit)


def walk(page: RunPage, go: Callable[[RunPage], Cursor | None], read_at: Callable[[Cursor], RunPage]) -> list[RunPage]:
    """The page and all behind it, through their cursors as a URL holds them."""
    pages = [page]
    while (cursor := go(pages[-1])) is not None:
        pages.append(read_at(Cursor.parse(str(cursor))))
    return pages


def ids(pages: list[RunPage]) -> list[int]:
    return [run.id for page in pages for run in page.runs]


_KEYS: dict[Order, Callable[[Run], Any]] = {
    Order.ID: lambda run: run.id,
    Order.SCHEDULED: lambda run: run.scheduled_at,
    Order.STARTED: lambda run: run.started_at,
    Order.DURATION: lambda run: run.duration_seconds,
}


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("wanted", [{}, {"by": "anna"}, {"states": FINAL}, {"states": ACTIVE}])
def test_the_pages_hold_each_run_once_in_order_and_lead_back_the_same_way(
    database: Database, made: list[Run], order: Order, down: bool, wanted: dict[str, Any]
) -> None:
    def at(cursor: Cursor | None) -> RunPage:
        return read(database, cursor, order, down, limit=2, **wanted)

    key = _KEYS[order]
    there = [run for run in made if run.by == wanted.get("by", run.by) and key(run) is not None]
    there = [run for run in there if run.state in wanted.get("states", [run.state])]
    expected = [run.id for run in sorted(there, key=lambda run: (key(run), run.id), reverse=down)]
    pages = walk(at(None), lambda page: page.next, at)
    assert ids(pages) == expected
    back = walk(pages[-1], lambda page: page.previous, at)
    assert ids(back[::-1]) == expected
    assert (back[-1].previous, pages[0].previous) == (None, None)


def test_runs_that_come_meanwhile_move_no_other_to_another_page(
    database: Database, clock: Clock, made: list[Run]
) -> None:
    first = read(database)
    database.write(lambda connection: add_run(connection, clock()))
    assert ids([read(database, first.next)]) == [run.id for run in made[6:3:-1]]


@pytest.mark.parametrize("order", Order)
def test_what_is_rare_is_found_though_no_page_passes_many_runs(
    database: Database, made: list[Run], order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page ends early, says so, and leads on; and back again over the pages that were empty."""
    monkeypatch.setattr(run_lists, "WALKED_AT_MOST", 2)
    monkeypatch.setattr(run_lists, "FEW", 0)
    wanted: dict[str, Any] = {"states": frozenset({RunState.FAILED}), "by": "bob"}

    def at(cursor: Cursor | None) -> RunPage:
        return read(database, cursor, order, limit=1, **wanted)

    there = [run for run in made if run.by == "bob" and run.state is RunState.FAILED]
    expected = [run.id for run in sorted(there, key=_KEYS[order], reverse=True)]
    pages = walk(at(None), lambda page: page.next, at)
    assert ids(pages) == expected
    assert not pages[0].searched_to_end
    assert pages[-1].searched_to_end
    assert ids(walk(pages[-1], lambda page: page.previous, at)[::-1]) == expected


@pytest.mark.parametrize("order", Order)
def test_what_few_runs_have_is_found_at_once_however_many_there_are(
    database: Database, made: list[Run], order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lists, "WALKED_AT_MOST", 1)
    monkeypatch.setattr(run_lists, "FEW", 4)
    for wanted in ({"by": "bob"}, {"by": "bob", "since": made[0].scheduled_at}):
        page = read(database, order=order, states=frozenset({RunState.FAILED}), **wanted)
        expected = [run for run in made if run.by == "bob" and run.state is RunState.FAILED]
        assert ids([page]) == [run.id for run in sorted(expected, key=_KEYS[order], reverse=True)]
        assert (page.searched_to_end, page.total) == (True, len(expected))


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("order", [Order.ID, Order.SCHEDULED])
@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("named", [{}, {"by": "anna"}, {"since": True}])
def test_several_states_are_listed_in_one_order(
    database: Database, clock: Clock, order: Order, down: bool, few: int, named: dict[str, Any], monkeypatch: Any
) -> None:
    """As of the active ones, of which there may be a hundred thousand."""
    monkeypatch.setattr(run_lists, "FEW", few)
    states = (RunState.QUEUED, RunState.RUNNING, RunState.SCHEDULED)

    def work(connection: Connection) -> list[Run]:
        at = [clock() + timedelta(minutes=place * 7 % 12) for place in range(12)]
        by = ["anna" if place % 5 else "bob" for place in range(12)]
        return [
            add_run(connection, clock(), state=states[place % 3], scheduled_at=at[place], by=by[place])
            for place in range(12)
        ]

    wanted = {**named, **({"since": clock() + timedelta(minutes=3)} if "since" in named else {})}
    there = [run for run in database.write(work) if run.state in ACTIVE and wanted.get("by") in (None, run.by)]
    there = [run for run in there if "since" not in wanted or run.scheduled_at >= wanted["since"]]

    def at(cursor: Cursor | None) -> RunPage:
        return read(database, cursor, order, down, states=ACTIVE, **wanted)

    pages = walk(at(None), lambda page: page.next, at)
    assert ids(pages) == [run.id for run in sorted(there, key=_KEYS[order], reverse=down)]
    assert ids(walk(pages[-1], lambda page: page.previous, at)[::-1]) == ids(pages)


def test_a_list_is_narrowed_to_all_that_was_asked_for(database: Database, clock: Clock, made: list[Run]) -> None:
    def work(connection: Connection) -> Run:
        project = add_project(connection, clock())
        application = add_application(connection, clock(), project)
        add_run(connection, clock(), project_id=project, application_id=application)
        mine = add_run(connection, clock(), project_id=project, application_id=application, by="carol")
        words.index(connection, mine.id, "needle")
        return mine

    mine = database.write(work)
    application: dict[str, Any] = {"application_id": mine.application_id, "project_id": mine.project_id}
    for order in (Order.ID, Order.SCHEDULED):
        assert ids([read(database, order=order, by="carol", **application)]) == [mine.id]
        assert ids([read(database, order=order, since=clock(), until=clock(), by="carol")]) == [mine.id]
        assert ids([read(database, order=order, text="needle", **application)]) == [mine.id]
        assert ids([read(database, order=order, text="needle", by="anna")]) == []
        assert ids([read(database, order=order, since=clock() + timedelta(hours=3))]) == [made[-1].id]


@pytest.mark.parametrize("few, surely_many", [(0, 100), (1, 100), (100, 100), (100, 0), (1, 5)])
def test_words_are_found_however_many_runs_have_them_and_are_believed_to_have_them(
    database: Database, made: list[Run], few: int, surely_many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "FEW", few)
    monkeypatch.setattr(words, "SURELY_MANY", surely_many)

    def work(connection: Connection) -> None:
        for run in made:
            words.index(connection, run.id, f"heat number{run.id}")
        words.index(connection, made[4].id, "converged")

    database.write(work)
    assert ids([read(database, text="heat")]) == [run.id for run in made[:-4:-1]]
    assert ids([read(database, text="Heat CONVERGED")]) == [made[4].id]
    assert ids([read(database, text=f"heat number{made[2].id}", order=Order.STARTED)]) == [made[2].id]
    assert ids([read(database, text=f"converged number{made[2].id}")]) == []


def test_words_that_many_have_are_all_found_though_each_page_looks_into_few_runs(
    database: Database, made: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "FEW", 1)
    monkeypatch.setattr(run_lists, "LOOKED_UP_AT_MOST", 4)
    monkeypatch.setattr(run_lists, "WALKED_AT_LEAST", 1)

    def work(connection: Connection) -> None:
        for run in made:
            words.index(connection, run.id, "heat explicit" if run.id % 3 else "heat")

    def all_with(text: str) -> list[RunPage]:
        return walk(read(database, text=text), lambda page: page.next, lambda at: read(database, at, text=text))

    database.write(work)
    pages = all_with("heat explicit")
    assert ids(pages) == [run.id for run in made[::-1] if run.id % 3]
    assert [page.searched_to_end for page in pages] == [False] * (len(pages) - 1) + [True]
    one_word = all_with("explicit")
    assert ids(one_word) == ids(pages)
    assert len(one_word) < len(pages), "each word costs a look"


def test_the_total_is_told_where_to_count_is_cheap(
    database: Database, made: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(database).total == 10
    assert read(database, order=Order.DURATION).total == 8
    assert read(database, by="bob").total == 4
    assert read(database, by="bob", states=frozenset({RunState.FAILED})).total == 2
    monkeypatch.setattr(run_lists, "COUNTED_AT_MOST", 5)
    assert read(database).total == 6
    monkeypatch.setattr(run_lists, "FEW", 1)
    assert read(database, by="bob", states=frozenset({RunState.FAILED})).total is None


@given(st.integers(-(10**17), 10**17), st.integers(0, 10**17), st.booleans())
def test_a_cursor_survives_a_url(value: int, run_id: int, previous: bool) -> None:
    cursor = Cursor(value, run_id, previous)
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "7", "7.", "7.8x", "7.8p\n", "٧.٨", f"{10**20}.1", "1.-1", "nan.1"])
def test_what_is_no_cursor_is_refused_in_words(text: str) -> None:
    with pytest.raises(Invalid, match="begin again without one"):
        Cursor.parse(text)


def test_a_cursor_of_another_list_is_only_a_place(database: Database, made: list[Run]) -> None:
    assert ids([read(database, Cursor(10**17, 10**17))]) == [run.id for run in made[:-4:-1]]
