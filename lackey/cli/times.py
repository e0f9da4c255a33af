"""Times as people type them. Few forms, each of one meaning; the others are refused, with what to write."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from lackey.domain import durations

EXAMPLES = '18:00, "tomorrow 9:00", +2h, "2030-01-31 18:00" or 2030-01-31T18:00:00+01:00'

_CLOCK = re.compile(r"(?:(today|tomorrow)[ ]+)?([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?", re.IGNORECASE)
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2})?")
# RFC 3339, section 5.6; seconds may be left out.
_ZONED = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_BARE = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")


class Unclear(ValueError):
    """It is no time, or more than one, or has passed; says so in a sentence."""


@dataclass(frozen=True)
class Understood:
    """A time as the API takes it, and in words, with the zone that it is in."""

    at: str
    in_words: str


def read_time(text: str, now: datetime) -> Understood | None:
    """The moment that `text` means at `now` (aware); None for `now`.

    `18:00` is the next one, `today 18:00`, `tomorrow 9:00`, `2030-01-31 18:00` are in the zone of this machine; `+2h`,
    `+90s`, `+1h30m`, `+00:10:00`, `+2d` (of 24 hours) count from now; RFC 3339 has an offset. Raises Unclear for
    anything else, for what has passed, and for a local time that comes twice, or never, because the clocks are changed.
    """
    text = " ".join(text.split())
    if text == "now":
        return None
    try:
        at = _moment(text, now)
        if at <= now:
            raise Unclear(f"{text} is {_words(at)}, which has passed; to run at once: lackey run now")
        return Understood(_rfc3339(at), _words(at))
    except Unclear:
        raise
    except (ValueError, OverflowError) as error:
        raise Unclear(f"no calendar has such a time: {text}") from error


def _moment(text: str, now: datetime) -> datetime:
    if found := _CLOCK.fullmatch(text):
        return _by_the_clock(text, found, now)
    if text.startswith("+") and not _BARE.fullmatch(text):
        return (now + timedelta(seconds=_from_now(text))).astimezone()
    if _LOCAL.fullmatch(text):
        return _local(datetime.fromisoformat(text.upper()), text)
    if found := _ZONED.fullmatch(text):
        day, seconds_typed, offset = found.groups()
        return datetime.fromisoformat(f"{day}{seconds_typed or ':00'}{offset}".upper())
    raise Unclear(_unknown(text))


def _from_now(text: str) -> float:
    try:
        return durations.parse(text[1:])
    except ValueError:
        raise Unclear(_unknown(text)) from None


def _by_the_clock(text: str, found: re.Match[str], now: datetime) -> datetime:
    """`18:00`, and the same with a day before it."""
    day, *clock = found.groups(default="0")
    hour, minute, second = map(int, clock)
    today = now.astimezone().replace(tzinfo=None)
    naive = today.replace(hour=hour, minute=minute, second=second, microsecond=0)
    if day.lower() == "tomorrow" or (day == "0" and naive <= today):
        naive += timedelta(days=1)
    return _local(naive, text)


def _local(naive: datetime, text: str) -> datetime:
    at, later = naive.replace(fold=0).astimezone(), naive.replace(fold=1).astimezone()
    if at.replace(tzinfo=None) != naive:
        raise Unclear(f"{text} does not exist on {naive:%Y-%m-%d} in {at.tzname()}: the clock is put forward then")
    if at.utcoffset() != later.utcoffset():
        first, second = _rfc3339(at), _rfc3339(later)
        raise Unclear(f"{text} comes twice, in {at.tzname()} and in {later.tzname()}; say which: {first} or {second}")
    return at


def _unknown(text: str) -> str:
    if len(text.split()) >= 5 or text.startswith("@"):
        return f"{text!r} looks like a cron expression, and a run starts at one moment; write {EXAMPLES}"
    if _BARE.fullmatch(text):
        return f"{text!r} may mean seconds, a year or a date; write {EXAMPLES}"
    return f"{text!r} is no time that is understood here; write {EXAMPLES}"


def _words(at: datetime) -> str:
    return f"{at.replace(tzinfo=None).isoformat(' ', 'seconds')} {_zone(at)}"


def _zone(at: datetime) -> str:
    offset = f"UTC{_offset(at)}"
    name = at.tzname() or offset
    return name if name in (offset, "UTC") else f"{name} ({offset})"


def _rfc3339(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat("T", "microseconds" if at.microsecond else "seconds") + _offset(at)


def _offset(at: datetime) -> str:
    minutes = (at.utcoffset() or timedelta()) // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
