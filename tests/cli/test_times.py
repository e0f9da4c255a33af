"""Times as people type them, and as they are shown."""

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from lackey.cli import show
from lackey.cli.times import Unclear, read_time


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine stands in Berlin."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


NOW = datetime.fromisoformat("2026-11-30T16:30:00+01:00")


def understood(text: str, now: datetime = NOW) -> str:
    """What is sent for a time."""
    found = read_time(text, now)
    assert found is not None
    return found.at


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("18:00", "2026-11-30T18:00:00+01:00"),
        ("16:30", "2026-12-01T16:30:00+01:00"),
        ("9:00", "2026-12-01T09:00:00+01:00"),
        ("16:30:01", "2026-11-30T16:30:01+01:00"),
        ("today 18:00", "2026-11-30T18:00:00+01:00"),
        ("tomorrow 9:00", "2026-12-01T09:00:00+01:00"),
        ("Tomorrow  18:00", "2026-12-01T18:00:00+01:00"),
        ("+2h", "2026-11-30T18:30:00+01:00"),
        ("+90s", "2026-11-30T16:31:30+01:00"),
        ("+1h30min", "2026-11-30T18:00:00+01:00"),
        ("+1h 30 m", "2026-11-30T18:00:00+01:00"),
        ("+00:10:00", "2026-11-30T16:40:00+01:00"),
        ("+0.5d", "2026-12-01T04:30:00+01:00"),
        ("2030-07-31 18:00", "2030-07-31T18:00:00+02:00"),
        ("2030-01-31T18:00:05", "2030-01-31T18:00:05+01:00"),
        ("2030-01-31T18:00:00Z", "2030-01-31T18:00:00+00:00"),
        ("2030-01-31t18:00-05:00", "2030-01-31T18:00:00-05:00"),
        ("2030-01-31T18:00:00.25Z", "2030-01-31T18:00:00.250000+00:00"),
    ],
)
def test_a_time_is_taken_as_people_say_it(text: str, at: str) -> None:
    assert understood(text) == at


@pytest.mark.usefixtures("berlin")
def test_what_was_understood_is_said_with_its_zone() -> None:
    words = [getattr(read_time(text, NOW), "in_words", None) for text in ("18:00", "2030-01-31T18:00Z", "+8760h")]
    assert words == [
        "2026-11-30 18:00:00 CET (UTC+01:00)",
        "2030-01-31 18:00:00 UTC",
        "2027-11-30 16:30:00 CET (UTC+01:00)",
    ]
    assert read_time("now", NOW) is None


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    "text",
    ["today 9:00", "2026-11-30 16:29", "2020-01-01T00:00:00Z", "2026-11-30T16:30:00+01:00", "+0s"],
)
def test_what_has_passed_is_refused(text: str) -> None:
    with pytest.raises(Unclear, match="which has passed"):
        read_time(text, NOW)


@pytest.mark.parametrize(
    "text",
    [
        *("+60", "60", "2030", "1e9", "202612010800", "1369312595", "-1h", "+2", "+2w", "+", "1.5", "+1h-5m"),
        *("24:00", "18:60", "18", "6pm", "18:00 Z", "25:00", "noon", "", "monday 9:00", "yesterday 9:00"),
        *("2030-01-31", "2030-13-01 00:00", "2030-02-30 18:00", "31.01.2030 18:00", "2030-1-31 18:00"),
        *("* * * * *", "@daily", "+999999999d", "9999-12-31T23:59:59-23:00x", "2030-01-31T18:00+99:00"),
        *("١٨:٠٠", "18:00:61", "tomorrow"),
    ],
)
def test_what_is_not_surely_meant_is_refused_with_a_word_on_what_to_write(text: str) -> None:
    with pytest.raises(Unclear, match=r"no calendar has such a time|tomorrow 9:00"):
        read_time(text, NOW)


@pytest.mark.usefixtures("berlin")
def test_a_local_time_that_never_comes_or_comes_twice_is_refused() -> None:
    with pytest.raises(Unclear, match="does not exist"):
        read_time("2027-03-28 02:30", NOW)
    with pytest.raises(Unclear, match=r"comes twice.*2027-10-31T02:30:00\+02:00 or 2027-10-31T02:30:00\+01:00"):
        read_time("2027-10-31 02:30", NOW)
    before_the_change = datetime.fromisoformat("2027-03-27T12:00:00+01:00")
    with pytest.raises(Unclear, match="does not exist on 2027-03-28"):
        read_time("2:30", before_the_change)
    assert understood("+24h", before_the_change) == "2027-03-28T13:00:00+02:00"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.04, "0.0 s"), (12.34, "12.3 s"), (59.0, "59 s"), (302.0, "5 min 02 s"), (12000.0, "3 h 20 min")],
)
def test_a_duration_is_shown_in_words(seconds: float | None, words: str) -> None:
    assert show.span(seconds) == words


def test_days_are_shown_with_hours_and_roughly_without() -> None:
    assert show.span(90_000.0) == "1 d 01 h"
    assert show.span(90_000.0, rough=True) == "1 d"


@pytest.mark.parametrize(("count", "words"), [(None, ""), (8, "8 bytes"), (1536, "1.5 KiB"), (2**41, "2.0 TiB")])
def test_sizes_are_shown_in_words(count: int | None, words: str) -> None:
    assert show.size(count) == words
