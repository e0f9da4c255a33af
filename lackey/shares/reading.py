"""What a reader does with a share: probe it, read a file, list a directory. Everything here may hang with the share."""

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lackey.confined import open_beneath, open_root

READ_LIMIT = 1 << 20
LIST_LIMIT = 1000
LINE_LIMIT = 1 << 16
_OFFSET_LIMIT = 1 << 62

Answer = tuple[dict[str, Any], bytes]

_MISSING = {errno.ENOENT, errno.ENOTDIR}
_REFUSED = {errno.EACCES, errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EPERM, errno.EXDEV}
# What a file system over the network reports once its server is gone.
_AWAY = {errno.EIO, errno.ENODEV, errno.ENOTCONN, errno.ESHUTDOWN, errno.ESTALE, errno.ETIMEDOUT}
_AWAY |= {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH}
_AWAY |= {errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET}
_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.ELOOP: "it is a link, or lies behind one, and links are not followed here",
    errno.EXDEV: "it lies outside the share",
}


class _Failure(Exception):
    """What a client is told in place of an answer."""

    def __init__(self, error: str, why: str) -> None:
        super().__init__(why)
        self.error = error
        self.why = why


@dataclass(frozen=True)
class Share:
    """A named folder, at `path` on this host."""

    name: str
    path: str
    must_be_mounted: bool

    @contextmanager
    def root(self) -> Iterator[int]:
        """The share's directory, looked up anew each time, for it may have been mounted again meanwhile."""
        try:
            descriptor = open_root(self.path)
        except OSError as error:
            raise _Failure("away", f"The share {self.name} is not there: {self.path}: {error.strerror}.") from error
        try:
            if self.must_be_mounted and not os.path.ismount(os.path.realpath(self.path)):
                raise _Failure("away", f"The share {self.name} is not mounted at {self.path}.")
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        with self.root() as root:
            # Not to wait for the other end of a FIFO; what it is that was opened can be asked only then.
            descriptor = open_beneath(root, path or ".", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _probe(share: Share) -> Answer:
    with share.root() as root:
        # A lookup may be answered from memory; this question goes to the file server.
        os.fstatvfs(root)
    return {"ok": True}, b""


def _read(share: Share, request: dict[str, Any]) -> Answer:
    offset, length = _whole(request, "offset", _OFFSET_LIMIT), _whole(request, "length", READ_LIMIT)
    with share.opened(_path(request)) as descriptor:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _Failure("refused", f"{_path(request)!r} on the share {share.name} is not a regular file.")
        content = bytearray()
        while piece := os.pread(descriptor, length - len(content), offset + len(content)):
            content += piece
    return {"ok": True, "size": status.st_size, "mtime": status.st_mtime, "length": len(content)}, bytes(content)


def _list(share: Share, request: dict[str, Any]) -> Answer:
    with share.opened(_path(request)) as descriptor:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise _Failure("refused", f"{_path(request)!r} on the share {share.name} is not a directory.")
        with os.scandir(descriptor) as found:
            entries = [_entry(entry) for entry in islice(found, LIST_LIMIT)]
            complete = next(found, None) is None
    listed = sorted((entry for entry in entries if entry), key=lambda entry: str(entry["name"]))
    return {"ok": True, "entries": listed, "complete": complete}, b""


def _entry(entry: os.DirEntry[str]) -> dict[str, Any] | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed since
        return None
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "other")
    return {"name": entry.name, "size": status.st_size, "mtime": status.st_mtime, "kind": kind}


def _path(request: dict[str, Any]) -> str:
    path = request.get("path")
    if not isinstance(path, str):
        raise _Failure("refused", "The request names no path.")
    return path


def _whole(request: dict[str, Any], name: str, limit: int) -> int:
    number = request.get(name)
    if type(number) is not int or not 0 <= number <= limit:
        raise _Failure("refused", f"The request's {name} must be a whole number from 0 to {limit}.")
    return number


def answer(share: Share, line: bytes) -> Answer:
    """The header and the content for one request, whatever it is; see `lackey.shares` for the protocol."""
    try:
        if len(line) > LINE_LIMIT:
            raise _Failure("refused", f"The request is longer than {LINE_LIMIT} bytes.")
        request = json.loads(line)
        match request.get("op") if isinstance(request, dict) else None:
            case "probe":
                return _probe(share)
            case "read":
                return _read(share, request)
            case "list":
                return _list(share, request)
            case _:
                raise _Failure("refused", "There is no such request.")
    except _Failure as failure:
        return {"ok": False, "error": failure.error, "why": failure.why}, b""
    except OSError as error:
        return _failed(share, error), b""
    except (ValueError, RecursionError):
        return {"ok": False, "error": "refused", "why": "The request makes no sense."}, b""


def _failed(share: Share, error: OSError) -> dict[str, Any]:
    what = f"{error.filename!r} on the share {share.name}" if error.filename else f"The share {share.name}"
    kinds = {"missing": _MISSING, "refused": _REFUSED, "away": _AWAY}
    kind = next((kind for kind, codes in kinds.items() if error.errno in codes), "failed")
    return {"ok": False, "error": kind, "why": f"{what}: {_REASONS.get(error.errno or 0, error.strerror)}."}
