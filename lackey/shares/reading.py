"""What a reader reads on a share: a file, a directory. Everything here may hang with the share."""

import errno
import heapq
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lackey.confined import open_beneath, open_root
from lackey.domain.share_health import AwayKind

READ_LIMIT = 1 << 20
LIST_LIMIT = 1000
# So many names of a directory are looked through, to list a part of it in order.
NAMES_LIMIT = 20_000
_OFFSET_LIMIT = 1 << 62
# What a look at the share makes and removes at once (`looking`), in the way of nobody who lists it.
PROBE_PREFIX = ".lackey-probe-"
PROBE = re.compile(re.escape(PROBE_PREFIX) + "[0-9a-f]{32}")

Answer = tuple[dict[str, Any], bytes]

_MISSING = {errno.ENOENT, errno.ENOTDIR}
_REFUSED = {errno.EACCES, errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EPERM, errno.EXDEV}
# What a file system over the network reports once its server is gone.
_AWAY = {errno.EIO, errno.ENODEV, errno.ENOTCONN, errno.ESHUTDOWN, errno.ESTALE, errno.ETIMEDOUT}
_AWAY |= {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH}
_AWAY |= {errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET}
_ROOT_KINDS: dict[int, AwayKind] = {
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EACCES: "closed",
    errno.EPERM: "closed",
}
_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.ELOOP: "the links that lead to it go in a circle",
    errno.EXDEV: "it lies outside the share; links are followed if they are relative and stay on it",
}


class Failure(Exception):
    """What a client is told in place of an answer; `kind` is set where the share is away."""

    def __init__(self, error: str, why: str, kind: AwayKind | None = None) -> None:
        super().__init__(why)
        self.error = error
        self.why = why
        self.kind = kind


@dataclass(frozen=True)
class ShareRoot:
    """A named folder, at `path` on this host."""

    name: str
    path: str
    must_be_mounted: bool

    def is_mounted(self) -> bool:
        """Whether something is mounted at its path."""
        return os.path.ismount(os.path.realpath(self.path))

    @contextmanager
    def root(self) -> Iterator[int]:
        """The share's directory, looked up anew each time, for it may have been mounted again meanwhile."""
        try:
            descriptor = open_root(self.path)
        except OSError as error:
            why = f"The share {self.name} is not there: {self.path}: {error.strerror}."
            raise Failure("away", why, _ROOT_KINDS.get(error.errno or 0, "failed")) from error
        try:
            if self.must_be_mounted and not self.is_mounted():
                raise Failure("away", f"The share {self.name} is not mounted at {self.path}.", "unmounted")
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def opened(self, path: str) -> Iterator[tuple[int, int]]:
        """What lies at a path, through links that stay on the share, and the share's own directory."""
        with self.root() as root:
            # Not to wait for the other end of a FIFO; what it is that was opened can be asked only then.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
            descriptor = open_beneath(root, path or ".", flags, links=True)
            try:
                yield descriptor, root
            finally:
                os.close(descriptor)


def read(share: ShareRoot, request: dict[str, Any]) -> Answer:
    """A piece of a file. Raises Failure, OSError."""
    offset, length = _whole(request, "offset", _OFFSET_LIMIT), _whole(request, "length", READ_LIMIT)
    with share.opened(_path(request)) as (descriptor, _):
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Failure("refused", f"{_path(request)!r} on the share {share.name} is not a regular file.")
        content = bytearray()
        while piece := os.pread(descriptor, length - len(content), offset + len(content)):
            content += piece
        # As it is now: what was written while it was read shows in it.
        status = os.fstat(descriptor)
    known = {"size": status.st_size, "mtime": status.st_mtime, "inode": status.st_ino}
    return {"ok": True, **known, "length": len(content)}, bytes(content)


def listing(share: ShareRoot, request: dict[str, Any]) -> Answer:
    """What lies in a directory: the first of it by name, or the first of what follows on `after`.

    Raises Failure, OSError.
    """
    path, after = _path(request), request.get("after")
    if after is not None and not isinstance(after, str):
        raise Failure("refused", "The request's after must be a name.")
    with share.opened(path) as (descriptor, root):
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise Failure("refused", f"{path!r} on the share {share.name} is not a directory.")
        with os.scandir(descriptor) as found:
            others = (entry for entry in found if not PROBE.fullmatch(entry.name))
            known = [entry for entry in islice(others, NAMES_LIMIT) if after is None or entry.name > after]
            complete = next(others, None) is None
            listed = heapq.nsmallest(LIST_LIMIT, known, key=lambda entry: entry.name)
            entries = [_entry(entry, root, path) for entry in listed]
    more = len(known) > len(listed)
    told = {"entries": [entry for entry in entries if entry], "complete": complete and not more}
    told["links"] = [entry.name for entry in listed if entry.is_symlink()]
    return {"ok": True, **told, "next": listed[-1].name if more else None}, b""


def _entry(entry: os.DirEntry[str], root: int, path: str) -> dict[str, Any] | None:
    """A line of a listing; a link that can be followed is shown as what it leads to."""
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed since
        return None
    if stat.S_ISLNK(status.st_mode):
        status = _led_to(root, f"{path}/{entry.name}".lstrip("/")) or status
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "other")
    return {"name": entry.name, "size": status.st_size, "mtime": status.st_mtime, "kind": kind}


def _led_to(root: int, link: str) -> os.stat_result | None:
    try:
        target = open_beneath(root, link, os.O_PATH, links=True)
    except OSError:
        return None
    try:
        return os.fstat(target)
    finally:
        os.close(target)


def _path(request: dict[str, Any]) -> str:
    path = request.get("path")
    if not isinstance(path, str):
        raise Failure("refused", "The request names no path.")
    return path


def _whole(request: dict[str, Any], name: str, limit: int) -> int:
    number = request.get(name)
    if type(number) is not int or not 0 <= number <= limit:
        raise Failure("refused", f"The request's {name} must be a whole number from 0 to {limit}.")
    return number


def failed(share: ShareRoot, error: OSError) -> Failure:
    """What a client is told where the system said no."""
    what = f"{error.filename!r} on the share {share.name}" if error.filename else f"The share {share.name}"
    kinds = {"missing": _MISSING, "refused": _REFUSED, "away": _AWAY}
    kind = next((kind for kind, codes in kinds.items() if error.errno in codes), "failed")
    return Failure(kind, f"{what}: {_REASONS.get(error.errno or 0, error.strerror)}.")
