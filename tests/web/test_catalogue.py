"""Projects, applications and keys, over HTTP."""

from typing import Any, Literal
from unicodedata import normalize
from urllib.parse import urlencode

import pytest

from lackey.domain.resources import Capacity
from lackey.services.admin import health
from lackey.store import applications
from tests.web.client import Api, fields_at_fault

Form = Literal["NFC", "NFD"]


def test_a_project_is_made_shown_changed_and_removed(api: Api) -> None:
    made = api.post("/api/project", {"name": "heat", "title": "Heat", "share": "lab", "directory": "a//b/"})
    assert (made.status_int, made.headers["Location"]) == (201, f"/api/project/{made.json['id']}")
    assert (made.json["directory"], made.json["archived_at"]) == ("a/b", None)
    path = made.headers["Location"]
    assert api.get(path).json == made.json
    changed = api.put(path, {"title": "Wärme"})
    assert (changed.json["title"], changed.json["directory"]) == ("Wärme", "a/b")
    assert api.delete(path).status_int == 204
    assert api.get(path).status_int == 404


def test_a_project_lies_at_the_top_of_the_first_share_unless_it_is_told_otherwise(api: Api) -> None:
    made = api.post("/api/project", {"name": "heat"}).json
    assert (made["share"], made["directory"]) == ("lab", "")


def test_an_application_is_made_shown_changed_and_removed(api: Api) -> None:
    parameters = [{"name": "n", "default": 64, "kind": "integer"}, {"name": "scheme"}]
    made = api.application(command="./simulate {n}", parameters=parameters, environment={"OMP": "2"})
    assert (made["full_name"], made["project"], made["share"]) == ("heat/explicit", "heat", "lab")
    assert made["parameters"][0] == {"name": "n", "default": "64", "kind": "integer", "choices": []}
    path = f"/api/application/{made['id']}"
    assert api.get(path).json == made
    changed = api.put(path, {"time_limit": 60, "description": "faster"}).json
    assert (changed["time_limit"], changed["parameters"]) == (60.0, made["parameters"])
    assert api.put(path, {"time_limit": None}).json["time_limit"] is None
    assert [one["id"] for one in api.get("/api/application?project=heat").json["items"]] == [made["id"]]
    assert api.delete(path).status_int == 204
    assert api.get(path).status_int == 404


def test_what_has_runs_is_archived_and_while_one_is_active_it_stays(api: Api) -> None:
    application = api.application()
    run = api.post("/api/run", {"application": "heat/explicit"}).json
    path = f"/api/application/{application['id']}"
    assert api.delete(path).status_int == 409
    api.post(f"/api/run/cancel/{run['id']}")
    assert api.delete(path).status_int == 204
    assert api.get(path).json["archived_at"] == "2026-03-01T12:00:00Z"
    assert api.get("/api/application").json["items"] == []
    assert api.post("/api/run", {"application": "heat/explicit"}).status_int == 409


@pytest.mark.parametrize("name", ["", "123", "a/b", "a\0b", "a\nb", " a", "a ", "x" * 101, 5, None])
def test_a_name_that_is_none_is_refused(api: Api, name: Any) -> None:
    assert fields_at_fault(api.post("/api/project", {"name": name})) == ["name"]


@pytest.mark.parametrize("directory", ["..", "a/../..", "/etc", "\\\\server\\x", "a\0b", "con", "a:b", "x" * 300])
def test_a_directory_that_could_leave_its_share_is_refused(api: Api, directory: str) -> None:
    assert fields_at_fault(api.post("/api/project", {"name": "heat", "directory": directory})) == ["directory"]
    api.post("/api/project", {"name": "heat"})
    body = {"project": "heat", "name": "a", "command": "true", "directory": directory}
    assert fields_at_fault(api.post("/api/application", body)) == ["directory"]


@pytest.mark.parametrize(
    "command",
    ["echo '{n}'", 'echo "{n}"', "echo {m}", "", "a\0b", "cat <<'E'\n{n}\nE", "echo $(( {n} * 2 ))", "echo `{n}`"],
)
def test_a_command_that_would_paste_a_value_into_shell_text_is_refused(api: Api, command: str) -> None:
    api.post("/api/project", {"name": "heat"})
    body = {"project": "heat", "name": "explicit", "command": command, "parameters": [{"name": "n"}]}
    assert fields_at_fault(api.post("/api/application", body)) == ["command"]


