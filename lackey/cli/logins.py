"""The services for which a user has kept a key, by `lackey login`: one file, which nobody else can read.

Each key belongs to the address that it was kept for and goes to no other: the scheme, the host, the port and the path
have to be the same. The service that was logged in to last is the one that commands talk to.
"""

import contextlib
import json
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lackey.cli.failure import CommandFailed

_FILE = "keys.json"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Login:
    """A service and the key for it."""

    url: str
    key: str


def kept() -> list[Login]:
    """Those that are kept, the one that is talked to first. Raises CommandFailed where nobody can trust the file."""
    try:
        descriptor = os.open(_place() / _FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        return []
    with open(descriptor, encoding="utf-8") as file:
        known = os.fstat(descriptor)
        if known.st_uid != os.geteuid() or stat.S_IMODE(known.st_mode) & 0o077:
            raise CommandFailed(
                f"{_place() / _FILE} is not yours alone, so the keys in it are not used; "
                f"chmod 600 {_place() / _FILE}, or, if others may have read them, revoke them"
            )
        try:
            return [Login(str(each["url"]), str(each["key"])) for each in json.load(file)["services"]]
        except (ValueError, TypeError, KeyError) as error:
            raise CommandFailed(f"{_place() / _FILE} can't be read; remove it, and log in again") from error


def key_for(url: str) -> str | None:
    """The key that was kept for exactly this address."""
    wanted = address_of(url)
    return next((each.key for each in kept() if each.url == wanted), None)


def keep(login: Login) -> None:
    """Keep a key, in the place of the one for the same service; it is the service that is talked to from now on."""
    _write([login, *(each for each in kept() if each.url != login.url)])


def forget(url: str | None) -> Login:
    """Forget the key for a service, or for the one that is talked to; what was kept. Raises CommandFailed."""
    known = kept()
    wanted = address_of(url) if url else known[0].url if known else None
    found = next((each for each in known if each.url == wanted), None)
    if found is None:
        there_are = ", ".join(each.url for each in known) or "none"
        raise CommandFailed(f"no key is kept for {wanted or 'any service'}; those kept: {there_are}")
    _write([each for each in known if each is not found])
    return found


def address_of(url: str) -> str:
    """An address in one form, so that the same service is the same text. Raises ValueError for what is none."""
    parts = urlsplit(url.strip())
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("is no address of a service; it should be like https://lackey.example.org")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("should be the address alone, without a name, a password, ? or #")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def _write(logins: list[Login]) -> None:
    """Put the file in the place of the one before, with mode 600 from its first moment on. Raises OSError."""
    place = _place()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = place / f".{_FILE}.{secrets.token_hex(8)}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump({"services": [vars(each) for each in logins]}, file, indent=2)
            file.flush()
            os.fsync(descriptor)
        aside.rename(place / _FILE)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def _place() -> Path:
    """Raises RuntimeError for a user without a home."""
    configuration = os.environ.get("XDG_CONFIG_HOME", "")
    # A relative one is invalid, and passed over (XDG Base Directory Specification).
    return (Path(configuration) if os.path.isabs(configuration) else Path.home() / ".config") / "lackey"
