"""Which service the command line talks to, and with which key."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lackey.cli.failure import CommandFailed
from lackey.cli.running import KEY_FILE, RunningService, running, url_of
from lackey.client.http import Client, is_address, same_service

if TYPE_CHECKING:
    from lackey.settings import Settings


def find_service(settings: "Settings") -> Client:
    """A client for the service that LACKEY_URL names, or else the settings, or `lackey serve` on this host.

    The key is LACKEY_KEY; the one that `lackey serve` left in its `data_dir` goes to no other service than that.
    """
    url, key = os.environ.get("LACKEY_URL"), os.environ.get("LACKEY_KEY")
    if not (url and key):
        own = own_service(settings, url)
        url = url or own.url
        if not key and same_service(url, own.url):
            key = _first_line(own.data_dir / KEY_FILE)
    if not is_address(url):
        raise CommandFailed("LACKEY_URL is no address of a service; it should be like http://localhost:8000")
    if key and not (key.isascii() and key.isprintable()):
        raise CommandFailed("LACKEY_KEY holds characters that no key has")
    return Client(url, key)


def own_service(settings: "Settings", wanted: str | None = None) -> RunningService:
    """The service of these settings, or else the one at the URL `wanted`, or the only one that this user runs here.

    Raises CommandFailed where there are several, and `wanted` names none.
    """
    data_dir = settings.data_dir
    if url := settings.server.url or url_of(data_dir):
        return RunningService(url, data_dir)
    found = running()
    if wanted:
        found = [each for each in found if same_service(each.url, wanted)][:1]
    if len(found) > 1:
        several = "".join(f"\n  {each.url} (its data are in {each.data_dir})" for each in found)
        raise CommandFailed(f"you run {len(found)} services here; say which by LACKEY_URL:{several}")
    return found[0] if found else RunningService("http://localhost:8000", data_dir)


def is_elsewhere(config: Path | None, settings: "Settings") -> bool:
    """Whether the service is one that LACKEY_URL names, or that this user runs here with data in another directory.

    That is looked for where nothing tells of a service of this directory. Raises CommandFailed.
    """
    from lackey.settings import find

    if os.environ.get("LACKEY_URL"):
        return True
    nothing_here = not find(config) and settings.missing_database_file is not None and not settings.server.url
    return nothing_here and bool(running())


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
