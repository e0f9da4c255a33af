"""The time zone of this host, by its name.

tzlocal would do nearly the same, but it goes by /etc/timezone first, which nobody keeps in step with /etc/localtime any
more; programs in C go by /etc/localtime alone, and no two programs of one run may differ.
"""

import os
import zoneinfo
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_ZONES = "/zoneinfo/"
_LINKS = 40  # as many as the kernel follows (path_resolution(7))


def time_zone(own: Mapping[str, str], etc: Path = Path("/etc")) -> str | None:
    """TZ for a command: that of the launcher's `own`, else the name of the host's zone; None where it has none."""
    given = own.get("TZ")
    if given is None:
        return _host_zone(etc)
    # The colon is POSIX' mark for a form that each system may choose; for the C library it changes nothing.
    given = given.removeprefix(":")
    if given == str(etc / "localtime"):
        return _host_zone(etc)
    # tzset(3): an empty TZ is UTC.
    return _named(given) or given or "UTC"


def _host_zone(etc: Path) -> str | None:
    place = etc / "localtime"
    if not os.path.lexists(place):
        return "UTC"  # tzset(3)
    return _linked(place) or _written(etc / "timezone", place)


def _linked(place: Path) -> str | None:
    """The name by which the first of its links that leads to the zones calls one (localtime(5))."""
    for _ in range(_LINKS):
        try:
            place = place.parent / os.readlink(place)
        except OSError:
            return None
        if name := _named(str(place)):
            return name
    return None


def _named(path: str) -> str | None:
    """The name of the zone that lies at this path, if one does."""
    _, found, name = path.partition(_ZONES)
    return name if found and os.path.isfile(path) and _is_known(name) else None


def _written(timezone: Path, localtime: Path) -> str | None:
    """The zone that /etc/timezone names, if /etc/localtime is a copy of it, and not of another one."""
    with suppress(OSError, UnicodeDecodeError):
        name = timezone.read_text(encoding="utf-8").strip()
        for place in zoneinfo.TZPATH:
            zone = Path(place) / name
            if _is_known(name) and zone.is_file() and zone.read_bytes() == localtime.read_bytes():
                return name
    return None


def _is_known(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True
