"""`lackey example` gives a newcomer something to run."""

from pathlib import Path

import pytest

from tests.cli.conftest import calls
from tests.cli.desk import Service, wait_for


def test_an_example_can_be_run_after_one_command(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    cli = calls(monkeypatch, desk.directory)
    said = cli("example")
    assert said.exit_code == 0, said.output
    assert f"{desk.url}/project/2" in said.stdout
    run = desk.api("POST", "/api/run", json={"application": "examples/heat", "parameters": {"n": 9, "steps": 50}})
    wait_for(lambda: desk.api("GET", f"/api/run/{run['id']}")["state"] == "succeeded", "the example")


def test_a_second_time_keeps_what_was_changed(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    cli = calls(monkeypatch, desk.directory)
    cli("example")
    changed = Path(desk.share, "examples/heat/explicit.py")
    changed.write_text("raise SystemExit(0)\n")
    assert cli("example").exit_code == 0
    assert changed.read_text() == "raise SystemExit(0)\n"
    names = [each["name"] for each in desk.api("GET", "/api/application?project=examples")["items"]]
    assert sorted(names) == ["epidemic", "failing", "heat"]


def test_a_share_that_there_is_not_is_named(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = calls(monkeypatch, desk.directory)("example", "--share", "elsewhere")
    assert refused.exit_code == 2
    assert "no share 'elsewhere' here; there are: local" in refused.stderr
