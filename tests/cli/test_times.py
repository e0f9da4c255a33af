"""Times as people type them, and as they are shown."""

import time
from collections.abc import Iterator

import pytest

from lackey.cli import show
from lackey.cli.times import read_time


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine stands in Berlin."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_a_local_time_is_sent_with_its_offset_and_says_its_zone() -> None:
    assert read_time("2026-01-31 18:00") == ("2026-01-31T18:00:00+01:00", "2026-01-31 18:00:00 CET (UTC+01:00)")
    assert read_time("2026-07-31T18:00:05")[0] == "2026-07-31T18:00:05+02:00"


@pytest.mark.usefixtures("berlin")
def test_a_local_time_that_never_comes_or_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="does not exist"):
        read_time("2026-03-29 02:30")
    with pytest.raises(ValueError, match=r"comes twice.*2026-10-25T02:30:00\+02:00"):
        read_time("2026-10-25 02:30")


@pytest.mark.parametrize("text", ["1369312595", "1369312595.25", "2013-05-23T12:36:35Z", "now", "* * * * *"])
def test_what_has_its_zone_already_is_left_to_the_service(text: str) -> None:
    assert read_time(text) == (text, None)


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
