"""Nothing is without a bound; who meets one is told which."""

from typing import Any

import pytest
from sqlalchemy import text

from lackey.domain import limits
from lackey.domain.refusals import TooMany
from lackey.services.runs import creation, listing, reporting, rerunning, viewing
from lackey.store import events, logs, metric_summaries, sessions, tokens
from lackey.web import paging
from tests.web.client import Api, fields_at_fault
from tests.web.visitor import Visitor


def test_a_run_keeps_so_many_names_of_metrics_and_no_more(api_on_each_database: Api) -> None:
    api = api_on_each_database
    run = api.reported_run()
    some = [{"name": f"m{number}", "value": 1} for number in range(limits.METRIC_NAMES)]
    assert api.report("metric", run, metrics=some).status_int == 200
    refused = api.report("metric", run, name="one more", value=1)
    assert fields_at_fault(refused) == ["name"]
    assert "1000" in refused.json["detail"]
    assert api.report("metric", run, name="m7", value=2, step=1).status_int == 200


def test_a_metric_keeps_so_many_points(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "METRIC_POINTS", 300)
    run = api.reported_run()
    some = [{"name": "residual", "value": 1, "step": step} for step in range(300)]
    assert api.report("metric", run, metrics=some).status_int == 200
    assert fields_at_fault(api.report("metric", run, metrics=some)) == ["metrics"]


def test_a_log_that_comes_line_by_line_is_kept_in_few_pieces(api_on_each_database: Api) -> None:
    api = api_on_each_database
    run = api.reported_run()
    lines = [b"step %d\xff\n" % number for number in range(100)]
    for number, line in enumerate(lines):
        offset = sum(map(len, lines[:number])) if number % 2 else None
        query = "" if offset is None else f"?offset={offset}"
        sent = api.ask("PUT", f"/api/run/log/{run['id']}{query}", line, key=run["token"], Content_Type="text/plain")
        assert sent.status_int == 200
    assert api.get(f"/api/run/{run['id']}/log").body == b"".join(lines)
    with api.database.read() as connection:
        assert logs.count(connection, run["id"], "reported", 100) == 1


def test_a_log_of_nothing_but_gaps_is_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "LOG_PIECES", 10)
    run = api.reported_run()
    for number in range(10):
        assert api.report("log", run, text="x", offset=number * 2).status_int == 200
    assert fields_at_fault(api.report("log", run, text="x", offset=100)) == ["offset"]
    assert api.report("log", run, text="y").status_int == 200
    assert api.report("stop", run, exit=0, log="its end").status_int == 200


@pytest.mark.parametrize(
    "offsets",
    [
        pytest.param(range(1_000, 900, -2), id="from the end to the start"),
        pytest.param([at * 2 for pair in zip(range(25), range(99, 74, -1), strict=True) for at in pair], id="inwards"),
    ],
)
def test_a_log_whose_pieces_come_out_of_order_is_bounded_too(
    api_on_each_database: Api, monkeypatch: pytest.MonkeyPatch, offsets: list[int]
) -> None:
    api = api_on_each_database
    monkeypatch.setattr(reporting, "LOG_PIECES", 10)
    run = api.reported_run()
    answers = [api.report("log", run, text="x", offset=offset) for offset in offsets]
    taken = [answer.status_int == 200 for answer in answers]
    assert 8 <= sum(taken) <= 12
    assert all(fields_at_fault(answer) == ["offset"] for answer in answers if answer.status_int != 200)
    with api.database.read() as connection:
        assert logs.count(connection, run["id"], "reported", 100) <= 12
    # What is held already may come again, and what closes a gap is taken.
    assert api.report("log", run, text="x", offset=offsets[0]).status_int == 200
    assert api.report("log", run, text="y", offset=offsets[0] + 1).status_int == 200
    assert api.report("log", run, text="the end").status_int == 200


