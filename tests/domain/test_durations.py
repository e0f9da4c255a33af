"""Durations as people write them."""

import pytest

from lackey.domain import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("90s", 90), ("90 sec", 90), ("5m", 300), ("5min", 300), ("1h30m", 5400), ("1H 30M", 5400), ("2d", 172800)),
        *(("1d12h", 129600), ("1.5h", 5400), (" 60 ", 60), ("0.25", 0.25), ("1e3", 1000), ("00:10:00", 600)),
        *(("36:00:00", 129600), ("1-12:00:00", 129600), ("0:00:00.5", 0.5), ("0", 0)),
    ],
)
def test_a_duration_is_taken_as_people_write_it(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "s", "h1", "1:30", "10:60:00", "1h1h", "30m1h", "1h30", "-5s", "+5s", "1,5h", "2w", "1 2", "1y", "5sm"),
        *("nan", "inf", "1e400", "١s", "90s\n90s", "1" * 400, "1h" * 400),
    ],
)
def test_what_may_mean_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="should be a duration such as 90s, 1h30m"):
        durations.parse(text)