def test_the_lines_of_a_command_typed_on_windows_end_as_the_shell_wants_them(api: Api) -> None:
    api.post("/api/project", {"name": "heat"})
    typed = {"project": "heat", "name": "explicit", "command": "set -e\r\n./model\r\n"}
    assert api.post("/api/application", typed).json["command"] == "set -e\n./model\n"


def test_a_here_document_and_arithmetic_are_saved_as_they_are_and_run_with_variables(api: Api) -> None:
    command = "cat > in <<EOF\n&input n={n}, twice=$(( {n} * 2 )) /\nEOF\nawk '{print}' in"
    made = api.application(command=command, parameters=[{"name": "n", "kind": "integer"}])
    assert (made["command"], made["warnings"]) == (command, [])
    run = api.post("/api/run", {"application": made["id"], "parameters": {"n": 5}})
    variable = "${LACKEY_PARAM_N}"
    assert run.json["command"] == command.replace("{n} *", f"({variable}) *").replace("{n}", variable)
    octal = api.post("/api/run", {"application": made["id"], "parameters": {"n": "010"}})
    assert fields_at_fault(octal) == ["parameters.n"]


def test_a_command_that_an_earlier_version_took_and_that_is_refused_now_is_not_run(api: Api) -> None:
    made = api.application(command="./heat", parameters=[{"name": "n", "default": 5}])
    refused = {"command": "cat <<'E'\n{n}\nE"}
    api.database.write(lambda connection: applications.change_application(connection, made["id"], refused))
    answer = api.post("/api/run", {"application": made["id"]})
    assert fields_at_fault(answer) == ["application"]
    assert "delimiter is quoted" in answer.text
    assert api.get("/api/run").json["items"] == []


def test_what_is_likely_not_meant_is_said_when_an_application_is_saved_and_taken_all_the_same(api: Api) -> None:
    made = api.application(command="./heat &> log", environment={"PATH": "/x:$PATH"})
    told = made["warnings"]
    assert ["&>" in told[0], "PATH=/x:$PATH" in told[1], len(told)] == [True, True, 2]
    path = f"/api/application/{made['id']}"
    assert api.get(path).json["warnings"] == told
    mended = api.put(path, {"command": "PATH=/x:$PATH ./heat > log 2>&1", "environment": {}}).json
    assert mended["warnings"] == []


def test_all_faulty_and_unknown_fields_are_named_at_once(api: Api) -> None:
    body = {"name": "1", "command": 5, "retries": "x", "colour": "red", "environment": {"A B": "x"}}
    faulty = fields_at_fault(api.post("/api/application", body))
    assert sorted(faulty) == ["colour", "command", "environment.A B", "name", "project", "retries"]
    answer = api.post("/api/application", body).json
    assert {"field": "project", "message": "is needed"} in answer["errors"]
    assert {"field": "colour", "message": "is not known here"} in answer["errors"]


@pytest.mark.parametrize(
    "shell", ["", " ", "bash", "./bash", "/bin/", "/bin/bash '", "/bin/sh\n", "/\0", 5, "/" * 1001]
)
def test_a_shell_that_is_no_absolute_path_is_refused(api: Api, shell: Any) -> None:
    made = api.application()
    body = {"project": "heat", "name": "other", "command": "true", "shell": shell}
    assert fields_at_fault(api.post("/api/application", body)) == ["shell"]
    assert fields_at_fault(api.put(f"/api/application/{made['id']}", {"shell": shell})) == ["shell"]


def test_a_run_is_made_with_the_shell_of_its_application_and_keeps_it_when_it_is_done_again(api: Api) -> None:
    made = api.application(shell="/bin/bash -l")
    assert made["shell"] == "/bin/bash -l"
    first = api.post("/api/run", {"application": "heat/explicit"}).json
    assert api.put(f"/api/application/{made['id']}", {"shell": None}).json["shell"] is None
    assert api.post("/api/run", {"application": "heat/explicit"}).json["shell"] is None
    api.post(f"/api/run/cancel/{first['id']}")
    assert api.post(f"/api/run/rerun/{first['id']}").json["shell"] == first["shell"] == "/bin/bash -l"