def test_a_piece_that_comes_again_is_not_indexed_again(api: Api) -> None:
    run = api.reported_run()
    for _ in range(5):
        assert api.report("log", run, text="first words\n", offset=0).status_int == 200
        assert [found["id"] for found in api.get("/api/run?q=words").json["items"]] == [run["id"]]
    assert texts_of(api, run) == 2


def texts_of(api: Api, run: dict[str, Any]) -> int:
    """How many rows the index has of a run."""
    wanted = text("SELECT count(*) FROM indexed_text WHERE run_id = :run_id")
    with api.database.read() as connection:
        return int(connection.execute(wanted, {"run_id": run["id"]}).scalar_one())


def test_a_run_is_found_by_each_line_of_its_log_with_few_texts_in_the_index(api_on_each_database: Api) -> None:
    api = api_on_each_database
    run = api.reported_run()
    for number in range(200):
        assert api.report("log", run, text=f"word{number}\n").status_int == 200
    assert api.report("stop", run, exit=1, log="diverged").status_int == 200
    words = ("word0", "word100", "word199", "diverged")
    assert {word: len(api.get(f"/api/run?q={word}").json["items"]) for word in words} == dict.fromkeys(words, 1)
    assert texts_of(api, run) < 40


def history(api: Api, run: dict[str, Any]) -> list[str]:
    return [event["kind"] for event in api.get(f"/api/run/{run['id']}/events?limit=1000").json["items"]]


def test_reports_that_differ_each_time_do_not_grow_the_history_for_ever(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "EVENTS", 10)
    run = api.reported_run()
    for second in range(30, 0, -1):
        assert api.report("start", run, ts=second).status_int == 200
    assert len(history(api, run)) == 10
    assert api.run(run)["started_at"].startswith("1970-01-01T00:00:01")
    assert api.report("stop", run, exit=0).status_int == 200
    for code in range(1, 40):
        assert api.report("stop", run, exit=code).status_int == 409
    kinds = history(api, run)
    assert (kinds.count("contradiction"), kinds.count("stop")) == (20, 1)
    assert api.run(run)["state"] == "succeeded"


