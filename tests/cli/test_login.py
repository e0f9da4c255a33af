"""Keys that are kept by `lackey login`: where, for whom, and to whom they go."""

import json
import os
import pty
import select
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Lackey, calls
from tests.cli.desk import DEADLINE_SECONDS, Service, environment
from tests.cli.strangers import Stranger, strange_service

NO_RUNS = b'{"items": [], "next": null}'


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where keys are kept."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    return tmp_path / "configuration/lackey"


@pytest.fixture
def cli(configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lackey:
    """The command line, where nothing tells of a service."""
    (tmp_path / "empty").mkdir()
    return calls(monkeypatch, tmp_path / "empty")


@pytest.fixture
def stranger() -> Iterator[str]:
    """The URL of a server that answers what a test says."""
    with strange_service() as url:
        yield url


def test_after_a_login_commands_talk_to_that_service_from_anywhere(
    cli: Lackey, service: Service, configuration: Path
) -> None:
    result = cli("login", f"{service.url}/", input=f"{service.key}\n")
    assert result.exit_code == 0 and f"commands talk to {service.url} now" in result.stderr
    assert cli("run", "list").exit_code == 0
    assert cli("key", "list", "--json").exit_code == 0
    (file,) = configuration.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(configuration.stat().st_mode) == 0o700
    assert json.loads(cli("login", "--json").stdout) == [{"url": service.url, "current": True}]
    assert "is forgotten" in cli("logout").stderr
    assert service.key not in file.read_text()
    assert cli("run", "list").exit_code == 1


def test_a_key_is_readable_by_nobody_else_for_no_moment(
    cli: Lackey, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes, opened = [], os.open

    def watched(path: str, flags: int, mode: int = 0o777, **more: int) -> int:
        descriptor = opened(path, flags, mode, **more)
        if flags & os.O_CREAT and "keys.json" in str(path):
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", watched)
    before = os.umask(0)
    try:
        assert cli("login", service.url, input=service.key).exit_code == 0
    finally:
        os.umask(before)
    assert modes == [0o600]


def test_a_key_that_the_service_does_not_accept_is_not_kept_and_not_printed(
    cli: Lackey, service: Service, configuration: Path
) -> None:
    result = cli("login", service.url, input="lackey_wrong\n")
    assert result.exit_code == 1 and "does not accept the key" in result.stderr
    assert "lackey_wrong" not in result.output and not configuration.exists()
    for typed in ("", "\n", "two words\n", "\x1b[31m\n"):
        assert cli("login", service.url, input=typed).exit_code == 1
    assert not configuration.exists()


def test_each_service_has_its_own_key_and_the_last_one_is_talked_to(
    cli: Lackey, service: Service, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stranger.answers = [(200, {}, NO_RUNS)] * 3
    assert cli("login", service.url, input=service.key).exit_code == 0
    assert cli("login", stranger, input="for-the-stranger").exit_code == 0
    assert cli("run", "list").exit_code == 0
    assert Stranger.asked == [("GET", "Bearer for-the-stranger")] * 2
    monkeypatch.setenv("LACKEY_URL", service.url)
    assert cli("run", "list").exit_code == 0 and len(Stranger.asked) == 2
    monkeypatch.delenv("LACKEY_URL")
    assert service.url in cli("logout").stderr
    assert cli("run", "list").exit_code == 0 and len(Stranger.asked) == 2


def test_a_kept_key_goes_nowhere_else(cli: Lackey, stranger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Stranger.answers = [(200, {}, NO_RUNS), (401, {}, b""), (302, {"Location": f"{stranger}/elsewhere"}, b"")]
    assert cli("login", f"{stranger}/lackey", input="secret").exit_code == 0
    # The same host and port, but another path: another service may be there.
    monkeypatch.setenv("LACKEY_URL", stranger)
    assert cli("run", "list").exit_code == 1
    monkeypatch.delenv("LACKEY_URL")
    result = cli("run", "list")
    assert result.exit_code == 1 and "sends us on to" in result.stderr and "secret" not in result.output
    assert Stranger.asked == [("GET", "Bearer secret"), ("GET", None), ("GET", "Bearer secret")]


def test_the_environment_goes_before_what_is_kept(
    cli: Lackey, service: Service, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stranger.answers = [(200, {}, NO_RUNS)] * 2
    assert cli("login", stranger, input="kept").exit_code == 0
    monkeypatch.setenv("LACKEY_KEY", "of-the-environment")
    assert cli("run", "list").exit_code == 0
    assert Stranger.asked[-1] == ("GET", "Bearer of-the-environment")
    monkeypatch.setenv("LACKEY_URL", service.url)
    monkeypatch.setenv("LACKEY_KEY", service.key)
    assert cli("run", "list").exit_code == 0 and len(Stranger.asked) == 2


@pytest.mark.parametrize(
    "url", ["lackey.example.org", "ftp://x", "https://", "https://a:b@x", "https://x?y", "\x1b[31m"]
)
def test_what_is_no_address_is_wrong_usage(cli: Lackey, url: str) -> None:
    result = cli("login", url, input="key")
    assert result.exit_code == 2 and "should be" in result.stderr and "\x1b" not in result.stderr


def test_a_key_is_not_sent_over_http_to_another_host_unless_that_is_meant(cli: Lackey) -> None:
    result = cli("login", "http://lackey.invalid", input="key")
    assert result.exit_code == 1 and "has no TLS" in result.stderr
    meant = cli("login", "http://lackey.invalid", "--plain-http", input="key")
    assert meant.exit_code == 1 and "no service answers at http://lackey.invalid" in meant.stderr


def test_what_is_not_lackey_gets_no_key_to_keep(cli: Lackey, stranger: str, configuration: Path) -> None:
    Stranger.answers = [(200, {}, b'{"hello": "world"}')]
    assert "is not lackey; nothing is kept" in cli("login", stranger, input="key").stderr
    assert not configuration.exists()


def test_keys_that_others_can_read_are_not_used(cli: Lackey, service: Service, configuration: Path) -> None:
    assert cli("login", service.url, input=service.key).exit_code == 0
    (configuration / "keys.json").chmod(0o640)
    result = cli("run", "list")
    assert result.exit_code == 1 and "chmod 600" in result.stderr and service.key not in result.stderr


def test_at_a_terminal_the_key_is_asked_for_and_not_shown(service: Service, configuration: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        arguments = [sys.executable, "-m", "lackey", "login", service.url]
        os.execve(sys.executable, arguments, environment(XDG_CONFIG_HOME=str(configuration.parent)))
    written, typed, deadline = b"", False, time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            written += os.read(terminal, 1 << 16)
        except OSError:  # the other side is closed: pty(7)
            break
        if b"Key for" in written and not typed:
            os.write(terminal, service.key.encode() + b"\n")
            typed = True
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, written
    assert b"The key is kept" in written and service.key.encode() not in written
