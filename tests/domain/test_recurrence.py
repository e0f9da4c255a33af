"""When schedules fire: a year of ten expressions in three zones, against what a calendar on paper says.

How the lists were made: by hand, for 2026, from a calendar (it begins on a Thursday) and from when the clocks are
changed there, which the zones' governments announce: Zurich on 29 March and 25 October at 01:00 UTC; New York on 8
March at 07:00 and 1 November at 06:00 UTC; Lord Howe, by half an hour, on 5 April local time (4 April, 15:00 UTC) and
on 4 October local time (3 October, 15:30 UTC). What fires at a time of day fires once a day; if that time is left out,
at the moment of the change; if it comes twice, at its first coming (Debian's cron(8)). What fires every so often
follows the time that passes: a day of 23 hours has 23 full hours.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lackey.domain.dependencies import Dependency
from lackey.domain.recurrence import LATE, Before, CatchUp, Overlap, Overlapping, Rule, check, overlapping, reckon
from lackey.domain.refusals import Invalid

ZONES = ("Europe/Zurich", "America/New_York", "Australia/Lord_Howe")
DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
WORKDAYS = [22, 20, 22, 22, 21, 22, 23, 21, 22, 22, 21, 23]
SUNDAYS = [4, 4, 5, 4, 5, 4, 4, 5, 4, 4, 5, 4]
# How many there are in each month, but for those that fire every so often, where a clock is changed.
MONTHS = {
    "0 2 * * *": DAYS,
    "15 2 * * *": DAYS,
    "30 2 * * *": DAYS,
    "45 1 * * *": DAYS,
    "0 3 * * 0": SUNDAYS,
    "0 8-18/2 * * 1-5": [6 * days for days in WORKDAYS],
    "0 6 31 * *": [1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1],
    "0 9 * * MON#1": [1] * 12,
    "0 * * * *": [24 * days for days in DAYS],
    "*/30 * * * *": [48 * days for days in DAYS],
}
# By zone and expression: in which month how many more.
CHANGED = {
    ("Europe/Zurich", "0 * * * *"): {3: -1, 10: 1},
    ("Europe/Zurich", "*/30 * * * *"): {3: -2, 10: 2},
    ("America/New_York", "0 * * * *"): {3: -1, 11: 1},
    ("America/New_York", "*/30 * * * *"): {3: -2, 11: 2},
    # Two o'clock is left out in October; in April half past one comes twice, and no full hour does.
    ("Australia/Lord_Howe", "0 * * * *"): {10: -1},
    ("Australia/Lord_Howe", "*/30 * * * *"): {4: 1, 10: -1},
}
FIXED = ("45 1 * * *", "0 2 * * *", "15 2 * * *", "30 2 * * *", "0 3 * * 0")
# The local day of each change: when each of these fires, in UTC.
DAYS_OF_CHANGE = {
    ("Europe/Zurich", "2026-03-29"): ("29 00:45", "29 01:00", "29 01:00", "29 01:00", "29 01:00"),
    ("Europe/Zurich", "2026-10-25"): ("24 23:45", "25 00:00", "25 00:15", "25 00:30", "25 02:00"),
    ("America/New_York", "2026-03-08"): ("08 06:45", "08 07:00", "08 07:00", "08 07:00", "08 07:00"),
    ("America/New_York", "2026-11-01"): ("01 05:45", "01 07:00", "01 07:15", "01 07:30", "01 08:00"),
    ("Australia/Lord_Howe", "2026-04-05"): ("04 14:45", "04 15:30", "04 15:45", "04 16:00", "04 16:30"),
    ("Australia/Lord_Howe", "2026-10-04"): ("03 15:15", "03 15:30", "03 15:30", "03 15:30", "03 16:00"),
}
# The days beside it, of what fires at two: the one before, the one after.
BESIDE = {
    ("Europe/Zurich", "2026-03-29"): ("28 01:00", "30 00:00"),
    ("Europe/Zurich", "2026-10-25"): ("24 00:00", "26 01:00"),
    ("America/New_York", "2026-03-08"): ("07 07:00", "09 06:00"),
    ("America/New_York", "2026-11-01"): ("31 06:00", "02 07:00"),
    ("Australia/Lord_Howe", "2026-04-05"): ("03 15:00", "05 15:30"),
    ("Australia/Lord_Howe", "2026-10-04"): ("02 15:30", "04 15:00"),
}


def year_of(cron: str, zone: str) -> list[datetime]:
    """All its firings in 2026, as local times."""
    place = ZoneInfo(zone)
    begin, end = (datetime(year, 1, 1, tzinfo=place).astimezone(UTC) for year in (2026, 2027))
    found = takewhile(lambda at: at < end, Rule(cron, zone).firings(begin - timedelta(microseconds=1)))
    return [at.astimezone(place) for at in found]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", MONTHS)
def test_a_year_has_as_many_firings_in_each_month_as_the_calendar_says(cron: str, zone: str) -> None:
    counted = Counter(at.month for at in year_of(cron, zone))
    more = CHANGED.get((zone, cron), {})
    assert [counted[month] for month in range(1, 13)] == [
        days + more.get(month, 0) for month, days in enumerate(MONTHS[cron], 1)
    ]


def fired(cron: str, zone: str, date: str) -> list[str]:
    """Its firings on a local day, in UTC."""
    return [f"{at.astimezone(UTC):%d %H:%M}" for at in year_of(cron, zone) if f"{at:%F}" == date]


@pytest.mark.parametrize(("zone", "date"), DAYS_OF_CHANGE)
def test_on_the_day_on_which_the_clocks_are_changed_each_fires_once_and_when_it_should(zone: str, date: str) -> None:
    for cron, at in zip(FIXED, DAYS_OF_CHANGE[zone, date], strict=True):
        assert fired(cron, zone, date) == [at], cron
    beside = [f"{datetime.fromisoformat(date) + timedelta(days=days):%F}" for days in (-1, 1)]
    assert tuple(fired("0 2 * * *", zone, day)[0] for day in beside) == BESIDE[zone, date]


_CRONS = st.sampled_from([*MONTHS, "30 1,2 * * *", "0,30 1-3 * * *", "* 2 * * *"])
# Some days around each change, to the second.
_MOMENTS = st.builds(
    lambda at, seconds: at + timedelta(seconds=seconds),
    st.sampled_from([datetime.fromisoformat(date).replace(tzinfo=UTC) for _, date in DAYS_OF_CHANGE]),
    st.integers(-2 * 86400, 2 * 86400),
)


@pytest.mark.parametrize(
    ("zone", "asked", "firing"),
    [
        ("Europe/Zurich", "2026-10-25T01:15:00Z", "2026-10-26T01:30:00Z"),
        ("America/New_York", "2026-11-01T06:15:00Z", "2026-11-02T06:30:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:02:00Z", "2026-04-05T15:00:00Z"),
    ],
)
def test_what_has_fired_in_an_hour_does_not_fire_when_that_hour_comes_again(zone: str, asked: str, firing: str) -> None:
    hour = 2 if zone == "Europe/Zurich" else 1
    assert Rule(f"30 {hour} * * *", zone).next(datetime.fromisoformat(asked)) == datetime.fromisoformat(firing)


@given(_CRONS, st.sampled_from(ZONES), _MOMENTS, st.integers(0, 3 * 86400))
def test_from_whatever_moment_it_is_asked_the_firings_are_the_same(
    cron: str, zone: str, since: datetime, seconds: int
) -> None:
    rule, until = Rule(cron, zone), since + timedelta(seconds=seconds)
    expected = [at for at in takewhile(lambda at: at <= until, rule.firings(since - timedelta(days=9))) if at > since]
    assert list(takewhile(lambda at: at <= until, rule.firings(since))) == expected
    assert rule.latest(since, until) == (expected[-1] if expected else None)
    assert rule.count(since, until, 10) == min(10, len(expected))


@given(_CRONS, st.sampled_from(ZONES), _MOMENTS, st.integers(0, 86400), st.sampled_from(["latest", "none"]))
def test_of_those_that_are_due_each_is_dealt_with_and_one_makes_a_run_at_most(
    cron: str, zone: str, since: datetime, seconds: int, catch_up: CatchUp
) -> None:
    rule = Rule(cron, zone)
    due = rule.next(since)
    assert due is not None
    now = due + timedelta(seconds=seconds)
    all_due = [due, *takewhile(lambda at: at <= now, rule.firings(due))]
    found = reckon(rule, due, now, catch_up)
    assert found.missed + (found.fires is not None) == len(all_due)
    assert (found.passed_at, found.next_at) == (all_due[-1], rule.next(all_due[-1]))
    assert found.is_late == (now - all_due[-1] > LATE and catch_up == "latest")
    assert found.fires == (None if now - all_due[-1] > LATE and catch_up == "none" else all_due[-1])
    let_go = [at for at in all_due if at != found.fires]
    assert (found.first_missed, found.last_missed) == ((let_go[0], let_go[-1]) if let_go else (None, None))


NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 0 30 2 *", "never fires: there is no such day"),
        ("0 0 31 4,6,9,11 *", "never fires: there is no such day"),
        ("0 2 * *", "should have five fields"),
        ("0 0 2 * * *", "should have five fields"),
        ("@daily", "is written `0 0 * * *` here"),
        ("61 * * * *", "has a minute that can't be read"),
        ("0 0 32 * *", "has a day of month that can't be read"),
        ("0 2 * * <script>", "has a day of week that can't be read"),
        ("é * * * *", "has a minute that can't be read"),
        ("٣ * * * *", "has a minute that can't be read"),
    ],
)
def test_what_is_wrong_with_an_expression_is_said(cron: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(Rule(cron, "UTC"), NOW)
    (error,) = refused.value.errors
    assert (error.field, error.message[: len(said)]) == ("cron", said)


@pytest.mark.parametrize(
    ("zone", "meant"),
    [
        ("Europe/Zürich", "Europe/Zurich"),
        ("europe/zurich", "Europe/Zurich"),
        ("New York", "America/New_York"),
        ("localtime", "one"),
        ("posix/UTC", "one"),
        ("../../etc/passwd", "UTC"),
        ("/etc/localtime", "one"),
        ("Europe", "one"),
        ("", "UTC"),
    ],
)
def test_a_zone_that_is_none_is_refused_and_one_that_may_be_meant_is_named(zone: str, meant: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(Rule("0 2 * * *", zone), NOW)
    (error,) = refused.value.errors
    assert error.field == "timezone" and meant in error.message


def test_what_comes_once_in_four_years_is_no_mistake() -> None:
    check(Rule("0 0 29 2 *", "Europe/Zurich"), NOW)
    assert Rule("0 0 29 2 *", "UTC").next(NOW) == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("overlap", "before", "decided"),
    [
        ("skip", Before(), Overlapping()),
        ("skip", Before(7), Overlapping()),
        ("skip", Before(7, is_open=True), Overlapping(skipped="run 7, the one before, has not ended")),
        ("queue", Before(7), Overlapping()),
        ("queue", Before(7, is_open=True), Overlapping(after=Dependency(7, "ended"))),
        ("queue", Before(7, True, waits=True), Overlapping(skipped="run 7 waits already for the one before")),
        ("allow", Before(7, is_open=True, waits=True), Overlapping()),
        ("skip", Before(7, sweep_id=3), Overlapping(skipped="sweep 3, the one before, has not ended")),
        ("queue", Before(7, sweep_id=3), Overlapping(after=Dependency(3, "ended", "sweep"))),
        ("queue", Before(waits=True, sweep_id=3), Overlapping(skipped="sweep 3 waits already for the one before")),
        ("allow", Before(waits=True, sweep_id=3), Overlapping()),
    ],
)
def test_what_a_firing_comes_to_while_the_run_before_is_under_way(
    overlap: Overlap, before: Before, decided: Overlapping
) -> None:
    assert overlapping(overlap, before) == decided
