"""A check in a process of its own. One that hangs in the kernel, where no signal ends it, is left behind."""

import json
import os
import select
import signal
import time
from dataclasses import asdict

from lackey.cli.checks.finding import Check, Finding
from lackey.settings import Settings

_PIECE = 1 << 16


class Apart:
    """A check that has been started. Make it while this process has no thread but one, and no database open."""

    def __init__(self, check: Check, settings: Settings) -> None:
        """Start it."""
        self._check = check
        self._answer, told = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                findings = _carried_out(check, settings)
                with open(told, "wb") as pipe:
                    pipe.write(json.dumps([asdict(finding) for finding in findings]).encode())
            finally:
                os._exit(0)
        os.close(told)

    def findings(self, deadline: float) -> list[Finding]:
        """What it found; that it hangs, if it is not done at the deadline (monotonic seconds)."""
        text = self._text(deadline)
        os.close(self._answer)
        if text is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, os.WNOHANG)
            return [Finding(self._check.about, "trouble", "looking at it does not come to an end", self._check.hangs)]
        os.waitpid(self._pid, 0)
        return [Finding(**found) for found in json.loads(text or b"[]")]

    def _text(self, deadline: float) -> bytes | None:
        text = bytearray()
        while select.select([self._answer], [], [], max(0.0, deadline - time.monotonic()))[0]:
            piece = os.read(self._answer, _PIECE)
            if not piece:
                return bytes(text)
            text += piece
        return None


def _carried_out(check: Check, settings: Settings) -> list[Finding]:
    try:
        return check.look(settings)
    except Exception as error:
        # Whatever it was: the other checks go on, and one that says nothing would be taken for one that found nothing.
        return [Finding(check.about, "trouble", f"looking at it failed: {type(error).__name__}: {error}")]
