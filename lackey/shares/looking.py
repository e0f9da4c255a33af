"""Looks at a share: a light one, whether it is there, and a full one, how it is. Both may hang with the share."""

import os
import stat
import time
from contextlib import suppress
from itertools import islice

from lackey.confined import open_beneath
from lackey.domain.share_health import Away, Look, stands_for_content
from lackey.shares.reading import PROBE, PROBE_PREFIX, Failure, ShareRoot, failed

_CONTENT = b"lackey looks whether it can write here, and removes this file at once.\n"
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_LISTED_AT_MOST = 10_000
_LEFT_SECONDS = 3600.0


def away(share: ShareRoot) -> Away | None:
    """Why the share can't be used now; None: it is there."""
    try:
        with share.root() as root:
            # A lookup may be answered from memory; this question goes to the file server.
            os.fstatvfs(root)
    except Failure as failure:
        return Away(failure.kind or "failed", failure.why)
    except OSError as error:
        return Away("failed", failed(share, error).why)
    return None


class Examiner:
    """Looks at a share thoroughly: lists its top, makes a file there and removes it."""

    def __init__(self, share: ShareRoot, user: str) -> None:
        """`user`: the name of the user as whom this process looks."""
        self._share = share
        self._user = user
        # A file that could be made and not be removed. No other is made while it is there, or they would fill the top.
        self._left: str | None = None
        self._had_content = False

    def examine(self) -> Look | None:
        """What was found; None where the share is not there any more."""
        began = time.monotonic()
        try:
            with self._share.root() as root:
                space = os.fstatvfs(root)
                read_error, names = self._list(root)
                emptied = read_error is None and self._was_emptied(names)
                found = [name for name in names if PROBE.fullmatch(name)]
                write_error, difference = self._write(root)
                _remove_left(root, found, difference or 0.0)
                mounted = self._share.is_mounted()
        except (Failure, OSError):
            return None
        return Look(
            at=time.time(),
            user=self._user,
            mounted=mounted,
            read_error=read_error,
            write_error=write_error,
            free_bytes=space.f_bavail * space.f_frsize,
            total_bytes=space.f_blocks * space.f_frsize,
            clock_difference_seconds=difference,
            latency_seconds=time.monotonic() - began,
            emptied=emptied,
        )

    def _list(self, root: int) -> tuple[int | None, list[str]]:
        """What kept the top from being listed, and the names there."""
        try:
            top = open_beneath(root, ".", os.O_RDONLY | os.O_DIRECTORY)
            try:
                with os.scandir(top) as entries:
                    names = [entry.name for entry in islice(entries, _LISTED_AT_MOST)]
            finally:
                os.close(top)
        except OSError as error:
            return error.errno, []
        return None, names

    def _was_emptied(self, names: list[str]) -> bool:
        has_content = any(stands_for_content(name) for name in names)
        self._had_content = self._had_content or has_content
        return self._had_content and not has_content

    def _write(self, root: int) -> tuple[int | None, float | None]:
        """What kept a file from being made, written and removed; and how far the clock that stamped it is ahead."""
        difference, failure = None, None
        try:
            if self._left is None:
                difference = self._make(root)
        except OSError as error:
            failure = error.errno
        try:
            self._remove(root)
        except OSError as error:
            failure = failure or error.errno
        return failure, difference

    def _make(self, root: int) -> float:
        name = PROBE_PREFIX + os.urandom(16).hex()
        before = time.time()
        file = open_beneath(root, name, _NEW_FILE, mode=0o600)
        self._left = name
        try:
            # Before it is written: a client that caches stamps what it writes by its own clock.
            difference = _beyond(os.fstat(file).st_mtime, before, time.time())
            os.write(file, _CONTENT)
            os.fsync(file)
        finally:
            os.close(file)
        return difference

    def _remove(self, root: int) -> None:
        if self._left is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._left, dir_fd=root)
            self._left = None


def _beyond(stamp: float, earliest: float, latest: float) -> float:
    """How far it lies outside the span, in seconds; negative: before it."""
    return stamp - min(max(stamp, earliest), latest)


def _remove_left(root: int, names: list[str], difference: float) -> None:
    """Remove what readers that were killed have left an hour ago or earlier, by the clock that stamps files."""
    for name in names:
        try:
            status = os.stat(name, dir_fd=root, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_mtime < time.time() + difference - _LEFT_SECONDS:
                os.unlink(name, dir_fd=root)
        except OSError:
            continue  # another reader was faster, or it is not ours to remove
