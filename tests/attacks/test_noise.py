"""Random requests: each gets an answer, none of which is a mistake of lackey's, and who only asks changes nothing."""

import io
import json
import logging
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import setup_testing_defaults

import pytest

from tests.attacks.furnished import Furnished
from tests.attacks.noise import Asked, Noise
from tests.attacks.strength import rounds
from tests.cli.desk import Service, serving
from tests.web.conftest import MakeApi

OF_A_ROUND = 100
ROUNDS = 20
ROUNDS_AT_A_SERVER = 6
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def answer_of(application: Any, asked: Asked) -> Answer:
    """What the WSGI application answers, each part of it as PEP 3333 has it."""
    path, _, query = asked.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": asked.method,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "wsgi.input": io.BytesIO(asked.body),
    }
    for name, value in asked.headers:
        variable = name.upper().replace("-", "_")
        environ[variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"] = value
    setup_testing_defaults(environ)
    started: list[tuple[str, list[tuple[str, str]]]] = []
    pieces = application(environ, lambda status, headers, exc_info=None: started.append((status, headers)))
    body = b"".join(pieces)
    if hasattr(pieces, "close"):
        pieces.close()
    ((status, headers),) = started
    assert re.fullmatch(r"\d{3} [ -~]+", status), status
    for name, value in headers:
        assert re.fullmatch(r"[A-Za-z0-9-]+", name) and not re.search(r"[\x00-\x1f\x7f]", value), (name, value)
    return Answer(int(status[:3]), dict(headers), body)


def check(asked: Asked, answer: Answer) -> None:
    """A well-formed answer, and no mistake of lackey's."""
    kind, body = answer.headers.get("Content-Type", ""), answer.body
    assert answer.status < 500 or answer.status == 503
    assert b"Traceback" not in body
    if asked.method == "HEAD" or answer.status in (204, 304):
        assert body == b""
        return
    if "Content-Length" in answer.headers:
        assert len(body) == int(answer.headers["Content-Length"])
    if "json" in kind:
        document = json.loads(body)
        assert kind != "application/problem+json" or document["status"] == answer.status
    if asked.path.startswith("/api") and answer.status >= 400:
        assert kind == "application/problem+json", kind


@pytest.fixture
def house(make_api: MakeApi) -> Iterator[Furnished]:
    furnished = Furnished(make_api())
    yield furnished
    furnished.close()


def test_no_request_is_too_odd_for_an_answer(
    make_api: MakeApi, house: Furnished, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for name, dice in rounds(ROUNDS):
        noise = Noise(house, dice)
        for _ in range(OF_A_ROUND):
            asked, before = noise.asked(), house.version()
            try:
                check(asked, answer_of(house.api.wsgi, asked))
                assert not [record for record in caplog.records if record.exc_info]
                assert not asked.only_reads or house.version() == before, "somebody who only asked changed something"
            except Exception as error:
                pytest.fail(f"{name}: {shortened(asked)}\n{error!r}\n{caplog.text[-3000:]}")
        caplog.clear()


def shortened(asked: Asked) -> str:
    headers = [(name, value[:200]) for name, value in asked.headers]
    return f"{asked.method} {asked.target[:500]!r} {headers} {asked.body[:500]!r}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("served")) as served:
        yield served


def sent(service: Service, asked: Asked) -> bytes:
    """All that `lackey serve` answers; the client says nothing more after its request."""
    lines = [f"{asked.method} {asked.target} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in asked.headers]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        received = bytearray()
        try:
            connection.sendall(head + asked.body)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has said no before it had heard all
        return bytes(received)


def test_lackey_serve_answers_whatever_comes_over_the_wire(house: Furnished, service: Service) -> None:
    house.keys["admin"] = service.key  # the paths and names are there, too, or are not
    for name, dice in rounds(ROUNDS_AT_A_SERVER):
        noise = Noise(house, dice)
        for _ in range(OF_A_ROUND):
            asked = noise.asked()
            received = sent(service, asked)
            try:
                status = _STATUS.match(received)
                assert status, "this is no answer"
                assert int(status[1]) < 500 or int(status[1]) in (501, 503)
                assert b"Traceback" not in received
            except Exception as error:
                pytest.fail(f"{name}: {shortened(asked)}\n{error!r}\n{received[:2000]!r}")
    well = Asked("GET", "/healthz", (), b"")
    assert b" 200 OK" in sent(service, well)
    assert service.process.poll() is None
    log = service.said
    assert "Traceback" not in log and not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", log), log[-3000:]
