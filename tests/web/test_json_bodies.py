"""JSON reports: `json.loads` says what is right, however the body is cut and whatever the log holds."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lackey.web.bodies import BodyError, KeptBytes, ReportBody, read_report

LIMIT = 1 << 20


def read(body: bytes, cuts: list[int] | None = None) -> ReportBody:
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts or [])})
    chunks = (body[start:end] for start, end in zip(places, places[1:], strict=False))
    return read_report(chunks, "application/json", "log", LIMIT)


def text_of(log: KeptBytes | None) -> bytes | None:
    return None if log is None else log.head + log.tail


def byte_by_byte(body: bytes) -> ReportBody:
    return read(body, list(range(len(body))))


anywhere = st.lists(st.integers(0, 1 << 16), max_size=20)
awkward = st.lists(st.sampled_from(["log", '"', "\\", "\n", "{", "}", ":", ",", "\u20ac"])).map("".join)
text = st.text(max_size=20) | awkward
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("log") | text, inner, max_size=3),
    max_leaves=10,
)
fields_without_log = st.dictionaries(text.filter(lambda name: name != "log"), values, max_size=5)
# Halves of pairs among them: json.dumps writes what is in a str, and a str may hold them.
letters = st.characters(exclude_categories=()) | st.sampled_from(["\ud83d", "\ude00", "\\", "u", "\n"])
any_text = st.text(letters, max_size=40)
layouts = st.sampled_from([None, 1]) | st.just("\t")


@given(fields_without_log, st.none() | any_text, st.randoms(), layouts, anywhere)
def test_a_report_is_read_as_json_reads_it(
    fields: dict[str, Any], log: str | None, random: Any, layout: int | str | None, cuts: list[int]
) -> None:
    items = list(fields.items()) + ([] if log is None else [("log", log)])
    random.shuffle(items)
    body = json.dumps(dict(items), indent=layout).encode()
    expected = json.loads(body)
    log_text = expected.pop("log", None)
    report = read(body, cuts)
    assert report.fields == expected
    assert text_of(report.log) == (None if log_text is None else log_text.encode("utf-8", "surrogatepass"))


@given(fields_without_log, st.text(max_size=40), anywhere)
def test_a_report_in_plain_utf8_is_read_as_json_reads_it(fields: dict[str, Any], log: str, cuts: list[int]) -> None:
    report = read(json.dumps(fields | {"log": log}, ensure_ascii=False).encode(), cuts)
    assert report.fields == fields
    assert text_of(report.log) == log.encode()


@given(st.lists(st.sampled_from(list('{}[]",:\\ul"log"0 ')), max_size=40).map("".join), anywhere)
def test_what_json_refuses_is_refused_and_what_it_takes_is_taken(body: str, cuts: list[int]) -> None:
    try:
        expected = json.loads(body)
    except ValueError:
        expected = None
    try:
        report = read(body.encode(), cuts)
    except BodyError as error:
        assert not isinstance(expected, dict) or "more than once" in str(error) or error.field == "log"
        return
    if expected is not None:  # else it has a log with an escape that JSON does not know
        log = expected.pop("log", None)
        assert (report.fields, text_of(report.log)) == (expected, None if log is None else log.encode())
    else:
        assert report.log


@given(any_text)
def test_a_long_text_of_nothing_but_escapes_is_the_same_when_read_at_once(log: str) -> None:
    long = (log + "\U0001f600") * 400
    body = b'{"log": "' + b"".join(b"\\u%04x" % unit for unit in utf16_units(long)) + b'"}'
    assert text_of(read(body).log) == json.loads(body)["log"].encode("utf-8", "surrogatepass")


def utf16_units(string: str) -> list[int]:
    encoded = string.encode("utf-16-le", "surrogatepass")
    return [int.from_bytes(encoded[place : place + 2], "little") for place in range(0, len(encoded), 2)]


@pytest.mark.parametrize("offset", range(4))
def test_no_pair_of_surrogates_is_torn_in_a_long_run_of_them(offset: int) -> None:
    body = b'{"log": "' + b"\\u0041" * offset + b"\\ud83d\\ude00" * 3000 + b'"}'
    assert text_of(read(body).log) == b"A" * offset + "\U0001f600".encode() * 3000


def test_only_the_log_at_the_top_is_the_log() -> None:
    report = read(b'{"metrics": [{"log": "a"}, "log"], "x": {"log": "b"}, "y": "log", "z": ["log", "c"]}')
    assert report.log is None
    assert report.fields["x"] == {"log": "b"}


def test_the_name_of_the_log_may_be_written_with_escapes() -> None:
    report = byte_by_byte(rb'{"l\u006fg" : "hello"}')
    assert (report.fields, text_of(report.log)) == ({}, b"hello")


def test_an_empty_log_is_a_log_and_null_is_none() -> None:
    assert text_of(read(b'{"log": ""}').log) == b""
    assert read(b'{"log": null, "ts": 1}') == ReportBody({"ts": 1}, None)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"\xff\xfe", b"\xff\xfe"),
        (b"one\ntwo\t\x00\x1b[0m", b"one\ntwo\t\x00\x1b[0m"),
        (rb"C:\data\x\n", b"C:\\data\\x\n"),
        (rb"\u12g4\u\u1", rb"\u12g4\u\u1"),
        (rb"\ud83d", b"\xed\xa0\xbd"),
        (rb"\ude00\ud83d\"", b'\xed\xb8\x80\xed\xa0\xbd"'),
    ],
)
def test_no_outcome_is_refused_for_a_log_that_is_not_quite_json(sent: bytes, kept: bytes) -> None:
    body = b'{"exit": 1, "log": "' + sent + b'"}'
    for report in (read(body), byte_by_byte(body)):
        assert (report.fields, text_of(report.log)) == ({"exit": 1}, kept)


def test_numbers_stay_numbers_and_those_that_are_none_are_left_to_be_refused() -> None:
    fields = read(b'{"a": 1, "b": 1.5, "c": 1e400, "d": NaN, "e": -Infinity, "f": ' + b"9" * 10000 + b"}").fields
    assert (fields["a"], fields["b"]) == (1, 1.5)
    assert type(fields["a"]) is int
    assert math.isnan(fields["d"])
    assert (fields["c"], fields["e"], fields["f"]) == (math.inf, -math.inf, math.inf)


def test_a_byte_order_mark_does_no_harm() -> None:
    report = byte_by_byte(b'\xef\xbb\xbf{"ts": 1, "log": "x"}')
    assert (report.fields, text_of(report.log)) == ({"ts": 1}, b"x")


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (b"", None, "this is not JSON"),
        (b"ts=1", None, "this is not JSON"),
        (b'{"ts": 1', None, "this is not JSON"),
        (b'{"ts": 1} x', None, "this is not JSON: Extra data"),
        (b'{"log": "x', None, "this is not JSON: Unterminated string"),
        (b'{"log": "x\\', None, "this is not JSON: Unterminated string"),
        (b'{"log" "x"}', None, "this is not JSON"),
        (b'{"host": "a\nb"}', None, "this is not JSON"),
        (b'{"host": "\\x"}', None, "this is not JSON"),
        (b'["log"]', None, "must be an object"),
        (b'"log"', None, "must be an object"),
        (b"1", None, "must be an object"),
        (b'{"host": "\xff"}', None, "is not UTF-8"),
        (b'{"\xff": "x"}', None, "is not UTF-8"),
        ('{"ts": 1}'.encode("utf-16"), None, "is not UTF-8"),
        ('{"ts": 1}'.encode("utf-16-le"), None, "this is not JSON"),
        (b'{"host": "\\ud83d"}', None, "half of a surrogate pair"),
        (b'{"a": [["\\ud83d"]]}', None, "half of a surrogate pair"),
        (b'{"ts": 1, "ts": 1}', "ts", "is given more than once"),
        (b'{"log": "a", "log": "b"}', "log", "is given more than once"),
        (b'{"log": "a", "log": 1}', "log", "is given more than once"),
        (b'{"log": 17}', "log", "must be a string"),
        (b'{"log": false}', "log", "must be a string"),
        (b'{"log": ["a"]}', "log", "must be a string"),
        (b'{"a": ' + b"[" * 500000 + b"]" * 500000 + b"}", None, "nested too deeply"),
        (b'{"a": ' * 100000, None, "nested too deeply"),
    ],
)
def test_a_body_that_is_wrong_is_told_what_is(body: bytes, field: str | None, message: str) -> None:
    for cuts in ([], list(range(0, len(body), max(1, len(body) // 50)))):
        with pytest.raises(BodyError, match=message) as raised:
            read(body, cuts)
        assert (raised.value.field, raised.value.too_large) == (field, False)