def test_what_its_runs_take_is_kept_with_an_application_and_a_run_may_take_something_else(api: Api) -> None:
    made = api.application(cpus=2, memory="1.5 GiB", gpus=0)
    assert (made["cpus"], made["memory"], made["gpus"]) == (2, 3 << 29, 0)
    run = api.post("/api/run", {"application": "heat/explicit"}).json
    assert (run["cpus"], run["memory"], run["gpus"]) == (2, 3 << 29, 0)
    other = api.post("/api/run", {"application": "heat/explicit", "cpus": 1, "memory": None}).json
    assert (other["cpus"], other["memory"]) == (1, None)
    typed = urlencode({"application": "heat/explicit", "cpus": "1", "memory": "100MB"})
    form = api.form("POST", "/api/run", typed, key=api.key_of("run")).json
    assert (form["cpus"], form["memory"]) == (1, 100_000_000)
    changed = api.put(f"/api/application/{made['id']}", {"cpus": None, "memory": 1024}).json
    assert (changed["cpus"], changed["memory"], changed["gpus"]) == (None, 1024, 0)
    assert api.post("/api/run", {"application": "heat/explicit"}).json["cpus"] == 1
    api.post(f"/api/run/cancel/{run['id']}")
    again = api.post(f"/api/run/rerun/{run['id']}").json
    assert (again["cpus"], again["memory"]) == (2, 3 << 29)


@pytest.mark.parametrize(
    ("field", "value"),
    [("cpus", 0), ("cpus", "many"), ("memory", "much"), ("memory", -1), ("memory", "4 GiX"), ("gpus", -1)],
)
def test_what_no_run_can_take_is_refused(api: Api, field: str, value: Any) -> None:
    made = api.application()
    named = {"project": "heat", "name": "other", "command": "true"}
    for answer in (
        api.post("/api/application", {**named, field: value}),
        api.put(f"/api/application/{made['id']}", {field: value}),
        api.post("/api/run", {"application": "heat/explicit", field: value}),
    ):
        assert fields_at_fault(answer) == [field]


def test_a_run_that_could_never_fit_is_refused_and_told_what_there_is(api: Api) -> None:
    api.application(cpus=64, memory="64 GiB", gpus=2)
    message = "2 are asked for, and the executor local has none"
    refused = api.post("/api/run", {"application": "heat/explicit"})
    assert refused.json["errors"] == [{"field": "gpus", "message": message}], "as the settings say, until one tells"
    first = api.post("/api/run", {"application": "heat/explicit", "gpus": 0}).json
    now, capacity = api.clock.now, Capacity(8, 32 << 30, ("a",))
    health.beat(api.database, "host-1", now, True, now, capacity)
    health.beat(api.database, "host-2", now, False, now, Capacity(64, 32 << 30, ("a", "b")))
    refused = api.post("/api/run", {"application": "heat/explicit"})
    assert (refused.status_int, refused.json["errors"]) == (
        400,
        [
            {"field": "cpus", "message": "64 are asked for, and the executor local has 8"},
            {"field": "memory", "message": "64.0 GiB are asked for, and the executor local has 32.0 GiB"},
            {"field": "gpus", "message": "2 are asked for, and the executor local has 1"},
        ],
    )
    fits_elsewhere = {"application": "heat/explicit", "memory": "1 GiB"}
    assert api.post("/api/run", fits_elsewhere).status_int == 201, "another host could take it over"
    api.clock.advance(3600)
    assert api.post("/api/run", {"application": "heat/explicit"}).status_int == 400, "as far as was last heard"
    assert api.post(f"/api/run/rerun/{first['id']}").status_int == 400


def test_what_a_run_takes_that_somebody_else_starts_is_not_lackeys_to_count(api: Api) -> None:
    for field in ("cpus", "memory", "gpus"):
        assert fields_at_fault(api.post("/api/run", {"launch": False, "name": "x", field: 1})) == [field]


