"""Which shares are there. Each is asked by a thread of its own, through its reader, so that none waits for another."""

import logging
import threading
from collections.abc import Callable, Iterable

from lackey.files import FileError, Files

log = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0


class SharesWatch:
    """What is known of the shares. `changed` is called when one comes or goes."""

    def __init__(self, names: Iterable[str], files: Files, changed: Callable[[], None]) -> None:
        """Nothing is asked before `start`; until a share has answered, it counts as away."""
        self._files = files
        self._changed = changed
        self._away = {name: f"share {name} has not answered yet" for name in names}
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to ask."""
        for name in self._away:
            threading.Thread(target=self._watch, args=(name,), name=f"share-{name}", daemon=True).start()

    def stop(self) -> None:
        """Ask no more. Does not wait for an answer that is out."""
        self._stop.set()

    def away(self) -> dict[str, str]:
        """The shares that can't be reached now, each with a sentence that says why runs on it wait."""
        return {name: why for name, why in self._away.items() if why}

    def _watch(self, name: str) -> None:
        while not self._stop.is_set():
            why = self._ask(name)
            turned = bool(why) != bool(self._away[name])
            self._away[name] = why
            if turned:
                log.log(logging.WARNING if why else logging.INFO, "share %s: %s", name, why or "is there")
                self._changed()
            self._stop.wait(_EVERY_SECONDS)

    def _ask(self, name: str) -> str:
        try:
            self._files.probe(name)
        except FileError as error:
            return f"waits for share {name}: {error}"
        return ""
