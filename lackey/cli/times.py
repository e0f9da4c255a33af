"""Times as people type them."""

import re
from datetime import datetime, timedelta

_UNIX_SECONDS = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2})?")


def read_time(text: str) -> tuple[str, str | None]:
    """A time as the API takes it, and in words if its zone had to be guessed: it is the one of this machine.

    `text` is unix seconds, RFC 3339, or a local time such as `2026-01-31 18:00`. What is neither is for the API to
    refuse. Raises ValueError where the clocks are changed: for a local time that comes twice, or never.
    """
    text = text.strip()
    if text == "now" or _UNIX_SECONDS.fullmatch(text) or not _LOCAL.fullmatch(text):
        return text, None
    naive = datetime.fromisoformat(text)
    at, later = naive.astimezone(), naive.replace(fold=1).astimezone()
    if at.replace(tzinfo=None) != naive:
        raise ValueError(f"{text} does not exist in {at.tzname()}: the clock is put forward then")
    if at.utcoffset() != later.utcoffset():
        raise ValueError(f"{text} comes twice, in {at.tzname()} and in {later.tzname()}; say which: {_rfc3339(at)}")
    return _rfc3339(at), f"{naive.isoformat(' ')} {at.tzname()} (UTC{_offset(at)})"


def _rfc3339(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat("T", "seconds") + _offset(at)


def _offset(at: datetime) -> str:
    minutes = (at.utcoffset() or timedelta()) // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
