"""Whoever has no good token costs next to nothing: it is looked for first, and nothing else is worked on without it."""

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from lackey.web.bodies import read_report
from lackey.web.early_token import in_json
from tests.web.client import Api

MIB = 1 << 20
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xYz"
JSON = "application/json"
PART = '--xYz\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'


def form(*fields: tuple[str, str]) -> bytes:
    return "&".join(f"{name}={value}" for name, value in fields).encode()


def multipart(*fields: tuple[str, str]) -> bytes:
    return ("".join(PART % field for field in fields) + "--xYz--\r\n").encode()


def as_json(*fields: tuple[str, str]) -> bytes:
    return json.dumps(dict(fields)).encode()


KINDS = [
    pytest.param(FORM, form, id="form"),
    pytest.param(MULTIPART, multipart, id="multipart"),
    pytest.param(JSON, as_json, id="JSON"),
]
Written = Callable[..., bytes]


class Sender(io.BytesIO):
    """What somebody sends; it knows how much of it was read."""

    @property
    def read_bytes(self) -> int:
        return self.tell()


def send(api: Api, verb: str, run_id: int, body: bytes, kind: str, **headers: str) -> tuple[int, dict[str, Any], int]:
    """The status, the answer, and how many bytes of the body were read."""
    sender = Sender(body)
    environ = {"wsgi.input": sender, "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": kind, **headers}
    answer = api.client.request(f"/api/run/{verb}/{run_id}", method="PUT", environ=environ, expect_errors=True)
    return answer.status_int, answer.json, sender.read_bytes


def test_a_wrong_token_in_the_header_is_refused_with_the_body_unread(api: Api) -> None:
    run = api.reported_run()
    body = form(("exit", "0"), ("log", "%41" * MIB))
    status, _, read = send(api, "stop", run["id"], body, FORM, HTTP_AUTHORIZATION="Bearer wrong")
    assert (status, read) == (401, 0)


@pytest.mark.parametrize(("kind", "written"), KINDS)
@pytest.mark.parametrize("before", [(), (("exit", "0"), ("host", 'n 1: "a, b" {')), (("log", "a small one"),)])
def test_a_wrong_token_before_the_log_is_refused_with_the_rest_unread(
    api: Api, kind: str, written: Written, before: tuple[Any, ...]
) -> None:
    run = api.reported_run()
    later = "text" if before and before[0][0] == "log" else "log"
    body = written(*before, ("token", "wrong"), (later, "%41" * 2 * MIB))
    status, _, read = send(api, "stop", run["id"], body, kind)
    assert status == 401
    assert read <= 64 * 1024


@pytest.mark.parametrize(("kind", "written"), KINDS)
def test_of_a_body_whose_token_comes_after_a_large_log_a_mib_is_read(api: Api, kind: str, written: Written) -> None:
    run = api.reported_run()
    body = written(("exit", "0"), ("log", "a" * 3 * MIB), ("token", run["token"]))
    status, answer, read = send(api, "stop", run["id"], body, kind)
    assert status == 401
    assert "before the log" in answer["detail"]
    assert read <= MIB + 64 * 1024
    assert api.run(run)["state"] == "scheduled"


@pytest.mark.parametrize(("kind", "written"), KINDS)
def test_a_large_log_is_taken_with_the_token_before_it(api: Api, kind: str, written: Written) -> None:
    run = api.reported_run()
    body = written(("exit", "0"), ("token", run["token"]), ("log", "a" * 3 * MIB))
    assert send(api, "stop", run["id"], body, kind)[0] == 200
    assert api.run(run)["log_size"] == 3 * MIB


@pytest.mark.parametrize(("kind", "written"), KINDS)
def test_a_log_of_less_than_a_mib_may_stand_before_the_token(api: Api, kind: str, written: Written) -> None:
    run = api.reported_run()
    body = written(("exit", "0"), ("log", "line%0A" * 100_000), ("token", run["token"]))
    assert send(api, "stop", run["id"], body, kind)[0] == 200
    assert api.run(run)["state"] == "succeeded"


def test_the_name_of_the_token_may_be_written_with_escapes(api: Api) -> None:
    for kind, body in ((JSON, '{"t\\u006fken": "%s", "log": "x"}'), (FORM, "log=x&%%74oken=%s")):
        run = api.reported_run()
        assert send(api, "stop", run["id"], (body % run["token"]).encode(), kind)[0] == 200


def test_a_token_within_another_field_is_none(api: Api) -> None:
    run = api.reported_run()
    for kind, body in (
        (JSON, '{"host": {"token": "%s"}, "exit": 0}'),
        (JSON, '{"host": "\\", \\"token\\": \\"%s\\"", "exit": 0}'),
        (FORM, "host=token=%s&exit=0"),
        (FORM, "host=1%%26token=%s&exit=0"),
        (MULTIPART, PART % ("host", 'name="token"\r\n\r\n%s') + "--xYz--\r\n"),
    ):
        assert send(api, "stop", run["id"], (body % run["token"]).encode(), kind)[0] == 401, body


def test_a_second_token_that_is_another_is_refused_whichever_is_good(api: Api) -> None:
    run = api.reported_run()
    for first, second in ((run["token"], "wrong"), ("wrong", run["token"])):
        twice = f'{{"token": "{first}", "token": "{second}"}}'
        for kind, body in ((FORM, f"token={first}&token={second}"), (JSON, twice)):
            assert send(api, "stop", run["id"], body.encode(), kind)[0] in (400, 401)
    assert api.run(run)["state"] == "scheduled"


def calls_during(work: Callable[[], object]) -> int:
    """How many functions are called, Python's own in C among them: what each escape costs, without a clock."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    ("kind", "before", "escape", "after"),
    [
        *((FORM, b"log=", escape, b"") for escape in (b"%41", b"%41a", b"%zz", b"%", b"+", b"\\", b"%\\x41")),
        *((JSON, b'{"log":"', escape, b'"}') for escape in (b"\\u0041", b"\\n", b"\\x", b"\\u12", b"\\\\x", b'\\"')),
        *((JSON, b'{"log":"', escape, b'"}') for escape in (b"\\ud83d\\ude00", b"\\ud800", b"\xff", b"\xff\\u0041")),
    ],
)
def test_decoding_a_log_takes_no_call_for_each_escape(kind: str, before: bytes, escape: bytes, after: bytes) -> None:
    pieces = [before, *[escape * (65536 // len(escape))] * 4, after]
    assert calls_during(lambda: read_report(pieces, kind, "log", MIB)) < 2_000


@pytest.mark.parametrize("unit", [b"[", b'"', b"{}", b"[],", b'{"a":1},', b'"a":[[[[[[[[[[', b"\\", b" "])
def test_looking_for_a_token_in_json_takes_no_call_for_each_mark(unit: bytes) -> None:
    held = b'{"a":[' + unit * (MIB // len(unit))
    assert calls_during(lambda: in_json(held, False)) < 100
