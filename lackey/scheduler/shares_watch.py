"""Which shares are there. Each is asked by a thread of its own, through its reader, so that none waits for another.

The reader looks at its share each second. It answers once what it sees has changed, or after a while, to show that it
is still at work.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from lackey.domain.policy import AwayShares, ShareState
from lackey.files import FileError, ShareFiles
from lackey.scheduler.pauses import Pauses

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
_TOLD_SECONDS = 3.0
_TRIED_AGAIN_SECONDS = 300.0


@dataclass
class _Hold:
    """Why nothing is started on a share, since when (monotonic seconds), and whether it looks mended."""

    why: str
    since: float
    mended: bool = False


class Holds:
    """The shares on which launches of one executor came to nothing, though they are there. Safe for threads."""

    def __init__(self, names: Collection[str]) -> None:
        """None yet, of these."""
        self._names = names
        self._lock = threading.Lock()
        self._holds: dict[str, _Hold] = {}
        self._pauses: Pauses[str] = Pauses()

    def hold(self, name: str, why: str) -> None:
        """A launch on this share came to nothing for `why`, a sentence: no other is tried until it is seen mended.

        Where it never looks broken from here, or never looks mended, it is tried again after longer and longer pauses.
        """
        with self._lock:
            if name in self._names and name not in self._holds:
                self._pauses.begin(name)
                self._holds[name] = _Hold(f"waits for share {name}: {why}", time.monotonic())
                log.warning("share %s: nothing is started there for now: %s", name, why)

    def held(self) -> dict[str, str]:
        """The shares on which nothing can be started now, each with a sentence that says why."""
        with self._lock:
            still, now = self._pauses.still(), time.monotonic()
            for name, hold in list(self._holds.items()):
                if name not in still and (hold.mended or now - hold.since > _TRIED_AGAIN_SECONDS):
                    del self._holds[name]
            return {name: hold.why for name, hold in self._holds.items()}

    def __contains__(self, name: object) -> bool:
        """Whether nothing is started on it."""
        return name in self._holds

    def look(self, name: str, mended: bool) -> None:
        """The share looks mended, or does not."""
        with self._lock:
            if name in self._holds:
                self._holds[name].mended = mended


class SharesWatch:
    """What is known of the shares. `changed` is called when one comes or goes."""

    def __init__(self, names: Iterable[str], files: ShareFiles, changed: Callable[[], None]) -> None:
        """Nothing is asked before `start`; until a share has answered, it counts as away."""
        self._files = files
        self._changed = changed
        self._away = {name: f"share {name} has not answered yet" for name in names}
        self._stop = threading.Event()
        self._holds: list[Holds] = []

    def start(self) -> None:
        """Begin to ask."""
        for name in self._away:
            threading.Thread(target=self._watch, args=(name,), name=f"share-{name}", daemon=True).start()

    def stop(self) -> None:
        """Ask no more. Does not wait for an answer that is out."""
        self._stop.set()

    def away(self) -> AwayShares:
        """The shares that can't be reached now or are not configured, each with why runs on it wait."""
        return AwayShares(self._away, {name: why for name, why in self._away.items() if why})

    def holds(self) -> Holds:
        """For an executor: the shares on which its launches come to nothing, looked at as all are."""
        mine = Holds(self._away.keys())
        self._holds.append(mine)
        return mine

    def states(self, held: Mapping[str, str]) -> dict[str, ShareState]:
        """How all shares of the configuration are, by their names. `held`: those on which nothing is started → why."""
        away = self.away()
        return {name: ShareState(away.get(name) or held.get(name), name in away) for name in self._away}

    def _watch(self, name: str) -> None:
        while not self._stop.is_set():
            why = self._ask(name)
            turned = bool(why) != bool(self._away[name])
            self._away[name] = why
            if turned:
                log.log(logging.WARNING if why else logging.INFO, "share %s: %s", name, why or "is there")
                self._changed()
            self._stop.wait(EVERY_SECONDS)

    def _ask(self, name: str) -> str:
        try:
            if any(name in holds for holds in self._holds):
                look = self._files.health(name, anew=True).look
                for holds in self._holds:
                    holds.look(name, look is not None and not look.takes_nothing)
                self._files.probe(name)
            else:
                self._files.turned(name, not self._away[name], _TOLD_SECONDS)
        except FileError as error:
            return f"waits for share {name}: {error}"
        except Exception as error:
            # Out of memory, say. This thread is the only one that asks, so nothing may end it.
            return f"waits for share {name}: it can't be asked: {type(error).__name__}: {error}"
        return ""
