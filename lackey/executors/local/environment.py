"""What a command finds in its environment: built anew, and nothing of the service's.

TZ is the name of a zone, for `:/etc/localtime`, which the C library understands, puts Java and Node an hour off. Where
the host tells no name, TZ is left out: then all of them look at /etc/localtime themselves. tzlocal would do nearly the
same, but it goes by /etc/timezone first, which nobody keeps in step with /etc/localtime any more; programs in C go by
/etc/localtime alone, and no two programs of one run may differ.
"""

import locale
import os
import zoneinfo
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lackey.accounts import Account
from lackey.domain.shell.text import variable
from lackey.executors.local.directories import on_share
from lackey.executors.protocol import Launch

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_UTF_8 = "C.UTF-8"
_ZONES = "/zoneinfo/"
_LINKS = 40  # as many as the kernel follows (path_resolution(7))


def environment(launch: Launch, account: Account, run_directory: str, own: Mapping[str, str]) -> dict[str, str]:
    """All that the command finds in its environment. Of the launcher's `own`, only LANG and TZ count."""
    given = {
        "LACKEY_URL": launch.url,
        "LACKEY_RUN_ID": str(launch.run_id),
        "LACKEY_TOKEN": launch.token,
        "LACKEY_CPUS": str(launch.cpus),
        "LACKEY_RUN_DIR": _absolute(launch, run_directory),
        "LACKEY_APPLICATION_DIR": _absolute(launch, on_share(launch.directory)),
    }
    if launch.memory_bytes is not None:
        given["LACKEY_MEMORY_BYTES"] = str(launch.memory_bytes)
    if launch.gpus is not None:
        # Empty for none: else it would use all there are.
        given["CUDA_VISIBLE_DEVICES"] = ",".join(launch.gpus)
    zone = time_zone(own)
    return {
        "PATH": PATH,
        "HOME": account.home,
        "USER": account.name,
        "LANG": language(own),
        **({} if zone is None else {"TZ": zone}),
        # Or Python would keep what it prints to itself until it has 8 KiB, and nobody could follow the run.
        "PYTHONUNBUFFERED": "1",
        # Or each of several runs would take as many threads as the host has cpus.
        "OMP_NUM_THREADS": str(launch.cpus),
        **launch.environment,
        **given,
        **{variable(name): value for name, value in launch.parameters.items()},
    }


def _absolute(launch: Launch, relative: str) -> str:
    return os.path.join(launch.share_path, relative).rstrip("/") or "/"


def language(own: Mapping[str, str]) -> str:
    """The host's LANG, if it is one of UTF-8 that is installed: parameters are handed over in UTF-8."""
    name = own.get("LANG") or _UTF_8
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
        return name if locale.nl_langinfo(locale.CODESET) == "UTF-8" else _UTF_8
    except (locale.Error, ValueError):
        return _UTF_8
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


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
