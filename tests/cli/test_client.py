"""How the command line finds the service and its key, and what it makes of other people's servers."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.conftest import Lackey, calls
from tests.cli.desk import Service, free_port


class Stranger(BaseHTTPRequestHandler):
    """Answers what it is told to, and remembers what it was asked with."""

    answers: list[tuple[int, dict[str, str], bytes]] = []
    asked: list[tuple[str, str | None]] = []
    names: list[str | None] = []

    def do_GET(self) -> None:
        self.asked.append((self.command, self.headers.get("Authorization")))
        self.names.append(self.headers.get("Idempotency-Key"))
        status, headers, body = self.answers.pop(0)
        if not status:
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nobody wants to know."""


@pytest.fixture
def stranger() -> Iterator[str]:
    """The URL of a server that is not lackey."""
    Stranger.answers, Stranger.asked, Stranger.names = [], [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


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
