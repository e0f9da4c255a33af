"""Reads files on shares by asking the share's reader process (`lackey.shares`), never by touching the share itself.

A share that hangs blocks whoever touches it, past any timeout. Here no call takes longer than its deadline.
"""

import json
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lackey.domain.share_health import Away, ShareHealth
from lackey.wake import short_path

# A listing comes as one line: a thousand names of 255 bytes, each byte six characters at worst.
_HEADER_LIMIT = 4 << 20
_LET_IN_SECONDS = 0.005
_CONTENT_LIMIT = 1 << 20


class FileError(Exception):
    """Nothing can be read; `str()` says why in a sentence."""


class ShareAway(FileError):
    """The share is not there, or does not answer in time, or nothing reads it. It may be back later."""


class Unread(ShareAway):
    """The share has no reader at the moment; how the share is, nobody knows."""


class FileMissing(FileError):
    """The share is there, and on it no such file."""


class FileRefused(FileError):
    """It lies outside the share or behind a link, or is no regular file (no directory), or lackey may not read it."""


@dataclass(frozen=True)
class FilePiece:
    """Part of a file, whose whole `size` (bytes), `mtime` (unix seconds) and `inode` are those right after reading."""

    size: int
    mtime: float
    content: bytes = field(repr=False)
    inode: int = 0

    def is_of_another_than(self, first: "FilePiece") -> bool:
        """Whether this is not of the file that `first` is of, or of one that was written anew since.

        A file that has only become longer is the same one, as far as it reached. Not all file systems over the network
        keep the number of a file's inode, so that alone tells nothing.
        """
        if self.size < first.size:
            return True
        return self.mtime != first.mtime and (self.size == first.size or self.inode != first.inode)


@dataclass(frozen=True)
class Entry:
    """What lies in a directory: its `mtime` in unix seconds; its `kind` is `file`, `directory`, `link` or `other`.

    A link that is followed counts as what it leads to.

    A name that is no UTF-8 holds its bytes as `os.fsdecode` gives them: encode it with `surrogateescape`.
    """

    name: str
    size: int
    mtime: float
    kind: str


@dataclass(frozen=True)
class Listing:
    """The entries of a directory, by name; not `complete` if there are more than the reader lists at once.

    `next` is the name behind which the listing goes on; None: at its end, or it is too large for that. `links`: the
    names of those that are links, whatever they count as.
    """

    entries: tuple[Entry, ...]
    complete: bool
    next: str | None = None
    links: frozenset[str] = frozenset()


class ShareFiles:
    """The client of the readers whose sockets lie in `directory`. Each call ends within `deadline_seconds`.

    Paths are relative to their share. All calls raise ShareAway, FileMissing, FileRefused. Safe for threads and forks.
    """

    def __init__(self, directory: Path, deadline_seconds: float = 1.0) -> None:
        self._directory = directory
        self._deadline_seconds = deadline_seconds

    def probe(self, share: str) -> None:
        """Return if the share is there, and raise ShareAway if it is not."""
        self._ask(share, {"op": "probe"})

    def turned(self, share: str, there: bool, seconds: float) -> None:
        """The same, told once that is not as `there` says, and after `seconds` at most, beside the deadline."""
        self._ask(share, {"op": "probe", "there": there, "seconds": seconds}, seconds)

    def health(self, share: str, anew: bool = False) -> ShareHealth:
        """How the share is; raises nothing. A share that hangs or has no reader is away.

        `anew`: it is looked at again, thoroughly, at once; the answer is what the last look found all the same.
        """
        try:
            header, _ = self._ask(share, {"op": "health", "anew": anew})
            return ShareHealth.from_json(header["health"])
        except Unread as error:
            return ShareHealth(Away("unread", str(error)), None)
        except FileError as error:
            return ShareHealth(Away("hangs", str(error)), None)
        except (TypeError, KeyError, ValueError):
            why = f"The reader of the share {share!r} makes no sense; it may be of another version."
            return ShareHealth(Away("unread", why), None)

    def healths(self, shares: Iterable[str]) -> dict[str, ShareHealth]:
        """How each of them is; all are asked at once, so that this takes no longer than one of them."""
        names = list(shares)
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            return dict(zip(names, pool.map(self.health, names), strict=True))

    def read(self, share: str, path: str, offset: int, length: int) -> FilePiece:
        """At most `length` bytes (up to 1 MiB) from `offset` on; none past the end. Only regular files are read."""
        header, content = self._ask(share, {"op": "read", "path": path, "offset": offset, "length": length})
        return FilePiece(header["size"], header["mtime"], content, header.get("inode", 0))

    def listing(self, share: str, path: str, after: str | None = None) -> Listing:
        """What lies in the directory `path`, behind the name `after` if it is given; "" is the top of the share."""
        header, _ = self._ask(share, {"op": "list", "path": path, "after": after})
        entries = tuple(Entry(**entry) for entry in header["entries"])
        return Listing(entries, header["complete"], header.get("next"), frozenset(header.get("links", ())))

    def _ask(self, share: str, request: dict[str, Any], waiting: float = 0.0) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + waiting + self._deadline_seconds
        try:
            with _Connection(deadline) as connection:
                connection.open(self._directory, share)
                header, content = connection.exchange(json.dumps(request).encode() + b"\n")
        except TimeoutError:
            raise ShareAway(f"The share {share!r} did not answer within {self._deadline_seconds:g} s.") from None
        except (OSError, ValueError) as error:
            word = getattr(error, "strerror", None) or error
            raise Unread(f"Nothing reads the share {share!r} at the moment ({word}).") from error
        if header["ok"]:
            return header, content
        refusal = {"missing": FileMissing, "refused": FileRefused}.get(header["error"], ShareAway)
        raise refusal(header["why"])


class _Connection:
    """One request to a reader, and its answer; raises OSError, and TimeoutError once the deadline has passed."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def open(self, directory: Path, share: str) -> None:
        if "/" in share:
            raise ValueError("no share has such a name")
        with short_path(directory / f"{share}.sock") as path:
            while not self._connected(path):
                time.sleep(_LET_IN_SECONDS)

    def _connected(self, path: str) -> bool:
        """Whether the reader's queue had a place; a full one says so at once, whatever the timeout (unix(7))."""
        self._wait()
        try:
            self._socket.connect(path)
        except BlockingIOError:
            return False
        return True

    def exchange(self, request: bytes) -> tuple[dict[str, Any], bytes]:
        self._wait()
        self._socket.sendall(request)
        received = bytearray()
        while b"\n" not in received:
            self._receive(received, _HEADER_LIMIT)
        line, _, rest = received.partition(b"\n")
        header: dict[str, Any] = json.loads(line)
        length = header.get("length", 0)
        while len(rest) < length:
            self._receive(rest, _CONTENT_LIMIT)
        return header, bytes(rest)

    def _receive(self, received: bytearray, limit: int) -> None:
        self._wait()
        piece = self._socket.recv(_CONTENT_LIMIT)
        if not piece or len(received) > limit:
            raise ConnectionError("its reader broke off")
        received += piece

    def _wait(self) -> None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._socket.settimeout(remaining)
