"""How much of a report is read, and how much of it is held."""

import json
import tracemalloc
from collections.abc import Iterator
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lackey.web.bodies import BodyError, LogSink, read_report

MIB = 1 << 20
LINES = (b"residual" * 127 + b" 1e-05\n") * 64  # 64 KiB
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xYz"
JSON = "application/json"
PART = b'--xYz\r\nContent-Disposition: form-data; name="%b"\r\n\r\n'

# Content type, what goes before the log, its lines as they are sent, and what comes after.
ENCODINGS = [
    pytest.param(FORM, b"exit=0&log=", quote_plus(LINES).encode(), b"&ts=1", id="form"),
    pytest.param(MULTIPART, PART % b"exit" + b"0\r\n" + PART % b"log", LINES, b"\r\n--xYz--\r\n", id="multipart"),
    pytest.param(JSON, b'{"exit": "0", "log": "', json.dumps(LINES.decode())[1:-1].encode(), b'"}', id="JSON"),
]


def sending(before: bytes, lines: bytes, times: int, after: bytes) -> Iterator[bytes]:
    yield before
    for _ in range(times):
        yield lines
    yield after


@pytest.mark.parametrize(("content_type", "before", "lines", "after"), ENCODINGS)
def test_200_mb_of_log_are_read_in_little_memory(content_type: str, before: bytes, lines: bytes, after: bytes) -> None:
    times = 200_000_000 // len(LINES)
    tracemalloc.start()
    try:
        report = read_report(sending(before, lines, times, after), content_type, "log", 10 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB
    assert report.fields["exit"] == "0"
    assert report.log
    assert report.log.size == times * len(LINES)
    assert report.log.head == (LINES * 100)[: 5 * MIB]
    assert report.log.tail == (LINES * 100)[-5 * MIB :]


def test_200_mb_of_bare_log_are_read_in_little_memory() -> None:
    tracemalloc.start()
    try:
        report = read_report(sending(b"", LINES, 3000, b"end"), "", "text", 10 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB
    assert report.log
    assert report.log.size == 3000 * len(LINES) + 3
    assert report.log.tail.endswith(b"end")


@pytest.mark.parametrize(("content_type", "before", "lines", "after"), ENCODINGS)
def test_a_body_past_its_limit_is_too_large_and_not_read_to_its_end(
    content_type: str, before: bytes, lines: bytes, after: bytes
) -> None:
    chunks = sending(before, lines, 10000, after)
    with pytest.raises(BodyError, match="larger than 4194304 bytes") as raised:
        read_report(chunks, content_type, "log", 1000, limit_bytes=4 * MIB)
    assert raised.value.too_large
    assert sum(1 for _ in chunks) > 9000


@pytest.mark.parametrize(("content_type", "before", "lines", "after"), ENCODINGS)
def test_a_body_of_just_its_limit_is_read(content_type: str, before: bytes, lines: bytes, after: bytes) -> None:
    limit_bytes = sum(map(len, sending(before, lines, 3, after)))
    assert read_report(sending(before, lines, 3, after), content_type, "log", 1000, limit_bytes=limit_bytes).log
    with pytest.raises(BodyError) as raised:
        read_report(sending(before, lines, 3, after), content_type, "log", 1000, limit_bytes=limit_bytes - 1)
    assert raised.value.too_large


@pytest.mark.parametrize(
    ("content_type", "before", "after"),
    [
        (FORM, b"host=", b""),
        (FORM, b"", b""),
        (FORM, b"log=a&host=", b""),
        (MULTIPART, PART % b"host", b"\r\n--xYz--\r\n"),
        (MULTIPART, PART % b"log" + b"a\r\n" + PART % b"host", b"\r\n--xYz--\r\n"),
        (JSON, b'{"host": "', b'"}'),
        (JSON, b'{"log": "a", "host": "', b'"}'),
        (JSON, b'{"host": {"log": "', b'"}}'),
        (JSON, b'["log", "', b'"]'),
        (JSON, b"{", b"}"),
    ],
)
def test_more_than_a_mib_beside_the_log_is_too_large(content_type: str, before: bytes, after: bytes) -> None:
    chunks = sending(before, b" " * 65536, 10000, after)
    with pytest.raises(BodyError, match="more than 1 MiB beside the field 'log'") as raised:
        read_report(chunks, content_type, "log", 1000)
    assert raised.value.too_large
    assert sum(1 for _ in chunks) > 9900


@pytest.mark.parametrize(
    ("content_type", "before", "after"),
    [(FORM, b"host=", b""), (MULTIPART, PART % b"host", b"\r\n--xYz--\r\n"), (JSON, b'{"host": "', b'"}')],
)
def test_nearly_a_mib_beside_the_log_is_read(content_type: str, before: bytes, after: bytes) -> None:
    report = read_report(sending(before, b"x" * 65536, 15, after), content_type, "log", 1000)
    assert report.fields == {"host": "x" * 65536 * 15}


@given(st.integers(0, 40), st.lists(st.binary(max_size=20), max_size=10))
def test_a_sink_keeps_the_two_ends_of_a_log_at_their_places(limit: int, written: list[bytes]) -> None:
    sink = LogSink(limit)
    for piece in written:
        sink.write(piece)
    log = b"".join(written)
    kept = sink.kept()
    assert kept.size == len(log)
    assert len(kept.head) + len(kept.tail) == min(limit, len(log))
    assert log.startswith(kept.head)
    assert log[kept.size - len(kept.tail) :] == kept.tail
    assert len(kept.head) == min(limit // 2, len(log))


def test_a_sink_keeps_the_very_end_of_a_long_log() -> None:
    sink = LogSink(10)
    for number in range(1_000_000):
        sink.write(b"%06d" % number)
    kept = sink.kept()
    assert (kept.head, kept.tail, kept.size) == (b"00000", b"99999", 6_000_000)
