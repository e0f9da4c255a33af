"""Which service the command line talks to, and with which key."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lackey.cli import logins
from lackey.cli.failure import CommandFailed
from lackey.cli.running import KEY_FILE, RunningService, running, url_of
from lackey.client.http import Client, is_address, same_service
from lackey.config_file import DATA_DIR, find, is_nothing_set

if TYPE_CHECKING:
    from lackey.settings import Settings


def find_service(settings: "Callable[[], Settings]", is_told: bool = False) -> Client:
    """A client for the service that LACKEY_URL names, or else that was logged in to last, or else the settings, or
    `lackey serve` on this host. `is_told`: the settings are those of a file that the user has named, so they go first.

    The key is LACKEY_KEY, or the one that is kept for exactly this address; the one that `lackey serve` left in its
    `data_dir` goes to no other service than that.
    """
    url, key = os.environ.get("LACKEY_URL"), os.environ.get("LACKEY_KEY")
    if not url and not is_told and (known := logins.kept()):
        url, key = known[0].url, key or known[0].key
    elif url and not key and is_address(url):
        key = _kept_for(url)
    if not (url and key):
        nothing = is_nothing_set() and not is_told
        own = own_service(DATA_DIR, None, url) if nothing else _of(settings(), url)
        url = url or own.url
        if not key and same_service(url, own.url):
            key = _first_line(own.data_dir / KEY_FILE)
    if not is_address(url):
        raise CommandFailed("LACKEY_URL is no address of a service; it should be like http://localhost:8000")
    if key and not (key.isascii() and key.isprintable()):
        raise CommandFailed("LACKEY_KEY holds characters that no key has")
    return Client(url, key)


def _of(settings: "Settings", wanted: str | None) -> RunningService:
    return own_service(settings.data_dir, settings.server.url, wanted)


def own_service(data_dir: Path, url: str | None, wanted: str | None = None) -> RunningService:
    """The service of settings with this `data_dir` and this `url`, or else the one at the URL `wanted`, or the only one
    that this user runs here.

    Raises CommandFailed where there are several, and `wanted` names none.
    """
    if url := url or url_of(data_dir):
        return RunningService(url, data_dir)
    found = running()
    if wanted:
        found = [each for each in found if same_service(each.url, wanted)][:1]
    if len(found) > 1:
        several = "".join(f"\n  {each.url} (its data are in {each.data_dir})" for each in found)
        raise CommandFailed(f"you run {len(found)} services here; say which by LACKEY_URL:{several}")
    return found[0] if found else RunningService("http://localhost:8000", data_dir)


def is_elsewhere(config: Path | None, settings: "Settings") -> bool:
    """Whether the service is one that LACKEY_URL names, that the user has logged in to, or that they run here with data
    in another directory.

    That is looked for where nothing tells of a service of this directory. Raises CommandFailed.
    """
    if os.environ.get("LACKEY_URL"):
        return True
    nothing_here = not find(config) and settings.missing_database_file is not None and not settings.server.url
    return nothing_here and bool(logins.kept() or running())


def _kept_for(url: str) -> str | None:
    try:
        return logins.key_for(url)
    except ValueError:  # with a name or a password in it: none is kept for such a one
        return None


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