def test_a_run_that_waits_is_not_changed_for_ever(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS", 10)
    run = api.post("/api/run", {"application": api.application()["id"]}).json
    answers = [api.put(f"/api/run/{run['id']}", {"priority": number}) for number in range(20)]
    assert [answer.status_int for answer in answers] == [200] * 9 + [429] * 11
    assert "EVENTS" in answers[-1].json["detail"]
    assert api.post(f"/api/run/cancel/{run['id']}").json["state"] == "cancelled"


def test_one_request_under_one_idempotency_key_gives_out_so_many_tokens(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "TOKENS", 3)
    body = {"launch": False, "name": "by hand"}
    answers = [api.post("/api/run", body, Idempotency_Key="once") for _ in range(5)]
    assert [answer.status_int for answer in answers] == [201, 201, 201, 429, 429]
    for answer in answers[:3]:
        assert api.report("progress", answer.json, fraction=0.5).status_int == 200


def test_a_run_that_has_more_figures_than_it_may_is_shown_by_its_first_ones(
    api_on_each_database: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = api_on_each_database
    run, other = api.reported_run(), api.reported_run()
    some = [{"name": f"m{number:03}", "value": number, "step": 1} for number in range(300)]
    assert api.report("metric", run, metrics=some).status_int == 200
    assert api.report("metric", other, name="other", value=1).status_int == 200
    for module in (metric_summaries, viewing):
        monkeypatch.setattr(module, "METRIC_NAMES", 50)
    curves = viewing.figures(api.database, run["id"])
    assert [(one.name, one.last.value) for one in curves] == [(f"m{number:03}", number) for number in range(50)]
    compared = viewing.side_by_side(api.database, [run["id"], other["id"]])
    assert [row.name for row in compared.metrics] == [f"m{number:03}" for number in range(50)]


def test_a_list_is_read_no_further_than_it_is_answered(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "AT_ONCE", 2)
    monkeypatch.setattr(paging, "LIST_BYTES", 5_000)
    for _ in range(12):
        api.reported_run(parameters={"a": "x" * 1000})
    asked: list[int] = []
    read = listing.page

    def counted(*given: Any, **named: Any) -> Any:
        found = read(*given, **named)
        asked.append(len(found.runs))
        return found

    monkeypatch.setattr(listing, "page", counted)
    shown = api.get("/api/run?limit=100").json["items"]
    assert 1 <= len(shown) < 5
    assert sum(asked) <= len(shown) + 2


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_pages_of_any_size_hold_each_thing_once(api: Api, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(paging, "AT_ONCE", 2)
    run = api.reported_run()
    assert api.report("metric", run, metrics=[{"name": "a", "value": n, "step": n} for n in range(5)]).status_int == 200
    made = [run["id"], *(api.reported_run()["id"] for _ in range(4))]
    for path, expected, value in (
        ("/api/run", made[::-1], "id"),
        (f"/api/run/{run['id']}/metrics", list(range(5)), "value"),
    ):
        found: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = api.get(f"{path}?limit={limit}{cursor and f'&cursor={cursor}'}").json
            assert len(answer["items"]) == min(limit, 5 - len(found))
            found += [each[value] for each in answer["items"]]
            cursor = answer["next"]
        assert found == expected


def test_a_list_ends_earlier_where_it_would_be_too_large(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "LIST_BYTES", 5_000)
    made = [api.reported_run(parameters={"a": "x" * 1000})["id"] for _ in range(10)]
    found: list[int] = []
    cursor = ""
    while True:
        page = api.get(f"/api/run?limit=100{cursor}").json
        assert 1 <= len(page["items"]) < 5
        found += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == sorted(made, reverse=True)


def test_parameters_and_environments_that_are_too_large_are_refused(api: Api) -> None:
    large = {f"p{number}": "x" * 30_000 for number in range(5)}
    assert fields_at_fault(api.post("/api/run", {"launch": False, "name": "a", "parameters": large})) == ["parameters"]
    body: dict[str, Any] = {"project": "heat", "name": "large", "command": "true", "environment": large}
    api.application()
    assert fields_at_fault(api.post("/api/application", body)) == ["environment"]
    path = f"/api/application/{api.application(name='small')['id']}"
    assert fields_at_fault(api.put(path, {"environment": large})) == ["environment"]
    assert api.put(path, {"environment": {"A": "x" * 1000}}).status_int == 200


def test_of_too_many_browsers_with_one_key_the_oldest_is_signed_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SESSIONS", 3)
    browsers = []
    for _ in range(5):
        browsers.append(Visitor(api).browser)
        form = browsers[-1].get("/sign-in").forms[0]
        form["key"] = api.key
        form.submit()
        api.clock.advance(1)
    signed_in = [browser.get("/run", expect_errors=True).status_int == 200 for browser in browsers]
    assert signed_in == [False, False, True, True, True]


def test_one_user_has_so_many_runs_waiting_and_another_is_not_kept_out(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "WAITING_RUNS", 3)
    monkeypatch.setattr(creation, "COUNTED_ONE_IN", 1)
    first = [api.reported_run() for _ in range(3)]
    refused = api.post("/api/run", {"launch": False, "name": "one more"})
    assert refused.status_int == 429
    assert "WAITING_RUNS" in refused.json["detail"]
    assert refused.headers["Retry-After"]
    assert api.post("/api/run", {"launch": False, "name": "another's"}, key=api.key_of("run")).status_int == 201
    cancelled = api.post(f"/api/run/cancel/{first[0]['id']}").json
    assert api.post("/api/run", {"launch": False, "name": "in its place"}).status_int == 201
    # However a run is asked for, a cancelled one put back too.
    assert api.post(f"/api/run/rerun/{cancelled['id']}").status_int == 429
    with pytest.raises(TooMany):
        rerunning.put_back(api.database, cancelled["id"], cancelled["by"], api.clock())
    api.report("stop", first[1], exit=0)
    assert api.post("/api/run", {"launch": False, "name": "one more"}).status_int == 201
