"""Names, directories and commands of lackey 1.0 were free text; what becomes of them."""

import json
from pathlib import Path

import pytest
import requests

from tests.cli.desk import serving, start, wait_for
from tests.cli.lackey_1 import ENDED, STARTED, TOKEN, NewService, OldService, noted


def test_names_that_are_not_allowed_or_come_twice_are_changed_and_kept_in_the_description(
    new: NewService, old: OldService
) -> None:
    names = ["heat", "heat", "2013", "", "a/b\n", " padded ", "x" * 120, "heat-2", "Wärme & Co."]
    for number, name in enumerate(names, 1):
        old.project(number, name=name, description="of old" if number == 2 else "")
    expected = ["heat", "heat-2", "project 2013", "project 4", "a-b-", "padded", "x" * 70, "heat-2-8", "Wärme & Co."]
    summary = new.take_over()
    projects = [new.api.get(f"/api/project/{number}").json for number in range(1, 10)]
    assert [project["name"] for project in projects] == expected
    assert projects[1]["description"] == "of old\n\nIn lackey 1.0 its name was 'heat'."
    assert projects[0]["description"] == projects[8]["description"] == ""
    assert len(noted(summary, "called otherwise now")) == 7
    old.say("DELETE FROM project WHERE id = 1")
    assert new.take_over()["projects"] == {"new": 0, "known": 8, "changed": 0}


def test_names_of_applications_are_told_apart_within_their_project(new: NewService, old: OldService) -> None:
    for project in (1, 2):
        old.project(project, name=f"p{project}")
    for number, project in ((1, 1), (2, 1), (3, 2)):
        old.application(number, name="main", project_id=project, directory=f"{number}/")
    new.take_over()
    names = [new.api.get(f"/api/application/{number}").json["full_name"] for number in (1, 2, 3)]
    assert names == ["p1/main", "p1/main-2", "p2/main"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("project", "application", "lies_in", "project_in"),
    [
        ("heat/", "explicit/", "lab:heat/explicit", "heat"),
        ("", "explicit/", "lab:explicit", ""),
        ("heat/", "", "lab:heat", "heat"),
        ("te", "st/", "lab:test", ""),
        ("lab1/te", "st", "lab:lab1/test", "lab1"),
        ("heat/", "/deep//er/", "lab:heat/deep/er", "heat"),
        ("/srv/lab/heat/", "explicit/", "lab:heat/explicit", "heat"),
        ("/srv/store/", "x/", "store:x", ""),
        ("heat\\2d/", "x\\y/", "lab:heat/2d/x/y", "heat/2d"),
    ],
)
def test_directories_lie_where_lackey_1_had_them(
    new: NewService, old: OldService, project: str, application: str, lies_in: str, project_in: str
) -> None:
    old.project(directory=project)
    old.application(directory=application)
    old.run(1, directory=project + application)
    new.take_over()
    assert new.run(1)["directory"] == lies_in
    assert new.api.get("/api/project/1").json["directory"] == project_in
    assert new.api.post("/api/run", {"application": 1}).json["directory"] == lies_in


@pytest.mark.parametrize(
    ("project", "application"),
    [("heat/", "../../etc/"), ("/home/anna/", "x/"), ("../", "x/"), ("heat/", "con/"), ("", "/srv/store/x/")],
)
def test_what_lies_on_no_share_keeps_its_history_and_starts_nothing_new(
    new: NewService, old: OldService, project: str, application: str
) -> None:
    old.project(directory=project)
    old.application(directory=application)
    old.run(1, directory="/etc/../" + project + application, start=STARTED, end=ENDED)
    summary = new.take_over()
    assert noted(summary, "applications archived, whose directory") == ["1 (explicit)"]
    assert noted(summary, "runs whose directory lies on no share") == ["1"]
    run, shown = new.run(1), new.api.get("/api/application/1").json
    assert (run["state"], run["directory"], run["paths"]) == ("succeeded", None, None)
    (event,) = new.api.get("/api/run/1/events").json["items"]
    assert event["details"]["directory"] == "/etc/../" + project + application
    assert shown["archived_at"] and repr(project + application) in shown["description"]
    assert new.api.post("/api/run", {"application": 1}).status_int == 409
    assert new.api.post("/api/run/rerun/1").status_int == 201


def test_runs_whose_application_is_gone_are_kept(new: NewService, old: OldService) -> None:
    old.project()
    old.application(1, name="orphan", project_id=None)
    old.application(2, name="stray", project_id=99)
    old.runs(
        [{"id": 1}, {"id": 2, "application_id": 2}, {"id": 3, "application_id": None}, {"id": 4, "application_id": 9}]
    )
    summary = new.take_over("--keep-pending")
    assert noted(summary, "had no project any more") == ["1 (orphan)", "2 (stray)"]
    assert noted(summary, "without an application") == ["1", "2", "3", "4"]
    names = [new.run(number)["name"] for number in range(1, 5)]
    assert names == ["orphan", "stray", "run 3 of lackey 1.0", "run 4 of lackey 1.0"]
    assert new.report("stop", 3, "").json["state"] == "succeeded"


def test_an_application_without_a_command_is_archived(new: NewService, old: OldService) -> None:
    old.project()
    old.application(command=" ")
    assert noted(new.take_over(), "whose command was empty") == ["1 (explicit)"]
    assert new.api.get("/api/application/1").json["archived_at"]


COMMANDS = {
    "echo a {n} '{print}' \"{n}\" $(echo '{m}')": "a {n} {print} {n} {m}\n",
    "echo 'k v' | awk '{print}'; exit 3": "k v\n",
    "cat <<'.' | tr a-z A-Z\nit is {so}\n.\n": "IT IS {SO}\n",
    "printf '%s\\n' \"$(echo '{print}' | cat)\" # {n}": "{print}\n",
    "pwd | sed 's/.*local.//' ; f() { echo \"$1\"; }; f x": None,
}


def test_imported_applications_are_launched_and_do_what_they_did(old: OldService, tmp_path: Path) -> None:
    old.project()
    for number, command in enumerate(COMMANDS, 1):
        old.application(number, name=f"a{number}", command=command)
    old.run(1)
    with serving(tmp_path) as service:
        (service.share / "heat" / "explicit").mkdir(parents=True)
        done = start("import-v1", str(old.file), "--json", "--keep-pending", cwd=tmp_path)
        said, problem = done.communicate(timeout=60)
        assert done.returncode == 0, problem
        assert noted(json.loads(said), "braces") == ["1 (a1)"]
        made = [
            service.api("POST", "/api/run", json={"application": f"heat/a{number}"})["id"] for number in range(1, 6)
        ]
        wait_for(lambda: not service.api("GET", "/api/run/active")["items"], "the end of all runs")
        assert [service.api("GET", f"/api/run/{run_id}")["exit_code"] for run_id in made] == [0, 3, 0, 0, 0]
        assert [service.log(run_id).decode() for run_id in made[:4]] == list(COMMANDS.values())[:4]
        assert service.log(made[4]).decode().endswith("share/heat/explicit\nx\n")
        body = {"token": TOKEN.format(1), "log": "asdf 123"}
        assert requests.put(f"{service.url}/api/run/stop/1", data=body, timeout=30).json()["state"] == "succeeded"
