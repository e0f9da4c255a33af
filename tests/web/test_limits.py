"""Nothing is without a bound; who meets one is told which."""

from typing import Any

import pytest

from lackey.domain import limits
from lackey.services import newcomers, reporting
from lackey.store import logs
from lackey.web import paging
from tests.web.client import Api, fields_at_fault


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
        assert logs.count(connection, run["id"], "reported") == 1


def test_a_log_of_nothing_but_gaps_is_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "LOG_PIECES", 10)
    run = api.reported_run()
    for number in range(10):
        assert api.report("log", run, text="x", offset=number * 2).status_int == 200
    assert fields_at_fault(api.report("log", run, text="x", offset=100)) == ["offset"]
    assert api.report("log", run, text="y").status_int == 200
    assert api.report("stop", run, exit=0, log="its end").status_int == 200


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


def test_one_user_has_so_many_runs_waiting_and_another_is_not_kept_out(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newcomers, "WAITING_RUNS", 3)
    monkeypatch.setattr(newcomers, "_COUNTED_ONE_IN", 1)
    first = [api.reported_run() for _ in range(3)]
    refused = api.post("/api/run", {"launch": False, "name": "one more"})
    assert refused.status_int == 429
    assert "WAITING_RUNS" in refused.json["detail"]
    assert refused.headers["Retry-After"]
    assert api.post("/api/run", {"launch": False, "name": "another's"}, key=api.key_of("run")).status_int == 201
    api.report("stop", first[0], exit=0)
    assert api.post("/api/run", {"launch": False, "name": "one more"}).status_int == 201
