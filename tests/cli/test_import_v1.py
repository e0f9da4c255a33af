"""`lackey import-v1`: what lackey 1.0 knew is here afterwards, and its scripts go on."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.lackey_1 import DUE, ENDED, REAL, STARTED, TOKEN, NewService, OldService, noted

LIKE_THE_REAL_ONE = "made"


def test_projects_applications_and_runs_come_in_with_their_ids(new: NewService, old: OldService) -> None:
    old.project(3, name="test", title="Test", description="A test", directory="test/")
    old.application(5, name="app_1", directory="app_1/", command="python -h", project_id=3, description="An app")
    old.run(7, directory="test/app_1/", command="python -h 1", start=STARTED, end=ENDED, application_id=5)
    summary = new.take_over()
    assert (summary["projects"]["new"], summary["applications"]["new"], summary["states"]) == (1, 1, {"succeeded": 1})
    project = new.api.get("/api/project/3").json
    assert (project["name"], project["title"], project["description"]) == ("test", "Test", "A test")
    assert (project["share"], project["directory"]) == ("lab", "test")
    application = new.api.get("/api/application/5").json
    assert (application["full_name"], application["description"]) == ("test/app_1", "An app")
    assert (application["directory"], application["command"], application["archived_at"]) == (
        "app_1",
        "python -h",
        None,
    )


def test_a_run_comes_in_as_one_that_was_reported_with_its_place_and_times(new: NewService, old: OldService) -> None:
    old.project(3, name="test", directory="test/")
    old.application(5, name="app_1", directory="app_1/", project_id=3)
    old.run(7, directory="test/app_1/", command="python -h 1", start=STARTED, end=ENDED, application_id=5)
    new.take_over()
    run = new.run(7)
    paths = run.pop("paths")
    assert (paths["posix"], paths["unc"]) == ("/srv/lab/test/app_1", r"\\fs\lab\test\app_1")
    assert {name: run[name] for name in run if run[name] not in (None, [], {}, 0)} == {
        "id": 7,
        "name": "test/app_1",
        "project": "test",
        "application": "test/app_1",
        "command": "python -h 1",
        "state": "succeeded",
        "outcome_source": "reported",
        "by": "import-v1",
        "executor": "local",
        "directory": "lab:test/app_1",
        "scheduled_at": "2013-05-25T10:55:56Z",
        "started_at": "2013-05-25T11:00:00Z",
        "duration": 5400.5,
        "ended_at": "2013-05-25T12:30:00.500000Z",
        "received": {"start": "2013-05-25T11:00:00Z", "stop": "2013-05-25T12:30:00.500000Z"},
    }


def test_the_history_of_a_run_begins_with_where_it_came_from(new: NewService, old: OldService) -> None:
    old.heat()
    old.run(7, start=STARTED, end=ENDED)
    new.take_over()
    (event,) = new.api.get("/api/run/7/events").json["items"]
    assert (event["kind"], event["by"]) == ("imported", "import-v1")
    assert event["text"] == "taken over from lackey 1.0 (old.sqlite); succeeded"


@pytest.mark.parametrize("given", [LIKE_THE_REAL_ONE, *filter(Path.exists, [REAL])], ids=str)
def test_runs_of_the_real_database_are_finished_with_their_old_tokens(new: NewService, given: Path | str) -> None:
    if given == LIKE_THE_REAL_ONE:
        new.old.project(1, name="test", directory="test/")
        for number in (1, 2):
            new.old.application(number, name=f"app_{number}", directory=f"app_{number}/", command="python -h")
        new.old.run(1, directory="test/app_1/", token="212c8e00-6bda-4b45-a73e-152806fcd9f9")
        new.old.run(2, directory="test/app_2/", application_id=2)
    else:
        new.old.file.write_bytes(Path(given).read_bytes())
    summary = new.take_over("--keep-pending")
    assert (summary["states"], noted(summary, "wait for their own start")) == ({"scheduled": 2}, ["1", "2"])
    token = "212c8e00-6bda-4b45-a73e-152806fcd9f9"
    assert new.run(1)["reason"] == "waits for its own start report"
    assert new.report("start", 1, "ts=1369312595", token).json["state"] == "running"
    stopped = new.report("stop", 1, "ts=1369322595&log=asdf%20123", token)
    assert (stopped.status_int, stopped.json["state"], stopped.json["duration"]) == (200, "succeeded", 10000.0)
    assert new.log(1) == b"asdf 123"
    assert [run["id"] for run in new.api.get("/api/run?q=asdf").json["items"]] == [1]
    assert new.run(2)["directory"] == "lab:test/app_2"


def test_what_was_due_and_never_started_is_cancelled_and_says_why(new: NewService, old: OldService) -> None:
    old.heat()
    old.run(1)
    assert noted(new.take_over(), "cancelled (--keep-pending") == ["1"]
    run = new.run(1)
    assert (run["state"], run["started_at"]) == ("cancelled", None)
    assert run["reason"] == "never started; due at 2013-05-25T10:55:56Z in lackey 1.0"
    for verb in ("start", "stop"):
        answer = new.report(verb, 1, "ts=1369312595")
        assert (answer.status_int, answer.json["state"]) == (200, "cancelled")
    assert new.run(1)["received"]["stop"], "what it reports is kept all the same"


def test_what_had_started_runs_on_and_its_script_ends_it(new: NewService, old: OldService) -> None:
    old.heat()
    old.run(1, start=STARTED)
    assert noted(new.take_over(), "lackey run cancel ID") == ["1"]
    assert [run["id"] for run in new.api.get("/api/run/running").json["items"]] == [1]
    assert new.report("stop", 1, "exit=3").json["state"] == "failed"


def test_what_is_still_to_come_waits_for_its_time_and_its_script(new: NewService, old: OldService) -> None:
    at = datetime.now(UTC) + timedelta(days=2)
    old.heat()
    old.run(1, schedule=f"{at:%F %T}.000000")
    assert noted(new.take_over(), "nothing launches them") == ["1"]
    run = new.run(1)
    assert (run["state"], run["launched"], run["scheduled_at"]) == ("scheduled", False, f"{at:%FT%TZ}")
    assert new.report("start", 1, "").json["state"] == "running"


def test_odd_clocks_cost_no_outcome(new: NewService, old: OldService) -> None:
    old.heat()
    old.run(1, start=ENDED, end=STARTED)
    old.run(2, end=ENDED)
    assert noted(new.take_over(), "by their clock") == ["1"]
    assert [(new.run(number)["state"], new.run(number)["marks"]) for number in (1, 2)] == [
        ("succeeded", ["clock"]),
        ("succeeded", []),
    ]


def test_what_is_made_afterwards_has_higher_ids(new: NewService, old: OldService) -> None:
    old.project(30)
    old.application(50, project_id=30)
    old.run(70, application_id=50)
    new.take_over()
    assert new.api.post("/api/project", {"name": "next"}).json["id"] == 31
    given = {"project": "next", "name": "next", "command": "true"}
    assert new.api.post("/api/application", given).json["id"] == 51
    assert new.api.reported_run()["id"] == 71


def test_a_second_time_changes_nothing(new: NewService, old: OldService) -> None:
    old.project(2, name="a/b")
    old.application(3, name="a/b", project_id=2, command="echo {n}")
    old.runs(
        [
            {"id": 1, "application_id": 3},
            {"id": 2, "application_id": 3, "start": STARTED},
            {"id": 3, "application_id": 3, "start": STARTED, "end": ENDED, "raw_log": "a log"},
            {"id": 4, "application_id": 3, "token": ""},
            {"id": 5, "application_id": None, "token": TOKEN.format(1)},
        ]
    )
    new.take_over("--keep-pending")
    new.report("start", 1, "ts=1369312595")
    new.report("stop", 2, "exit=4&log=its%20own")
    before = new.everything()
    summary = new.take_over()
    assert {name: summary[name]["new"] for name in ("projects", "applications", "runs")} == {
        "projects": 0,
        "applications": 0,
        "runs": 0,
    }
    assert (summary["runs"]["known"], summary["runs"]["changed"], summary["logs"]) == (5, 0, 0)
    assert new.everything() == before


def test_what_the_old_service_heard_since_is_brought_in_the_second_time(new: NewService, old: OldService) -> None:
    old.heat()
    old.run(1, start=STARTED)
    new.take_over()
    old.say('UPDATE run SET "end" = ?, raw_log = ?', ENDED, "done")
    old.application(2, name="implicit")
    old.run(2, application_id=2, start=STARTED, end=ENDED)
    summary = new.take_over()
    assert summary["runs"] == {"new": 1, "known": 1, "changed": 1} and summary["applications"]["new"] == 1
    assert (new.run(1)["state"], new.run(1)["duration"], new.log(1)) == ("succeeded", 5400.5, b"done")
    assert new.run(2)["application"] == "heat/implicit"
    kinds = [event["kind"] for event in new.api.get("/api/run/1/events").json["items"]]
    assert kinds == ["imported", "imported"]


def test_an_imported_run_is_run_again_as_one_that_is_reported_to(new: NewService, old: OldService) -> None:
    old.heat()
    old.run(1, start=STARTED, end=ENDED)
    new.take_over()
    again = new.api.post("/api/run/rerun/1").json
    assert (again["id"], again["state"], again["launched"], again["parent"]) == (2, "scheduled", False, 1)
    assert again["command"] == "./heat -n 64" and again["token"]


def test_the_summary_says_in_words_what_became_of_it(new: NewService, old: OldService) -> None:
    old.heat()
    old.runs([{"id": 1}, {"id": 2, "start": STARTED, "end": ENDED, "raw_log": "x" * 2048}])
    result = new.attempt("--share", "store", zone="Europe/Berlin")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[:6] == [
        ["times", "as", "in", "Europe/Berlin"],
        ["directories", "below", "the", "share", "store"],
        ["projects", "1", "new,", "0", "known"],
        ["applications", "1", "new,", "0", "known"],
        ["runs", "2", "new", "(1", "cancelled,", "1", "succeeded),", "0", "known"],
        ["logs", "1", "new,", "2.0", "KiB"],
    ]
    assert result.stdout.splitlines()[6].endswith("(--keep-pending lets them wait for their start): 1 (1)")
    assert "lackey run list" in result.stdout.splitlines()[7]
    assert new.run(2)["directory"] == "store:heat/explicit"


def test_no_token_is_shown_or_stored(new: NewService, old: OldService) -> None:
    old.heat()
    old.runs([{"id": 1}, {"id": 2, "token": TOKEN.format(1)}, {"id": 3, "token": ""}, {"id": 4}])
    assert noted(new.take_over(), "can't be reported to") == ["2", "3"]
    new.attempt()
    old.say("UPDATE run SET token = 17, id = 9 WHERE id = 4")
    new.attempt()
    assert not [token for token in map(TOKEN.format, range(5)) if token in str(new.everything()) + str(new.said)]
    assert new.report("start", 1, "").status_int == 200
    assert [new.report("start", number, "", token).status_int for number, token in ((2, TOKEN.format(1)), (3, ""))] == [
        *(401, 401)
    ]


def test_times_are_those_of_the_named_zone(new: NewService, old: OldService) -> None:
    old.heat()
    times = {
        "2013-01-25 10:00:00.000000": "2013-01-25T09:00:00Z",
        "2013-07-25 10:00:00": "2013-07-25T08:00:00Z",
        "2013-10-27 02:30:00.000000": "2013-10-27T00:30:00Z",
        "2013-03-31 02:30:00.25": "2013-03-31T01:30:00.250000Z",
    }
    old.runs({"id": number, "schedule": time} for number, time in enumerate(times, 1))
    summary = new.take_over(zone="Europe/Berlin")
    assert [new.run(number)["scheduled_at"] for number in range(1, 5)] == list(times.values())
    assert [found["count"] for found in summary["found"] if "clocks were changed" in found["what"]] == [2]


def test_without_a_zone_times_are_those_of_this_host(
    new: NewService, old: OldService, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    old.heat()
    old.run(1, schedule=DUE)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        summary: Any = json.loads(new.cli("import-v1", str(old.file), "--json").stdout)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert summary["timezone"] is None
    assert new.run(1)["scheduled_at"] == "2013-05-25T05:10:56Z"
