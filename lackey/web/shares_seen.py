"""How the shares are, as pages that are asked for each second show it: looked at again only every few seconds.

A share that hangs keeps whoever asks for a second. So one visitor in a few seconds asks, and the others are told what
that one has seen.
"""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from lackey.domain.paths import Share
from lackey.domain.share_health import Trouble, troubles
from lackey.files import ShareFiles

_KEPT = timedelta(seconds=5)


class SharesSeen:
    """Remembers what is wrong with the shares of one service. Safe for threads."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._asking = threading.Lock()
        self._seen: tuple[datetime, list[Trouble]] | None = None

    def troubles(self, files: ShareFiles, shares: Mapping[str, Share], now: datetime) -> list[Trouble]:
        """What is wrong with any of them, at most a few seconds ago; empty: all are well."""
        # Who comes while another asks for the first time waits for that one's answer.
        if self._asking.acquire(blocking=self._seen is None):
            try:
                if self._seen is None or abs(now - self._seen[0]) >= _KEPT:
                    healths = files.healths(shares)
                    found = [each for name, share in shares.items() for each in troubles(share, healths[name])]
                    self._seen = (now, found)
            finally:
                self._asking.release()
        return self._seen[1] if self._seen else []
