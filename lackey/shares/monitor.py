"""Keeps an eye on a share from within its reader, so that whoever asks hears at once how it is, even while it hangs.

A light look each second tells whether the share is there. One that has been out for more than a second means that the
share hangs: from then on no request touches it, until that look returns. A full look each half minute, and whenever the
share comes back, tells how it is; it may take longer, for a busy server is no server that hangs. Each kind of look has
a thread of its own, and there is never more than one of a kind under way.
"""

import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from lackey.domain.share_health import Away, Look, ShareHealth
from lackey.shares.looking import Examiner, away
from lackey.shares.reading import ShareRoot

_LIGHT_SECONDS = 1.0
_FULL_SECONDS = 30.0
_HANGS_SECONDS = 1.0


@dataclass
class _Known:
    """What the looks have found. Numbers count light looks; a `turn` is when the share comes or goes."""

    begun: int = 0
    ended: int = 0
    wanted: int = 0
    began_at: float = 0.0
    since: str = ""
    away: Away | None = None
    turn: int = 0
    look: Look | None = None
    looking_since: float | None = None
    look_wanted: bool = False


class Monitor:
    """What is known of one share. None of its methods waits for the share for longer than it takes to say: it hangs."""

    def __init__(self, share: ShareRoot, user: str) -> None:
        """`user`: the name of the user as whom this process looks. Nothing is looked at before `start`."""
        self._share = share
        self._examiner = Examiner(share, user)
        self._known = _Known()
        self._news = threading.Condition()

    def start(self) -> None:
        """Begin to look."""
        for watch in (self._watch, self._examine):
            threading.Thread(target=_for_ever, args=(watch,), daemon=True).start()

    def hangs(self) -> Away | None:
        """Set while a look at the share does not return. Never waits."""
        with self._news:
            return self._hangs()

    def probe(self) -> Away | None:
        """Whether the share is there now: what a look finds that begins after this was asked."""
        with self._news:
            number = self._known.begun + 1
            self._known.wanted = max(self._known.wanted, number)
            self._news.notify_all()
            return self._after(number)

    def turned(self, there: bool, seconds: float) -> Away | None:
        """Whether the share is there, told once that is not as `there` says, and after `seconds` at most."""
        until = time.monotonic() + seconds
        with self._news:
            gone = self._after(1)
            while (gone is None) is there and (left := until - time.monotonic()) > 0:
                # A look that comes to hang tells nobody.
                self._news.wait(min(left, _HANGS_SECONDS))
                gone = self._hangs() or self._known.away
            return gone

    def health(self) -> ShareHealth:
        """What the last looks found; waits for the first light one alone."""
        with self._news:
            gone, known = self._after(1), self._known
            looking = 0.0 if known.looking_since is None else time.monotonic() - known.looking_since
            return ShareHealth(gone, known.look, looking)

    def look_soon(self) -> None:
        """Have the next full look now. Never waits."""
        with self._news:
            self._known.look_wanted = True
            self._news.notify_all()

    def _after(self, number: int) -> Away | None:
        """Whether the share is there, once the light look of this number has ended, or one hangs."""
        while self._known.ended < number and not self._hangs():
            self._news.wait(_HANGS_SECONDS - self._out())
        return self._hangs() or self._known.away

    def _out(self) -> float:
        """For how many seconds a light look has been out."""
        known = self._known
        return time.monotonic() - known.began_at if known.begun > known.ended else 0.0

    def _hangs(self) -> Away | None:
        if self._out() < _HANGS_SECONDS:
            return None
        # Not for how long: what waits for the share shows this, and would have to be changed each second.
        return Away("hangs", f"The share {self._share.name} has not answered since {self._known.since}.")

    def _watch(self) -> None:
        known = self._known
        while True:
            with self._news:
                known.begun += 1
                known.began_at = time.monotonic()
                known.since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            found = away(self._share)
            with self._news:
                if found != known.away or self._hangs():
                    known.turn += 1
                if found is not None:
                    known.look = None
                known.ended, known.away = known.begun, found
                self._news.notify_all()
                self._news.wait_for(lambda: known.wanted > known.begun, _LIGHT_SECONDS)

    def _examine(self) -> None:
        known = self._known
        with self._news:
            self._news.wait_for(lambda: known.ended > 0)
        while True:
            with self._news:
                known.look_wanted = False
                turn, there = known.turn, known.away is None
                known.looking_since = time.monotonic() if there else None
            look = self._examiner.examine() if there else None
            with self._news:
                known.looking_since = None
                if turn == known.turn:
                    known.look = look
                    news = partial(self._wants_look, turn)
                    self._news.wait_for(news, _FULL_SECONDS)

    def _wants_look(self, turn: int) -> bool:
        return self._known.look_wanted or self._known.turn != turn


def _for_ever(watch: Callable[[], None]) -> None:
    try:
        watch()
    except BaseException:
        # A share that nobody looks at any more would be taken for one that hangs; another reader is started for it.
        traceback.print_exc()
        os._exit(1)
