"""Shares, through their readers; where those don't run, through some of the doctor's own."""

import tempfile
import time
from pathlib import Path

from lackey import privileges
from lackey.cli.checks.finding import Finding
from lackey.domain import sizes
from lackey.domain.paths import Share
from lackey.domain.share_health import ShareHealth, troubles
from lackey.files import ShareFiles
from lackey.scheduler.reader import DIRECTORY
from lackey.scheduler.rights import unable
from lackey.settings import Settings
from lackey.shares.readers import Readers

_LOOK_SECONDS = 8.0
_POLL_SECONDS = 0.1


def shares(settings: Settings) -> list[Finding]:
    """How each share is."""
    known = settings.shares
    healths = _settled(ShareFiles(settings.data_dir / DIRECTORY), list(known))
    unread = [share for share in known.values() if _is_unread(healths[share.name])]
    findings = [finding for share in known.values() for finding in _judged(share, healths[share.name])]
    # Without root's rights they are looked at as whoever asks; with them, as the user of simulations, if there is one.
    user = settings.executor.local.user if privileges.held().issuperset(privileges.LOOKING) else None
    if unread and unable(user) is None:
        own = _looked_at_here(unread, user)
        findings += [finding for share in unread for finding in _judged(share, own[share.name])]
    return findings


def _judged(share: Share, health: ShareHealth) -> list[Finding]:
    about = f"share {share.name}"
    found = [
        Finding(about, "trouble" if trouble.grave else "warning", trouble.what.rstrip("."), trouble.mend)
        for trouble in troubles(share, health)
    ]
    if found or health.look is None:
        return found
    look = health.look
    what = f"{share.path} can be read and written to by {look.user}, with {sizes.in_words(look.free_bytes)} free"
    return [Finding(about, "ok", what)]


def _is_unread(health: ShareHealth) -> bool:
    return health.away is not None and health.away.kind == "unread"


def _looked_at_here(unread: list[Share], user: str | None) -> dict[str, ShareHealth]:
    paths = {share.name: (share.path, share.must_be_mounted) for share in unread}
    with tempfile.TemporaryDirectory(prefix="lackey-doctor-") as directory:
        readers = Readers(paths, Path(directory), user)
        readers.start()
        try:
            return _settled(ShareFiles(Path(directory)), list(paths), starting=True)
        finally:
            readers.stop()


def _settled(files: ShareFiles, names: list[str], starting: bool = False) -> dict[str, ShareHealth]:
    """How they are, once each has been looked at, or is away.

    `starting`: their readers have only just been started.
    """
    deadline = time.monotonic() + _LOOK_SECONDS
    while True:
        healths = files.healths(names)
        waits = [
            health
            for health in healths.values()
            if (_is_unread(health) and starting) or (health.away is None and health.look is None)
        ]
        if not waits or time.monotonic() >= deadline:
            return healths
        time.sleep(_POLL_SECONDS)
