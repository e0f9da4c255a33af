"""Runs from a shell, while nothing starts them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from lackey.cli.outcome import exit_code_for, outcome_line
from tests.cli.conftest import Lackey
from tests.cli.desk import Service

Json = Callable[..., Any]


@pytest.fixture(scope="module", autouse=True)
def heat(service: Service) -> Iterator[None]:
    """An application to run."""
    service.api("POST", "/api/project", json={"name": "lab"})
    parameters = [{"name": "n", "default": "8"}]
    body = {"project": "lab", "name": "heat", "command": "./heat {n}", "parameters": parameters}
    service.api("POST", "/api/application", json=body)
    yield


TAKES = ("--cpus", "1", "--memory", "1MiB", "--gpus", "0")


def reported(service: Service, name: str = "by hand", **fields: str) -> int:
    """A run that has been reported to have ended."""
    made = service.api("POST", "/api/run", json={"launch": False, "name": name})
    body = {"token": made["token"], "exit": "0", **fields}
    assert requests.put(f"{service.url}/api/run/stop/{made['id']}", data=body, timeout=30).ok
    return int(made["id"])


def test_a_run_is_scheduled_with_its_inputs(cli: Lackey, as_json: Json) -> None:
    made = as_json("run", "now", "lab/heat", "-p", "n=9", "--priority", "5", "--time-limit", "60", *TAKES)
    assert (made["cpus"], made["memory"], made["gpus"]) == (1, 1 << 20, 0)
    assert (made["state"], made["parameters"], made["priority"], made["by"]) == ("queued", {"n": "9"}, 5, "local")
    shown = as_json("run", "show", str(made["id"]))
    assert {**shown, "token": made["token"]} == made
    assert f"run {made['id'] + 1} (lab/heat) is queued: waits" in cli("run", "now", "lab/heat").stdout


def test_a_local_time_is_understood_in_the_local_zone_which_is_said(cli: Lackey) -> None:
    result = cli("run", "at", "2126-01-31 18:00", "lab/heat")
    assert "2126-01-31 18:00:00 (in " in result.stdout
    assert "TIME is taken as 2126-01-31 18:00:00" in result.stderr


@pytest.mark.parametrize("time", ["2126-01-07T13:00:00Z", "2126-01-07T14:00:00+01:00"])
def test_a_time_with_a_zone_is_taken_as_it_is(as_json: Json, time: str) -> None:
    assert as_json("run", "at", time, "lab/heat")["scheduled_at"] == "2126-01-07T13:00:00Z"


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("+60", "may mean seconds"),
        ("2030", "may mean seconds"),
        ("1e9", "may mean seconds"),
        ("202612010800", "may mean seconds"),
        ("2020-01-31 18:00", "which has passed"),
        ("2030-01-31", "no time that is understood"),
        ("0 2 * * *", "looks like a cron expression"),
    ],
)
def test_a_time_that_is_not_surely_meant_is_wrong_usage_and_nothing_is_run(
    cli: Lackey, as_json: Json, time: str, words: str
) -> None:
    before = as_json("run", "list")
    result = cli("run", "at", time, "lab/heat")
    assert result.exit_code == 2 and words in result.stderr
    assert as_json("run", "list") == before


def test_runs_are_listed_newest_first_by_state_application_and_words(cli: Lackey, as_json: Json) -> None:
    first = as_json("run", "now", "lab/heat")["id"]
    second = as_json("run", "at", "2126-01-31T18:00:00Z", "lab/heat")["id"]
    ids = [each["id"] for each in as_json("run", "list")]
    assert ids == sorted(ids, reverse=True) and ids[:2] == [second, first]
    assert first in [each["id"] for each in as_json("run", "list", "--active")]
    assert {each["state"] for each in as_json("run", "list", "--state", "scheduled")} == {"scheduled"}
    assert as_json("run", "list", "--application", "lab/heat", "--project", "lab", "--limit", "1")[0]["id"] == second
    assert as_json("run", "list", "-q", "nothing-like-this") == []
    assert "No such runs." in cli("run", "list", "-q", "nothing-like-this").stderr
    lines = cli("run", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "STATE", "RUN", "BY", "WHEN", "TOOK", "NOTE"]
    assert lines[1].split()[:4] == [str(second), "scheduled", "lab/heat", "local"]


def test_a_limit_is_kept_over_pages_and_more_than_a_page_is_listed(as_json: Json, service: Service) -> None:
    body = {"application": "lab/heat", "at": "2127-01-01T00:00:00Z"}
    made = [service.api("POST", "/api/run", json=body)["id"] for _ in range(3)]
    assert [each["id"] for each in as_json("run", "list", "--limit", "3")] == made[::-1]


def test_runs_are_cancelled_and_those_that_cannot_be_are_named(cli: Lackey, as_json: Json, service: Service) -> None:
    waiting, ended = as_json("run", "now", "lab/heat")["id"], reported(service)
    result = cli("run", "cancel", str(ended), str(waiting))
    assert result.exit_code == 1
    assert f"run {waiting} cancelled" in result.stdout and f"run {ended}: " in result.stderr
    assert as_json("run", "show", str(waiting))["state"] == "cancelled"


def test_a_rerun_is_a_new_run_with_the_same_inputs(as_json: Json) -> None:
    first = as_json("run", "now", "lab/heat", "-p", "n=77")["id"]
    again = as_json("run", "rerun", str(first))
    assert (again["parent"], again["cause"], again["parameters"]) == (first, "rerun", {"n": "77"})


def test_a_run_waits_for_others_and_what_it_waits_for_is_shown(cli: Lackey, service: Service, as_json: Json) -> None:
    first, second = reported(service, exit="1"), as_json("run", "now", "lab/heat")["id"]
    run = as_json("run", "now", "lab/heat", "--after", f"{first}:ended", "--after", str(second))
    assert run["after"] == [{"run": first, "on": "ended"}, {"run": second, "on": "succeeded"}]
    assert f"run {first} (ended), run {second}" in cli("run", "show", str(run["id"])).stdout
    wrong = cli("run", "now", "lab/heat", "--after", "7:begun")
    assert wrong.exit_code == 2 and "7:ended" in wrong.stderr


def test_what_waited_in_vain_waits_for_a_rerun_with_dependents(service: Service, as_json: Json) -> None:
    first = reported(service, exit="1")
    run = as_json("run", "now", "lab/heat", "--after", str(first))
    assert (run["state"], run["reason"]) == ("cancelled", f"run {first}, which it waited for, is failed")
    as_json("run", "rerun", str(first), "--dependents")
    assert as_json("run", "show", str(run["id"]))["state"] == "scheduled"


def test_a_run_that_has_ended_cannot_be_given_up(cli: Lackey, service: Service) -> None:
    result = cli("run", "give-up", str(reported(service)))
    assert result.exit_code == 1 and "is known to have ended: succeeded" in result.stderr


def test_waiting_for_an_ended_run_exits_with_its_code(cli: Lackey, service: Service) -> None:
    assert cli("run", "wait", str(reported(service))).exit_code == 0
    result = cli("run", "wait", str(reported(service, exit="7")))
    assert result.exit_code == 7 and "failed" in result.stderr and result.stdout == ""


def test_a_log_is_printed_byte_by_byte_as_it_is(cli: Lackey, service: Service) -> None:
    run_id = reported(service, log="one\r\n\x1b[31mtwo \x07")
    assert cli("run", "log", str(run_id)).stdout_bytes == b"one\r\n\x1b[31mtwo \x07"
    followed = cli("run", "log", str(run_id), "--follow")
    assert followed.stdout_bytes == b"one\r\n\x1b[31mtwo \x07" and followed.exit_code == 0


def test_a_log_larger_than_a_piece_is_printed_whole(cli: Lackey, service: Service) -> None:
    log = "".join(f"line {number}\n" for number in range(300_000))
    assert cli("run", "log", str(reported(service, log=log))).stdout == log


def test_a_run_is_shown_field_by_field(cli: Lackey, service: Service) -> None:
    text = cli("run", "show", str(reported(service, "by hand", exit="3", ts="1369322595", host="n1"))).stdout
    fields = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert (fields["run"], fields["state"], fields["by"]) == ("by hand", "failed", "local")
    assert fields["ended"].startswith("2013-05-23 15:23:15 (")


def test_a_hostile_name_reaches_no_terminal(cli: Lackey, service: Service) -> None:
    run_id = reported(service, "\x1b]0;owned\x07\n\x9b2J", exit="4")
    for arguments in (("list",), ("show", str(run_id)), ("wait", str(run_id)), ("rerun", str(run_id))):
        result = cli("run", *arguments)
        assert not set(result.stdout + result.stderr) & set("\x1b\x07\x9b")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "987654"), "there is no run 987654"),
        (("log", "987654"), "there is no run 987654"),
        (("wait", "987654"), "there is no run 987654"),
        (("cancel", "987654"), "there is no run 987654"),
        (("now", "lab/none"), "there is no application lab/none"),
        (("now", "lab/heat", "-p", "m=1"), "parameters.m: is not a parameter"),
        (("at", "9998-01-31 18:00", "lab/heat"), "at: is in the year 9998"),
        (("list", "--project", "none"), "project: "),
    ],
)
def test_what_the_service_refuses_is_said_in_a_sentence(cli: Lackey, arguments: tuple[str, ...], words: str) -> None:
    result = cli("run", *arguments)
    assert result.exit_code == 1 and words in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("now",),
        ("now", "lab/heat", "-p", "n"),
        ("now", "lab/heat", "-p", "n=1", "-p", "n=2"),
        ("show", "x"),
        ("cancel",),
    ],
)
def test_wrong_usage_of_run_has_exit_code_2(cli: Lackey, arguments: tuple[str, ...]) -> None:
    assert cli("run", *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("state", "exit_code", "signal", "expected"),
    [
        ("succeeded", 0, None, 0),
        ("failed", 3, None, 3),
        ("failed", 256, None, 1),
        ("failed", -1, None, 255),
        ("failed", None, 9, 137),
        ("failed", None, None, 1),
        ("timed_out", 0, None, 1),
        ("timed_out", 5, None, 5),
        ("cancelled", None, 15, 1),
        ("lost", None, None, 1),
    ],
)
def test_only_success_has_exit_code_0(state: str, exit_code: int | None, signal: int | None, expected: int) -> None:
    assert exit_code_for({"state": state, "exit_code": exit_code, "signal": signal}) == expected


def test_an_outcome_says_why() -> None:
    run = {"id": 4, "state": "timed_out", "reason": None, "exit_code": None, "signal": 15, "duration": 61.0}
    assert outcome_line(run) == "run 4 timed out after 1 min 01 s: signal 15"


def test_what_is_given_for_a_run_is_shown_and_found_by_its_tag(cli: Lackey, as_json: Json) -> None:
    given = ("--env", "SCHEME=a=b", "--tag", "paper 1", "--tag", "b", "--time-limit", "1h30m")
    made = as_json("run", "now", "lab/heat", *given)
    assert (made["environment"], made["tags"]) == ({"SCHEME": "a=b"}, ["paper 1", "b"])
    later = as_json("run", "at", "2126-01-31T18:00:00Z", "lab/heat", "--after", str(made["id"]), "--cpus", "1", *given)
    assert later["tags"] == ["paper 1", "b"] and later["after"] == [{"run": made["id"], "on": "succeeded"}]
    shown = cli("run", "show", str(made["id"])).stdout
    assert "environment  SCHEME=a=b" in shown and "paper 1, b" in shown
    assert [run["id"] for run in as_json("run", "list", "--tag", "paper 1")] == [later["id"], made["id"]]


def test_a_rerun_takes_another_value_and_several_are_rerun_at_once(cli: Lackey, as_json: Json) -> None:
    first, second = (as_json("run", "now", "lab/heat", "-p", f"n={number}")["id"] for number in (1, 2))
    again = as_json("run", "rerun", str(first), "-p", "n=3", "--cpus", "1", "--after", f"{second}:ended")
    assert (again["parameters"], again["parent"], again["after"]) == (
        {"n": "3"},
        first,
        [{"run": second, "on": "ended"}],
    )
    both = as_json("run", "rerun", str(first), str(second), "--tag", "again")
    assert [(run["parent"], run["parameters"]["n"], run["tags"]) for run in both] == [
        (first, "1", ["again"]),
        (second, "2", ["again"]),
    ]
    result = cli("run", "rerun", str(first), "-p", "m=3")
    assert result.exit_code == 1 and "parameters.m: is not a parameter of this run" in result.stderr
    some = cli("run", "rerun", "999999", str(first))
    assert some.exit_code == 1 and "run 999999: " in some.stderr and f"run {both[1]['id'] + 1} " in some.stdout
    assert cli("run", "rerun", str(first), str(second), "--follow").exit_code == 2


@pytest.mark.parametrize("text", ["soon", "1:30", "-5", "0", "30m1h", "\x1b[2J"])
def test_what_is_no_duration_is_wrong_usage(cli: Lackey, text: str) -> None:
    result = cli("run", "now", "lab/heat", f"--time-limit={text}")
    assert result.exit_code == 2 and "--time-limit" in result.stderr and "\x1b" not in result.stderr


def with_figures(service: Service, *points: dict[str, Any]) -> int:
    """A run that has reported these figures."""
    made = service.api("POST", "/api/run", json={"launch": False, "name": "figures"})
    body = {"token": made["token"], "metrics": list(points)}
    assert requests.put(f"{service.url}/api/run/metric/{made['id']}", json=body, timeout=30).ok
    return int(made["id"])


def test_the_last_value_of_each_figure_is_shown_and_all_points_of_one(
    cli: Lackey, as_json: Json, service: Service
) -> None:
    steps = [{"name": "residual", "value": 1 / (step + 1), "step": step} for step in range(2000)]
    hostile = {"name": "=cmd\x1b[2J", "value": "nan", "step": 1}
    run_id = str(with_figures(service, *steps, hostile))
    last = {point["name"]: (point["step"], point["value"]) for point in as_json("run", "metrics", run_id)}
    assert last == {"residual": (1999, 1 / 2000), "=cmd\x1b[2J": (1, "NaN")}
    shown = cli("run", "metrics", run_id).stdout
    assert "0.0005" in shown and r"=cmd\x1b[2J" in shown and "\x1b" not in shown
    lines = cli("run", "metrics", run_id, "residual").stdout.splitlines()
    assert len(lines) == 2000 and lines[3].split()[:2] == ["3", "0.25"]
    rows = cli("run", "metrics", run_id, "--csv").stdout.splitlines()
    assert rows[0] == "name,step,value,at" and len(rows) == 2002
    assert any(row.startswith("'=cmd") for row in rows) and "residual,1.0,0.5," in "\n".join(rows)
    none = cli("run", "metrics", run_id, "drag")
    assert none.exit_code == 1 and "has no figure drag" in none.stderr


def test_a_runs_history_is_told_from_its_beginning(cli: Lackey, as_json: Json, service: Service) -> None:
    run_id = reported(service)
    lines = cli("run", "events", str(run_id)).stdout.splitlines()
    assert "made" in lines[1] and "succeeded" in lines[-1]
    kinds = [event["kind"] for event in as_json("run", "events", str(run_id))]
    assert kinds[-1] == "scheduled" and kinds[0] == "stop"


def test_several_are_waited_for_and_success_is_that_of_all(cli: Lackey, as_json: Json, service: Service) -> None:
    good, bad, other = reported(service), reported(service, exit="7"), reported(service)
    both = cli("run", "wait", str(good), str(other))
    assert (both.exit_code, both.stdout) == (0, "")
    assert f"run {good} succeeded" in both.stderr and f"run {other} succeeded" in both.stderr
    mixed = cli("run", "wait", str(good), str(bad), "--json")
    assert mixed.exit_code == 1 and f"run {bad} failed" in mixed.stderr
    assert [run["id"] for run in json.loads(mixed.stdout)] == [good, bad]
    assert cli("run", "wait", str(bad)).exit_code == 7
