"""`lackey doctor`: what it finds, and what it says about mending it."""

import json
import socket
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from lackey.cli.db import upgrade_schema
from lackey.services import Database
from lackey.services.admin import executors
from tests.cli.conftest import Lackey, calls
from tests.cli.desk import Service
from tests.postgres import Cluster
from tests.shares.hanging import mounted
from tests.shares.seen import processes_of, reading

Examine = Callable[..., dict[str, list[dict[str, Any]]]]


def findings(result: Result) -> dict[str, list[dict[str, Any]]]:
    """What was found about each thing. The exit code says whether there was trouble."""
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(result.stdout):
        found.setdefault(finding["about"], []).append(finding)
    troubled = any(each["level"] == "trouble" for all_of_one in found.values() for each in all_of_one)
    assert result.exit_code == troubled
    return found


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lackey:
    """The command line in an empty directory."""
    return calls(monkeypatch, tmp_path)


@pytest.fixture
def examine(alone: Lackey, tmp_path: Path) -> Examine:
    """What the doctor finds under a configuration."""

    def examine(configuration: str = "") -> dict[str, list[dict[str, Any]]]:
        (tmp_path / "lackey.toml").write_text(configuration)
        return findings(alone("doctor", "--json"))

    return examine


def test_where_all_is_well_there_is_no_trouble(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    result = calls(monkeypatch, desk.directory)("doctor")
    assert result.exit_code == 0, result.stdout
    lines = result.stdout.splitlines()
    seen = {tuple(line.split()[:2]) for line in lines if line.startswith(("ok", "warning"))}
    for about in ("configuration", "data_dir", "database", "scheduler", "service", "share"):
        assert ("ok", about) in seen, result.stdout
    assert ("warning", "executors") in seen
    assert any(line.lstrip().startswith("→ Set [executor.local] user") for line in lines)
    assert desk.key not in result.stdout


def test_in_an_empty_directory_it_says_what_to_start_and_makes_nothing(alone: Lackey, tmp_path: Path) -> None:
    found = findings(alone("doctor", "--json"))
    assert found["configuration"][0]["level"] == "ok"
    assert found["data_dir"][0]["level"] == found["database"][0]["level"] == "warning"
    assert "lackey db upgrade" in found["database"][0]["mend"]
    assert "no service answers at http://localhost:" in found["service"][0]["what"]
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_that_can_not_be_used_is_the_only_thing_told(examine: Examine) -> None:
    found = examine("[server]\ncolour = 'red'\n")
    assert list(found) == ["configuration"]
    assert "server.colour: is no setting" in found["configuration"][0]["what"]


def test_a_schema_that_is_not_current_and_a_scheduler_that_is_not_there_are_trouble(
    examine: Examine, alone: Lackey, tmp_path: Path
) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "lackey.sqlite3").touch()
    (database,) = examine()["database"]
    assert database["level"] == "trouble" and "lackey db upgrade" in database["mend"]
    assert alone("db", "upgrade").exit_code == 0
    found = examine()
    assert found["database"][0]["level"] == "ok"
    assert found["scheduler"][0]["level"] == "trouble" and "lackey scheduler" in found["scheduler"][0]["mend"]


def test_a_database_server_that_is_away_is_told_with_the_reason_and_without_the_password(examine: Examine) -> None:
    found = examine('[database]\nurl = "postgresql+psycopg://anna:geheim@127.0.0.1:1/runs"\n')
    (database,) = found["database"]
    assert database["level"] == "trouble" and "Connection refused" in database["what"]
    assert "geheim" not in str(found)


def test_the_clock_of_a_postgresql_server_is_compared(examine: Examine, postgresql: Cluster) -> None:
    database = Database(postgresql.create())
    upgrade_schema(database)
    url = database.url.render_as_string(hide_password=False)
    database.close()
    told = [(finding["level"], finding["what"]) for finding in examine(f'[database]\nurl = "{url}"\n')["database"]]
    assert told[1] == ("ok", "its server's clock and this host's agree")


def test_data_on_a_share_or_a_network_file_system_is_trouble(examine: Examine, tmp_path: Path) -> None:
    with mounted(tmp_path / "served", tmp_path / "far away"):
        (tmp_path / "far away" / "var").mkdir()
        (data_dir,) = examine("[server]\ndata_dir = 'far away/var'\n")["data_dir"]
        assert data_dir["level"] == "trouble" and "on a network file system (fuse" in data_dir["what"]
        database = examine(f"[database]\nurl = 'sqlite:///{tmp_path}/far away/lackey.sqlite3'\n")["database"][0]
        assert database["level"] == "trouble" and "local disk" in database["mend"]
    (tmp_path / "lab" / "var").mkdir(parents=True)
    share = "[server]\ndata_dir = 'lab/var'\n[[share]]\nname = 'lab'\npath = 'lab'\n"
    (data_dir,) = examine(share)["data_dir"]
    assert data_dir["level"] == "trouble" and "on the share lab" in data_dir["what"]


