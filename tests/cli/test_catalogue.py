"""Projects and applications from a shell."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Lackey
from tests.cli.desk import Service

Json = Callable[..., Any]


def test_a_project_is_made_listed_shown_changed_and_removed(cli: Lackey, as_json: Json) -> None:
    made = as_json("project", "add", "rivers", "--title", "All rivers", "--directory", "hydro/rivers")
    assert (made["name"], made["title"], made["directory"]) == ("rivers", "All rivers", "hydro/rivers")
    assert made in as_json("project", "list")
    assert "/var/share/hydro/rivers  All rivers" in cli("project", "list").stdout
    assert as_json("project", "show", "rivers") == as_json("project", "show", str(made["id"])) == made
    assert as_json("project", "edit", "rivers", "--title", "Some")["title"] == "Some"
    assert cli("project", "remove", "rivers", "--yes").exit_code == 0
    assert "rivers" not in cli("project", "list").stdout


def test_an_application_is_made_with_all_that_can_be_said_of_it(cli: Lackey, as_json: Json) -> None:
    as_json("project", "add", "seas")
    given = ["--command", "./tide {n} {sea}", "-p", "n=64", "--parameter", "sea", "--kind", "n=integer"]
    given += ["--choices", "sea=north,baltic", "--env", "A=b=c", "--time-limit", "90", "--start-grace", "5.5"]
    given += ["--silence", "60", "--retries", "2", "--max-running", "3", "--workdir", "run", "--executor", "local"]
    given += ["--shell", "/bin/bash -l", "--cpus", "2", "--memory", "1GiB", "--gpus", "0"]
    given += ["--shell", "/bin/bash -l", "--retry-on", "failed,lost", "--retry-wait", "2.5"]
    made = as_json("application", "add", "seas/tide", "--directory", "tide", "--description", "ebb, flow", *given)
    assert made["parameters"] == [
        {"name": "n", "default": "64", "kind": "integer", "choices": []},
        {"name": "sea", "default": None, "kind": "choice", "choices": ["north", "baltic"]},
    ]
    assert (made["environment"], made["time_limit"], made["workdir"]) == ({"A": "b=c"}, 90.0, "run")
    assert (made["start_grace"], made["silence"], made["retries"], made["max_running"]) == (5.5, 60.0, 2, 3)
    assert (made["retry_on"], made["retry_wait"]) == (["failed", "lost"], 2.5)
    listed = {name: value for name, value in made.items() if name != "warnings"}
    assert (made["cpus"], made["memory"], made["gpus"]) == (2, 1 << 30, 0)
    assert as_json("app", "edit", "seas/tide", "--memory", "none") == made | {"memory": None}
    assert as_json("app", "edit", "seas/tide", "--memory", "1 GiB") == made
    assert made["shell"] == "/bin/bash -l" and "/bin/bash -l" in cli("app", "show", "seas/tide").stdout
    assert as_json("app", "edit", "seas/tide", "--shell", "none") == made | {"shell": None}
    assert as_json("app", "edit", "seas/tide", "--shell", "/bin/bash -l") == made
    assert listed in as_json("app", "list", "--project", "seas")
    assert as_json("app", "show", "seas/tide") == made
    text = cli("app", "show", "seas/tide").stdout
    assert "n=64 (integer)" in text and "sea (choice: north, baltic)" in text and "1 min 30 s" in text
    assert "1.0 GiB" in text


def test_what_is_likely_not_meant_is_said_beside_what_was_saved(cli: Lackey) -> None:
    cli("project", "add", "bays")
    saved = cli(
        "app", "add", "bays/tide", "--command", "source venv/bin/activate; ./tide", "--env", "DATA=~/x", "--json"
    )
    assert (saved.exit_code, json.loads(saved.stdout)["full_name"]) == (0, "bays/tide")
    source, data = saved.stderr.splitlines()
    assert source == "Warning: /bin/sh may not know source: write . ./file."
    assert data.startswith("Warning: DATA in the environment is taken as it is")
    mended = cli("app", "edit", "bays/tide", "--command", ". venv/bin/activate; DATA=~/x ./tide")
    assert mended.stderr.splitlines() == [data]
    assert cli("app", "show", "bays/tide").stderr.splitlines() == [data]


def test_an_edit_changes_what_is_given_and_nothing_else(cli: Lackey, as_json: Json) -> None:
    as_json("project", "add", "lakes")
    made = as_json("app", "add", "lakes/depth", "--command", "true", "-p", "n", "--time-limit", "5")
    changed = as_json("app", "edit", "lakes/depth", "--time-limit", "none", "--description", "none")
    assert changed == made | {"time_limit": None, "description": "none"}
    assert as_json("app", "edit", "lakes/depth", "--name", "deep")["full_name"] == "lakes/deep"
    assert cli("app", "remove", "lakes/deep", "--yes").exit_code == 0
    assert cli("app", "show", "lakes/deep").exit_code == 1


def test_nothing_is_removed_without_being_asked_for_where_nobody_can_answer(cli: Lackey, as_json: Json) -> None:
    as_json("project", "add", "kept")
    result = cli("project", "remove", "kept")
    assert result.exit_code == 2 and "--yes" in result.stderr
    assert as_json("project", "show", "kept")["name"] == "kept"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("project", "show", "nowhere"), "there is no project nowhere; lackey project list shows"),
        (("project", "show", "987654"), "there is no project 987654"),
        (("app", "show", "no/where"), "there is no application no/where; lackey application list shows"),
        (("project", "add", "123"), "name: "),
        (("project", "add", "x", "--share", "moon"), "share: there is no share 'moon' here; there are: local"),
        (("project", "add", "x", "--directory", "../etc"), "directory: "),
        (("app", "add", "nowhere/x", "--command", "true"), "nowhere"),
        (("app", "list", "--project", "nowhere"), "project: "),
    ],
)
def test_a_refusal_is_one_sentence_or_one_a_field_and_exit_code_1(
    cli: Lackey, arguments: tuple[str, ...], words: str
) -> None:
    result = cli(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("lackey: ") and words in result.stderr and "Traceback" not in result.stderr


def test_all_faulty_fields_are_named_at_once(cli: Lackey) -> None:
    result = cli("project", "add", "12", "--title", "x" * 300)
    assert "  name: " in result.stderr and "  title: " in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("app", "add", "no-slash", "--command", "true"),
        ("app", "add", "lab/x"),
        ("app", "add", "lab/x", "--command", "true", "--kind", "n=integer"),
        ("app", "add", "lab/x", "--command", "true", "-p", "n", "-p", "n=1"),
        ("app", "add", "lab/x", "--command", "true", "--env", "A"),
        ("app", "add", "lab/x", "--command", "true", "--time-limit", "soon"),
        ("app", "add", "lab/x", "--command", "true", "--time-limit", "nan"),
        ("project", "edit", "lab"),
        ("app", "edit", "lab/x"),
        ("fly",),
    ],
)
def test_wrong_usage_has_exit_code_2_before_anything_is_asked(cli: Lackey, arguments: tuple[str, ...]) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2 and "Usage: lackey" in result.stderr


def test_names_and_texts_from_outside_do_nothing_to_a_terminal(cli: Lackey, service: Service) -> None:
    hostile = "\x1b]0;owned\x07 \x9b2J \u202e"
    service.api("POST", "/api/project", json={"name": "trap", "title": hostile, "description": f"[red]{hostile}"})
    for arguments in (("project", "list"), ("project", "show", "trap"), ("project", "show", "trap", "--json")):
        printed = cli(*arguments).stdout
        assert "owned" in printed and not set(printed) & set("\x1b\x07\x9b\u202e")
    assert "[red]" in cli("project", "show", "trap").stdout
    assert json.loads(cli("project", "show", "trap", "--json").stdout)["title"] == hostile


@pytest.mark.parametrize("option", ["--time-limit", "--silence", "--retry-wait"])
def test_a_limit_is_taken_as_people_write_durations(cli: Lackey, as_json: Json, option: str) -> None:
    name = f"heat/limited{option}"
    cli("project", "add", "heat")
    made = as_json("application", "add", name, "--command", "./heat", option, "1h", "--start-grace", "00:01:30")
    assert (made[option[2:].replace("-", "_")], made["start_grace"]) == (3600, 90)
    assert as_json("application", "edit", name, "--start-grace", "none")["start_grace"] is None
    wrong = cli("application", "edit", name, option, "soon")
    assert wrong.exit_code == 2 and "should be a duration such as 90s" in wrong.stderr
