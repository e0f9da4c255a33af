"""Every way to send a report, cut into pieces at every place where a network may cut it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lackey.web.bodies import BodyError, Kept, ReportBody, read_report

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xYz"
LIMIT = 1 << 20


def pieces(body: bytes, cuts: list[int]) -> Iterator[bytes]:
    """`body`, cut at the given places (modulo its length), in order."""
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    return (body[start:end] for start, end in zip(places, places[1:], strict=False))


def read(body: bytes, content_type: str, log_field: str = "log", cuts: list[int] | None = None) -> ReportBody:
    return read_report(pieces(body, cuts or []), content_type, log_field, LIMIT)


def text_of(log: Kept | None) -> bytes | None:
    return None if log is None else log.head + log.tail


def multipart(fields: list[tuple[str, bytes, str]], boundary: str = "xYz") -> bytes:
    """A body with a part for each of (disposition parameters, content, further header lines)."""
    parts = (
        f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\n{more}\r\n".encode() + content + b"\r\n"
        for name, content, more in fields
    )
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


anywhere = st.lists(st.integers(0, 1 << 16), max_size=20)
names = st.text(min_size=1, max_size=10).filter(lambda name: name != "log")
awkward = st.lists(st.sampled_from([b"\r\n--xY", b"%4", b"+", b"\r", b"a"])).map(b"".join)
logs = st.none() | st.binary(max_size=200) | awkward


@given(st.dictionaries(names, st.text(max_size=20), max_size=5), logs, st.sampled_from(["", "/:%+&="]), anywhere)
def test_a_form_arrives_as_it_was_sent(fields: dict[str, str], log: bytes | None, safe: str, cuts: list[int]) -> None:
    safe = safe.translate({ord(letter): None for letter in "%+&="})
    sent = {name.encode(): value.encode() for name, value in fields.items()} | ({} if log is None else {b"log": log})
    body = b"&".join(b"%b=%b" % (quoted(name, ""), quoted(value, safe)) for name, value in sent.items())
    report = read(body, FORM, cuts=cuts)
    assert report.fields == fields
    assert text_of(report.log) == log


def quoted(text: bytes, safe: str) -> bytes:
    return quote_from_bytes(text, safe + " ").replace(" ", "+").encode()


@given(st.text("&=%+aA4log", max_size=30), anywhere)
@example("&&a==b&&c&%&%4=%4&", [])
@example("log", [])
def test_a_form_written_by_hand_is_read_as_every_other_server_reads_it(body: str, cuts: list[int]) -> None:
    try:
        pairs = parse_qsl(body, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        pairs = None
    try:
        report = read(body.encode(), FORM, cuts=cuts)
    except BodyError as error:
        assert pairs is None or len(dict(pairs)) < len(pairs), str(error)
        return
    got: dict[str, Any] = report.fields
    if report.log:
        got = got | {"log": report.log.head.decode("latin-1") + report.log.tail.decode("latin-1")}
    assert got == dict(parse_qsl(body, keep_blank_values=True, encoding="latin-1"))


@given(st.dictionaries(names.filter(str.isalnum), st.text(max_size=20), max_size=5), logs, anywhere)
def test_a_multipart_form_arrives_as_it_was_sent(fields: dict[str, str], log: bytes | None, cuts: list[int]) -> None:
    sent = [(f'name="{name}"', value.encode(), "") for name, value in fields.items()]
    if log is not None:
        sent.append(('name="log"; filename="run.log"', log, "Content-Type: text/plain\r\nX-Odd: ;\r\n"))
    if any(b"\r\n--xYz" in b"\r\n" + content for _, content, _ in sent):
        return
    report = read(multipart(sent), MULTIPART, cuts=cuts)
    assert report.fields == fields
    assert text_of(report.log) == log


@given(st.binary(max_size=200), anywhere, st.sampled_from(["", "text/plain", "application/octet-stream", "?;;\u2603"]))
def test_a_bare_log_is_taken_byte_for_byte(log: bytes, cuts: list[int], content_type: str) -> None:
    report = read(log, content_type, "text", cuts)
    assert report.fields == {}
    assert text_of(report.log) == log


@pytest.mark.parametrize("content_type", ["", "text/plain"])
def test_a_report_without_a_body_has_no_fields(content_type: str) -> None:
    assert read(b"", content_type) == ReportBody({}, None)
    assert read_report(iter([b""]), content_type, "log", LIMIT) == ReportBody({}, None)


def test_what_curl_sends_is_understood() -> None:
    report = read(b"token=99ee72e2&ts=1369322595&log=asdf%20123", FORM)
    assert report.fields == {"token": "99ee72e2", "ts": "1369322595"}
    assert text_of(report.log) == b"asdf 123"
    boundary = "------------------------f1e4d4b3d5b0f1c2"
    log = ('name="log"; filename="log"', b"a\r\nb\r\n", "Content-Type: text/plain\r\n")
    body = multipart([('name="exit"', b"0", ""), log], boundary)
    report = read(body, f"multipart/form-data; boundary={boundary}")
    assert report.fields == {"exit": "0"}
    assert text_of(report.log) == b"a\r\nb\r\n"


@pytest.mark.parametrize("content_type", [f"{FORM}; charset=UTF-8", FORM.upper(), f" {FORM} ;"])
def test_a_content_type_may_be_written_in_many_ways(content_type: str) -> None:
    assert read(b"ts=1", content_type).fields == {"ts": "1"}


def test_a_boundary_may_be_quoted() -> None:
    body = multipart([('name="ts"', b"1", "")], "x y")
    assert read(body, 'multipart/form-data; boundary="x y"').fields == {"ts": "1"}


def test_the_field_of_the_other_verb_is_an_ordinary_one() -> None:
    report = read(b"text=a&log=b", FORM, "text")
    assert (report.fields, text_of(report.log)) == ({"log": "b"}, b"a")


ONE_PART = multipart([('name="ts"', b"1", "")]).removesuffix(b"--xYz--\r\n")
BAD: list[tuple[str, bytes, str | None, str]] = [
    (FORM, b"host=%ff", "host", "is not UTF-8"),
    (FORM, b"%ff=1", None, "the name of a field is not UTF-8"),
    (FORM, b"ts=1&ts=1", "ts", "is given more than once"),
    (FORM, b"log=1&log=2", "log", "is given more than once"),
    (FORM, b"log&log", "log", "is given more than once"),
    ("multipart/form-data", multipart([]), None, "names no boundary"),
    ("multipart/form-data; boundary=", multipart([]), None, "names no boundary"),
    ("multipart/form-data; boundary=" + "x" * 300, multipart([]), None, "malformed"),
    (MULTIPART, b"", None, "ends before its last boundary"),
    (MULTIPART, multipart([('name="ts"', b"1", "")])[:-4], None, "ends before its last boundary"),
    (MULTIPART, b"ts=1", None, "malformed"),
    (MULTIPART, multipart([('name="ts"', b"1", "no colon\r\n")]), None, "malformed"),
    (MULTIPART, multipart([('filename="log"', b"1", "")]), None, "has no name"),
    (MULTIPART, b"--xYz\r\nContent-Type: text/plain\r\n\r\n1\r\n--xYz--\r\n", None, "has no name"),
    (MULTIPART, ONE_PART + b"--xYz\r\nX: y\r\n\r\n2\r\n--xYz--\r\n", None, "has no name"),
    (MULTIPART, multipart([('name="host"', b"\xff", "")]), "host", "is not UTF-8"),
    (MULTIPART, multipart([('name="ts"', b"1", ""), ('name="ts"', b"1", "")]), "ts", "is given more than once"),
    (MULTIPART, multipart([('name="log"', b"1", ""), ('name="log"', b"1", "")]), "log", "is given more than once"),
    ("text/plain", b"hello", None, "must be of the type application/x-www-form-urlencoded, multipart/form-data"),
    ("", b"hello", None, "must be of the type"),
]


@pytest.mark.parametrize(("content_type", "body", "field", "message"), BAD)
def test_a_body_that_is_wrong_is_told_what_is(content_type: str, body: bytes, field: str | None, message: str) -> None:
    with pytest.raises(BodyError, match=message) as raised:
        read(body, content_type)
    assert (raised.value.field, raised.value.too_large) == (field, False)
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b"token=secret&log=x"),
        (MULTIPART, multipart([('name="token"', b"secret", "")])),
        ("application/json", b'{"token": "secret"}'),
    ],
)
def test_a_token_is_not_shown_with_the_report(content_type: str, body: bytes) -> None:
    report = read(body, content_type)
    assert report.fields["token"] == "secret"
    assert "secret" not in repr(report)