def test_a_data_directory_that_can_not_be_written_to_is_trouble(examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "lackey-test", tmp_path / "var"], check=True)
    try:
        (data_dir,) = examine()["data_dir"]
    finally:
        subprocess.run(["umount", "--lazy", tmp_path / "var"], check=True)
    assert data_dir["level"] == "trouble" and "Read-only file system" in data_dir["what"]


@pytest.mark.parametrize(
    ("user", "level", "what"),
    [("nobody", "ok", "run as nobody"), ("no-such-user", "trouble", "no such user"), ("root", "trouble", "as root")],
)
def test_the_user_of_simulations_has_to_be_there_and_not_root(
    examine: Examine, user: str, level: str, what: str
) -> None:
    (executors,) = examine(f"[executor.local]\nuser = '{user}'\n")["executors"]
    assert executors["level"] == level and what in executors["what"]


@pytest.mark.parametrize("shell", ["/opt/no-such/bash -l", "/etc/passwd", "/etc"])
def test_a_shell_that_is_no_program_is_trouble(examine: Examine, shell: str) -> None:
    told, _ = examine(f"[executor.local]\nshell = '{shell}'\n")["executors"]
    assert told["level"] == "trouble" and shell.split()[0] in told["what"] and "[executor.local] shell" in told["mend"]


def test_an_executor_that_is_paused_is_a_warning_with_the_way_out(
    examine: Examine, alone: Lackey, tmp_path: Path
) -> None:
    assert alone("db", "upgrade").exit_code == 0
    database = Database(f"sqlite:///{tmp_path}/var/lackey.sqlite3")
    executors.pause(database, "local", "anna", datetime(2026, 3, 1, 12, tzinfo=UTC))
    (found,) = [each for each in examine()["executors"] if "paused" in each["what"]]
    assert found["level"] == "warning" and "by anna since 2026-03-01 12:00 UTC" in found["what"]
    assert "/api/executor/local" in found["mend"]
    executors.resume(database, "local", "anna")
    database.close()
    assert not any("paused" in each["what"] for each in examine()["executors"])


LAB = "[[share]]\nname = 'lab'\npath = 'lab'\n"


def test_shares_that_nothing_reads_are_looked_at_all_the_same(examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    unread, looked_at = examine(LAB)["share lab"]
    assert unread["level"] == "trouble" and "lackey reader" in unread["mend"]
    assert looked_at["level"] == "ok" and "can be read and written to by root" in looked_at["what"]
    (tmp_path / "lab").rename(tmp_path / "gone")
    assert "The share lab is not there" in examine(LAB)["share lab"][1]["what"]
    assert not processes_of(tmp_path)


def test_what_is_wrong_with_a_share_is_told_by_its_reader(examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "lackey-test", tmp_path / "lab"], check=True)
    try:
        with reading({"lab": (str(tmp_path / "lab"), True)}, tmp_path / "var" / "readers"):
            found = [finding for finding in examine(LAB)["share lab"] if "Nothing reads" not in finding["what"]]
    finally:
        subprocess.run(["umount", "--lazy", tmp_path / "lab"], check=True)
    assert [finding["level"] for finding in found] == ["trouble"]
    assert "Read-only file system" in found[0]["what"] and "remount,rw" in found[0]["mend"]


def test_a_share_that_hangs_is_told_and_holds_up_nothing(examine: Examine, tmp_path: Path) -> None:
    with mounted(tmp_path / "served", tmp_path / "lab") as mount:
        mount.hang()
        found = examine(LAB)
    said = found["share lab"][1]["what"]
    assert "has not answered since" in said or "did not answer within" in said
    assert found["executors"] and found["clock"]


def test_a_check_that_hangs_is_left_behind_at_the_deadline(
    examine: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lackey.cli.doctor.DEADLINE_SECONDS", 3.0)
    with mounted(tmp_path / "served", tmp_path / "far") as mount:
        (tmp_path / "served" / "var").mkdir()
        mount.hang()
        found = examine("[server]\ndata_dir = 'far/var'\n")
    (data_dir,) = found["data_dir"]
    assert data_dir["level"] == "trouble" and "does not come to an end" in data_dir["what"]
    assert "local disk" in data_dir["mend"]
    assert found["executors"][0]["level"] == "warning" and found["clock"]


def test_a_service_that_hangs_or_is_another_one_is_trouble(
    desk: Service, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (service,) = examine(f"[server]\nurl = '{desk.url}'\n")["service"]
    assert (service["level"], service["what"]) == ("ok", f"it answers at {desk.url}")
    (service,) = examine(f"[server]\nurl = '{desk.url}/elsewhere'\n")["service"]
    assert service["level"] == "trouble" and "there is nothing here" in service["what"]
    monkeypatch.setattr("lackey.cli.doctor.DEADLINE_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (service,) = examine(f"[server]\nurl = 'http://127.0.0.1:{silent.getsockname()[1]}'\n")["service"]
    assert service["level"] == "trouble" and "does not come to an end" in service["what"]
