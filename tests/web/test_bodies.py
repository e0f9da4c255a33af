"""Every way to send a report, cut into pieces at every place where a network may cut it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lackey.web.bodies import BodyError, KeptBytes, ReportBody, read_report

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xYz"
LIMIT = 1 << 20


def pieces(body: bytes, cuts: list[int]) -> Iterator[bytes]:
    """`body`, cut at the given places (modulo its length), in order."""
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    return (body[start:end] for start, end in zip(places, places[1:], strict=False))


def read(body: bytes, content_type: str, log_field: str = "log", cuts: list[int] | None = None) -> ReportBody:
    return read_report(pieces(body, cuts or []), content_type, log_field, LIMIT)


def text_of(log: KeptBytes | None) -> bytes | None:
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


KNOWN = frozenset({"token", "ts", "exit", "host"})


def report_of(body: bytes, content_type: str, cuts: list[int]) -> ReportBody:
    return read_report(pieces(body, cuts), content_type, "log", LIMIT, known=KNOWN)


raw_logs = st.lists(
    st.sampled_from([b"&", b"=", b"\n", b" ", b"a", b"b=", b"+", b"ex", b"&&", b"exi", b"t"]), max_size=12
)


@given(raw_logs.map(b"".join), anywhere, st.booleans())
@example(b"a & b=c&d", [5, 6], True)
@example(b"\n&", [], True)
@example(b"\n&exi", [4], False)
def test_a_log_that_was_not_encoded_is_kept_whole_and_the_outcome_stands(
    log: bytes, cuts: list[int], last: bool
) -> None:
    log = b"\n" + log.replace(b"&exit", b"")  # else it says how it ended
    if log.endswith(b"&"):
        log += b"."
    body = b"exit=3&log=" + log if last else b"log=" + log + b"&exit=3&ts=1"
    report = report_of(body, FORM, cuts)
    assert report.fields == {"exit": "3"} | ({} if last else {"ts": "1"})
    assert text_of(report.log) == log.replace(b"+", b" ")


@given(
    st.lists(st.sampled_from([b"x=1", b"x", b"", b"%ff=%ff", b"percent=50", b"exit2=4", b"=5"]), max_size=6), anywhere
)
def test_fields_that_nobody_knows_pass_by_wherever_they_stand(others: list[bytes], cuts: list[int]) -> None:
    for fields in ([*others, b"exit=3", b"log=a%26b", *others], [b"log=a%26b", *others, b"%65xit=3"]):
        report = report_of(b"&".join(fields), FORM, cuts)
        assert (report.fields, text_of(report.log)) == ({"exit": "3"}, b"a&b")
        assert not report.odd.faults


@pytest.mark.parametrize("size", [0, 3 * LIMIT])
@pytest.mark.parametrize("cuts", [[], list(range(0, 3 * LIMIT, 1 << 16))])
def test_a_field_that_nobody_knows_may_be_of_any_length(size: int, cuts: list[int]) -> None:
    long = b"x" * size
    log, odd, exit_code = ('name="log"', b"a", ""), ('name="mood"', long, ""), ('name="exit"', b"3", "")
    for content_type, body in (
        (FORM, b"mood=" + long + b"&log=a&exit=3"),
        (FORM, b"log=a&exit=3&" + long),
        (FORM, b"log=a&" + long + b"&exit=3"),
        (MULTIPART, multipart([odd, log, exit_code])),
        ("application/json", b'{"mood": "' + long + b'", "log": "a", "exit": "3"}'),
        ("application/json", b'{"a": {"b": ["}", "\\\\\\"' + long + b'"]}, "exit": "3", "log": "a"}'),
    ):
        report = report_of(body, content_type, cuts)
        assert (report.fields.get("exit"), text_of(report.log)) == ("3", b"a"), (content_type, body[:20])


def test_what_is_known_and_far_too_long_is_cut() -> None:
    long = b"x" * (3 * LIMIT)
    for content_type, body in (
        (FORM, b"host=" + long + b"&exit=3"),
        (MULTIPART, multipart([('name="host"', long, ""), ('name="exit"', b"3", "")])),
        ("application/json", b'{"host": "' + long + b'", "exit": "3"}'),
    ):
        report = report_of(body, content_type, list(range(0, 3 * LIMIT, 1 << 16)))
        assert report.fields["exit"] == "3"
        assert len(report.fields["host"]) <= 1 << 16


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


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b"log=a&log=b"),
        (FORM, b"log=a&ts=1&log=b&ts=1"),
        (MULTIPART, multipart([('name="log"', b"a", ""), ('name="log"', b"b", "")])),
        ("application/json", b'{"log": "a", "log": "b"}'),
        ("application/json", b'{"log": ["ab"]}'),
    ],
)
def test_several_logs_are_joined(content_type: str, body: bytes) -> None:
    for cuts in ([], list(range(len(body)))):
        assert text_of(report_of(body, content_type, cuts).log) == b"ab"


@pytest.mark.parametrize("end", [b"", b"\r\n--xY", b"\r\n--xYz", b"\r\n--xYz?", b"\r\n--xYz\r\nNo colon\r\n\r\n"])
def test_what_a_multipart_body_held_before_it_broke_off_stands(end: bytes) -> None:
    whole = multipart([('name="exit"', b"3", "")]).removesuffix(b"--xYz--\r\n")
    report = report_of(whole + PART_OF_LOG + end, MULTIPART, [])
    assert report.fields == {"exit": "3"}
    assert (text_of(report.log) or b"").startswith(b"last words")
    assert report.odd.faults
    cut = multipart([('name="exit"', b"13", "")])[: -len(b"3\r\n--xYz--\r\n")]
    assert report_of(cut, MULTIPART, []).fields == {}


PART_OF_LOG = b'--xYz\r\nContent-Disposition: form-data; name="log"\r\n\r\nlast words'
ONE_PART = multipart([('name="ts"', b"1", "")]).removesuffix(b"--xYz--\r\n")
BAD: list[tuple[str, bytes, str | None, str]] = [
    (FORM, b"host=%ff", "host", "is not UTF-8"),
    (FORM, b"%ff=1", None, "the name of a field is not UTF-8"),
    (FORM, b"ts=1&ts=1", "ts", "is given more than once"),
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
    ("text/plain", b"hello", None, "this one is text/plain"),
    ("", b"hello", None, "must be a form"),
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