@pytest.mark.parametrize("name", ["LACKEY_TOKEN", "LACKEY_RUN_DIR", "LACKEY_PARAM_N", "LACKEY_PARAM_"])
def test_a_variable_that_lackey_sets_itself_is_refused(api: Api, name: str) -> None:
    made = api.application()
    body = {"project": "heat", "name": "other", "command": "true", "environment": {name: "mine", "LACKEY": "mine"}}
    assert fields_at_fault(api.post("/api/application", body)) == [f"environment.{name}"]
    changed = api.put(f"/api/application/{made['id']}", {"environment": {name: "mine"}})
    assert fields_at_fault(changed) == [f"environment.{name}"]


def test_a_run_that_lackey_does_not_launch_can_not_be_retried(api: Api) -> None:
    body = {"launch": False, "name": "by hand", "retries": 1}
    assert fields_at_fault(api.post("/api/run", body)) == ["retries"]
    more = {**body, "retry_on": ["failed"], "retry_wait": 0}
    assert fields_at_fault(api.post("/api/run", more)) == ["retries", "retry_on", "retry_wait"]
    assert api.post("/api/run", {**body, "retries": 0}).status_int == 201
    api.application(retries=2)
    assert api.post("/api/run", {"launch": False, "application": "heat/explicit"}).status_int == 201


@pytest.mark.parametrize("saved", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_name_is_found_however_its_accents_were_typed(api: Api, saved: Form, asked: Form) -> None:
    project, application = normalize(saved, "Größe"), normalize(saved, "é")
    api.post("/api/project", {"name": project})
    made = api.post("/api/application", {"project": project, "name": application, "command": "true"}).json
    assert made["full_name"] == "Größe/é"
    run = api.post("/api/run", {"application": normalize(asked, "Größe/é")})
    assert run.status_int == 201
    for query in ({"application": normalize(asked, "Größe/é")}, {"q": normalize(asked, "größe")}):
        assert [one["id"] for one in api.get(f"/api/run?{urlencode(query)}").json["items"]] == [run.json["id"]]
    again = {"project": normalize(asked, "Größe"), "name": normalize(asked, "é"), "command": "true"}
    assert api.post("/api/application", again).status_int == 409


def test_a_name_that_an_earlier_version_kept_apart_is_found(api: Api) -> None:
    made = api.post("/api/project", {"name": "Größe"}).json
    apart = {"name": normalize("NFD", "Größe")}
    api.database.write(lambda connection: applications.change_project(connection, made["id"], apart))
    assert api.post("/api/project", {"name": "Größe"}).status_int == 409
    assert api.post("/api/application", {"project": "Größe", "name": "a", "command": "true"}).status_int == 201


def test_names_are_unique(api: Api) -> None:
    api.application()
    assert api.post("/api/project", {"name": "heat"}).status_int == 409
    again = {"project": "heat", "name": "explicit", "command": "true"}
    assert api.post("/api/application", again).status_int == 409


def test_an_unknown_share_and_project_are_refused(api: Api) -> None:
    answer = api.post("/api/project", {"name": "heat", "share": "lob"})
    assert fields_at_fault(answer) == ["share"]
    assert "lab" in answer.json["detail"]
    body = {"project": "heat", "name": "a", "command": "true"}
    assert api.post("/api/application", body).status_int == 404


def test_a_key_is_shown_once_and_ends_when_it_is_revoked(api: Api) -> None:
    made = api.post("/api/key", {"name": "anna", "scope": "run"})
    assert made.status_int == 201
    secret = made.json["key"]
    assert api.get("/api/run", key=secret).status_int == 200
    listed = api.get("/api/key")
    assert secret not in listed.text
    assert listed.json["items"][0]["name"] == "anna"
    assert api.delete(f"/api/key/{made.json['id']}").status_int == 204
    assert api.get("/api/run", key=secret).status_int == 401
    assert api.delete(f"/api/key/{made.json['id']}").status_int == 404


def test_a_key_asked_for_again_is_the_same_key_with_a_secret_that_works(api: Api) -> None:
    answers = [api.post("/api/key", {"name": "anna", "scope": "read"}, Idempotency_Key="k") for _ in range(2)]
    assert answers[0].json["id"] == answers[1].json["id"]
    assert api.get("/api/run", key=answers[1].json["key"]).status_int == 200
    assert len(api.get("/api/key").json["items"]) == 2
