"""Durations as people write and read them: everywhere the same."""

import re

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_PART = re.compile(rf"({_NUMBER})\s*(s|sec|min|m|h|d)(?![a-z])", re.IGNORECASE)
_PARTS = re.compile(rf"(?:{_NUMBER}\s*(?:s|sec|min|m|h|d)\s*)+", re.IGNORECASE)
_BARE = re.compile(rf"{_NUMBER}(?:e[+-]?[0-9]{{1,2}})?", re.IGNORECASE)
# As Slurm has it, but for its `minutes:seconds`: 1:30 is an hour and a half to others.
_CLOCK = re.compile(r"(?:([0-9]{1,6})-)?([0-9]{1,6}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]{1,9})?)")
FORMS = "90s, 1h30m, 2d, 00:10:00, or plain seconds"


def parse(text: str) -> float:
    """Seconds, from `90s`, `1h30m`, `1.5 h`, `2d`, `00:10:00`, `1-12:00:00` (a day and a half), or a number.

    Days have 24 hours. Each unit comes once, the larger ones first. Raises ValueError, which says what is understood.
    """
    text = text.strip()
    if _BARE.fullmatch(text):
        return float(text)
    if found := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = found.groups(default="0")
        return int(days) * 86400.0 + int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    parts = [(float(number), _SECONDS[unit.lower()]) for number, unit in _PART.findall(text)]
    units = [unit for _, unit in parts]
    if not _PARTS.fullmatch(text) or units != sorted(set(units), reverse=True):
        raise ValueError(f"should be a duration such as {FORMS}")
    return sum(number * unit for number, unit in parts)


def in_words(seconds: float, rough: bool = False) -> str:
    """`12.3 s`, `5 min 02 s`, `3 h 20 min`; `rough`: the larger unit alone."""
    for number, (length, unit) in enumerate(_UNITS):
        if seconds >= length:
            whole, rest = divmod(int(seconds), length)
            smaller, name = (*_UNITS, (1, "s"))[number + 1]
            return f"{whole} {unit}" if rough else f"{whole} {unit} {rest // smaller:02} {name}"
    return f"{seconds:.0f} s" if rough or seconds == int(seconds) else f"{seconds:.1f} s"
