"""How the command line finds the service and its key, and what it makes of other people's servers."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.conftest import Lackey, calls
from tests.cli.desk import DEADLINE_SECONDS, Service, environment, free_port, serving, start
from tests.cli.strangers import Stranger, strange_service


@pytest.fixture
def stranger() -> Iterator[str]:
    """The URL of a server that is not lackey."""
    with strange_service() as url:
        yield url


def test_no_service_is_said_with_its_url_and_how_to_start_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    cli = calls(monkeypatch, tmp_path)
    monkeypatch.setenv("LACKEY_SERVER__URL", url)
    result = cli("run", "list")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"lackey: no service answers at {url} (connection refused); start it with: lackey")


def test_url_and_key_of_the_environment_are_enough(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = calls(monkeypatch, tmp_path)
    monkeypatch.setenv("LACKEY_URL", f"{service.url}/")
    monkeypatch.setenv("LACKEY_KEY", f"{service.key}")
    assert cli("run", "list").exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_it_says_where_to_get_one(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = calls(monkeypatch, tmp_path)
    monkeypatch.setenv("LACKEY_URL", service.url)
    result = cli("run", "list")
    assert (
        result.exit_code == 1 and "put one into LACKEY_KEY (on the service's host, lackey key create" in result.stderr
    )


def test_a_wrong_key_or_too_small_a_scope_is_said_and_the_key_is_not(
    cli: Lackey, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = cli("key", "create", "reader", "--scope", "read").stdout.strip()
    for key, words in (("lackey_wrong", "does not accept the key"), (small, "this needs a key with scope manage")):
        monkeypatch.setenv("LACKEY_KEY", key)
        result = cli("project", "add", "x")
        assert result.exit_code == 1 and words in result.stderr and key not in result.stderr
    monkeypatch.setenv("LACKEY_KEY", "evil\nHeader: x")
    assert "LACKEY_KEY holds characters that no key has" in cli("run", "list").stderr


def test_the_local_key_goes_to_no_other_service(cli: Lackey, stranger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACKEY_URL", stranger)
    Stranger.answers = [(401, {}, b"")]
    assert cli("run", "list").exit_code == 1
    assert Stranger.asked == [("GET", None)]


def test_the_local_key_goes_to_the_local_service_by_whatever_name(
    cli: Lackey, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACKEY_URL", f"http://localhost:{service.port}")
    assert cli("run", "list").exit_code == 0


def test_a_netrc_and_a_proxy_have_no_part_in_it(cli: Lackey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login x password y\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert cli("run", "list").exit_code == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}, b"<html>"), "no JSON; is it lackey?"),
        ((302, {"Location": "https://elsewhere/"}, b""), "sends us on to https://elsewhere/; put that into LACKEY_URL"),
        ((500, {}, b"<html>\x1b[31m"), "answers 500"),
        ((503, {}, b'{"detail": "the database \\u001b[31m is away"}'), r"the database \x1b[31m is away"),
        ((400, {}, b'{"errors": "no list"}'), "answers 400"),
    ],
)
def test_whatever_answers_there_is_one_sentence(
    cli: Lackey,
    stranger: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[int, dict[str, str], bytes],
    words: str,
) -> None:
    monkeypatch.setenv("LACKEY_URL", stranger)
    Stranger.answers = [answer]
    result = cli("run", "list")
    assert result.exit_code == 1 and words in result.stderr
    assert "Traceback" not in result.stderr and "\x1b" not in result.stderr


def test_a_connection_that_breaks_is_tried_once_more_and_nothing_is_made_twice(
    cli: Lackey, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACKEY_URL", stranger)
    Stranger.answers = [(0, {}, b""), (201, {}, b'{"id": 7}')]
    assert cli("run", "rerun", "1", "--json").stdout == '{\n  "id": 7\n}\n'
    first, second = Stranger.names
    assert first is not None and first == second
    Stranger.answers = [(0, {}, b""), (0, {}, b"")]
    result = cli("run", "list")
    assert result.exit_code == 1 and "no service answers" in result.stderr


@pytest.mark.parametrize("url", ["lackey", "ftp://x", "http://", "http://x:port", "http://[::1"])
def test_what_is_no_address_of_a_service_is_said(cli: Lackey, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LACKEY_URL", url)
    result = cli("run", "list")
    assert result.exit_code == 1 and "LACKEY_URL is no address" in result.stderr


def test_a_password_in_the_address_is_not_shown(cli: Lackey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACKEY_URL", f"http://anna:secret@127.0.0.1:{free_port()}")
    result = cli("run", "list")
    assert result.exit_code == 1 and "secret" not in result.stderr


def test_a_service_of_this_user_is_found_from_any_directory_and_not_once_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, here, there = tmp_path / "state", tmp_path / "here", tmp_path / "there"
    for each in (here, there):
        each.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    cli = calls(monkeypatch, here)
    with serving(there, "--no-scheduler", ready="/healthz", XDG_STATE_HOME=str(state)) as service:
        (note,) = (state / "lackey" / "services").iterdir()
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        assert stat.S_IMODE(note.parent.stat().st_mode) == 0o700
        assert json.loads(cli("project", "list", "--json").stdout) == []
        assert [each["name"] for each in json.loads(cli("key", "list", "--json").stdout)] == ["local"]
        found = json.loads(cli("doctor", "--json").stdout)
        assert {"about": "service", "level": "ok", "what": f"it answers at {service.url}", "mend": None} in found
        monkeypatch.setenv("LACKEY_URL", service.url)
        assert cli("project", "list").exit_code == 0
        monkeypatch.delenv("LACKEY_URL")
        os.chmod(note.parent, 0o777)
        assert "no service answers" in cli("project", "list").stderr, "others might have written there"
        os.chmod(note.parent, 0o700)
        service.process.kill()
        service.process.wait()
        with socket.create_server(("127.0.0.1", service.port)):
            result = cli("project", "list")
        assert result.exit_code == 1 and "no service answers at http://localhost:8000" in result.stderr
        assert list(note.parent.iterdir()) == []
    assert list(here.iterdir()) == []


def test_of_two_services_of_this_user_one_has_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    cli = calls(monkeypatch, here)
    with ExitStack() as both:
        urls = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            one = serving(tmp_path / name, "--no-scheduler", ready="/healthz", XDG_STATE_HOME=str(tmp_path))
            urls.append(both.enter_context(one).url)
        result = cli("project", "list")
        assert result.exit_code == 1 and "say which by LACKEY_URL" in result.stderr
        assert all(url in result.stderr for url in urls)
        monkeypatch.setenv("LACKEY_URL", urls[1])
        assert cli("project", "list").exit_code == 0
    assert list((tmp_path / "lackey" / "services").iterdir()) == []


def test_keys_and_the_doctor_go_to_the_service_that_the_environment_names(
    desk: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = calls(monkeypatch, tmp_path)
    monkeypatch.setenv("LACKEY_URL", desk.url)
    monkeypatch.setenv("LACKEY_KEY", desk.key)
    secret = cli("key", "create", "anna", "--scope", "read").stdout.strip()
    assert "anna" in [each["name"] for each in desk.api("GET", "/api/key")["items"]]
    result = cli("doctor", "--json")
    assert result.exit_code == 0, result.stdout
    found = {each["about"]: each["level"] for each in json.loads(result.stdout)}
    expected = {"clock": "ok", "readiness": "ok", "share local": "ok", "executor local": "ok", "service": "warning"}
    assert found == expected, "a warning about what can't be seen comes last"
    monkeypatch.setenv("LACKEY_KEY", secret)
    assert cli("doctor").exit_code == 0
    assert "scope" in cli("key", "list").stderr
    assert cli("key", "list").exit_code == 1
    monkeypatch.setenv("LACKEY_KEY", desk.key)
    assert cli("key", "revoke", "anna").exit_code == 0
    monkeypatch.setenv("LACKEY_KEY", secret)
    result = cli("doctor", "--json")
    assert result.exit_code == 1 and "does not accept the key" in result.stdout
    monkeypatch.setenv("LACKEY_URL", f"http://127.0.0.1:{free_port()}")
    result = cli("doctor", "--json")
    assert result.exit_code == 1 and "no service answers" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("key", "list"),
        ("key", "create", "anna", "--scope", "run"),
        ("key", "revoke", "1"),
        ("db", "check"),
        ("run", "list"),
        ("project", "list"),
        ("share", "list"),
        ("example",),
        ("doctor",),
    ],
)
def test_no_command_makes_a_data_directory_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    process = start(*arguments, cwd=here, XDG_STATE_HOME=str(tmp_path))
    said = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 1 and "Traceback" not in said[1]
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("found_by", ["environment", "login", "running"])
def test_a_command_loads_no_more_than_it_needs(service: Service, tmp_path: Path, found_by: str) -> None:
    more = {"XDG_CONFIG_HOME": str(tmp_path / "configuration")}
    if found_by == "environment":
        more |= {"LACKEY_URL": service.url, "LACKEY_KEY": service.key}
    if found_by == "login":
        arguments = [sys.executable, "-m", "lackey", "login", service.url]
        subprocess.run(arguments, input=service.key, text=True, check=True, cwd=tmp_path, env=environment(**more))
    code = (
        "import sys; from lackey.cli.commands import lackey; lackey(['run', 'list', '--json'], standalone_mode=False)"
    )
    process = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules, file=sys.stderr)"],
        cwd=service.directory if found_by == "running" else tmp_path,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    loaded = set(process.stderr.split())
    assert json.loads(process.stdout) is not None and "lackey.cli.runs" in loaded
    heavy = {"pydantic", "sqlalchemy", "rich", "lackey.settings", "lackey.cli.serve", "lackey.cli.applications"}
    assert not heavy & loaded


def test_colours_are_left_out_where_nobody_wants_them(
    cli: Lackey, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = str(service.api("POST", "/api/run", json={"launch": False, "name": "by hand"})["id"])
    assert "\x1b[36mscheduled" in cli("run", "show", run_id, color=True).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in cli("run", "show", run_id, color=True).stdout
