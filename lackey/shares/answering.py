"""What a reader answers; see `lackey.shares` for the protocol."""

import json
import threading
from collections.abc import Callable
from typing import Any

from lackey.domain.share_health import Away
from lackey.shares.monitor import Monitor
from lackey.shares.reading import Answer, Failure, ShareRoot, failed, listing, read

LINE_LIMIT = 1 << 16
# A request that hangs keeps its thread until the share is back; clients that ask again and again must not fill memory.
_AT_ONCE = 64
# For so long an answer may be kept back.
_WAIT_SECONDS = 60.0

_TOUCHING: dict[str, Callable[[ShareRoot, dict[str, Any]], Answer]] = {"read": read, "list": listing}


class Answers:
    """Answers the requests for one share. Safe for threads."""

    def __init__(self, share: ShareRoot, monitor: Monitor) -> None:
        """`monitor`: of this share, at work."""
        self._share = share
        self._monitor = monitor
        self._free = threading.Semaphore(_AT_ONCE)

    def answer(self, line: bytes) -> Answer:
        """The header and the content for one request, whatever it is."""
        try:
            if len(line) > LINE_LIMIT:
                raise Failure("refused", f"The request is longer than {LINE_LIMIT} bytes.")
            return self._answer(json.loads(line))
        except Failure as failure:
            return _told(failure)
        except OSError as error:
            return _told(failed(self._share, error))
        except (ValueError, RecursionError):
            return _told(Failure("refused", "The request makes no sense."))

    def _probe(self, request: dict[str, Any]) -> Away | None:
        there, seconds = request.get("there"), request.get("seconds")
        if not isinstance(there, bool) or not isinstance(seconds, int | float):
            return self._monitor.probe()
        return self._monitor.turned(there, min(seconds, _WAIT_SECONDS))

    def _answer(self, request: Any) -> Answer:
        op = request.get("op") if isinstance(request, dict) else None
        if op == "probe":
            _refuse(self._probe(request))
            return {"ok": True}, b""
        if op == "health":
            if request.get("anew") is True:
                self._monitor.look_soon()
            return {"ok": True, "health": self._monitor.health().to_json()}, b""
        if not isinstance(op, str) or op not in _TOUCHING:
            raise Failure("refused", "There is no such request.")
        _refuse(self._monitor.hangs())
        if not self._free.acquire(blocking=False):
            why = f"The share {self._share.name} does not answer; {_AT_ONCE} requests wait for it already."
            raise Failure("away", why)
        try:
            return _TOUCHING[op](self._share, request)
        finally:
            self._free.release()


def _told(failure: Failure) -> Answer:
    return {"ok": False, "error": failure.error, "why": failure.why}, b""


def _refuse(away: Away | None) -> None:
    if away is not None:
        raise Failure("away", away.why, away.kind)
