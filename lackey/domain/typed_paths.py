"""Paths as people type or paste them: which directory of which share is meant.

Understood are, for a share that Windows has at `\\\\fileserver\\lab` and as drive Z:, and lackey's hosts at /srv/lab:

- `\\\\fileserver\\lab\\heat` and `//fileserver/lab/heat`, also behind Windows' `\\\\?\\UNC\\`;
- `smb://fileserver/lab/heat`, also with a user and a port, and `file://`, percent-encoded;
- `Z:\\heat`, `/srv/lab/heat`, and `lab:heat`, which is how lackey itself names a directory;
- `heat`, which counts from where the asker says.

Slashes may lean either way, and all may stand in the double quotes of Windows' "Copy as path". Servers, shares and
drives are the same in upper and lower case; directories are taken as they are typed, for on the share's host they may
differ by it. `..` is refused wherever it stands, never reckoned with: what it leads to depends on links. Nothing here
looks at a file system; whether a link on the share leads out of it, the kernel sees when the directory is opened.

What is refused may be an address with a password in it, so of an address no more is repeated than server and path.
"""

import re
from collections.abc import Callable, Mapping
from typing import NoReturn
from urllib.parse import unquote

from lackey.domain.paths import Share, SharePath, directory_of, relative_directory, split, unfit
from lackey.domain.refusals import Invalid, invalid

# Two letters at least: one alone is a drive.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\]{2}(.*)", re.DOTALL)
# A domain may stand before the user, and a backslash between them.
_USER = re.compile(r"[^/@]*@")
_SERVER = re.compile(r"([^:/]+)(?::[0-9]*)?")
_DRIVE = re.compile(r"[A-Za-z]:")
_HOST = re.compile(r"\w[\w.-]*")
_LIKE = r"\\server\share\directory or smb://server/share/directory"


def share_path_of(
    text: str, shares: Mapping[str, Share], near: SharePath | None = None, field: str = "directory"
) -> SharePath:
    """The directory that was typed. Raises Invalid for `field`, in words that say which shares there are.

    A relative one counts from `near`; with None, from the top of the first share. Where shares lie in one another, the
    share of `near` counts if it is among them, else the innermost.
    """
    typed = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    reading = _Reading(shares, near, field)
    if address := _ADDRESS.fullmatch(typed):
        return reading.address(address[1].lower(), address[2])
    path = typed.replace("\\", "/")
    if path.startswith(("//?/", "//./")):
        return reading.device(path[4:])
    if path.startswith("//") and not path.startswith("///"):
        return reading.unc(split(path))
    if path.startswith("/"):
        return reading.posix(split(path))
    if ":" in path.partition("/")[0]:
        return reading.after_colon(*path.split(":", 1))
    near = near or SharePath(next(iter(shares)), "")
    return SharePath(near.share, directory_of(split(near.directory) + split(path), field))


class _Reading:
    """One method a form. Each takes the names that were typed, and finds the share by those at their beginning."""

    def __init__(self, shares: Mapping[str, Share], near: SharePath | None, field: str) -> None:
        self._shares, self._near, self._field = shares, near, field

    def unc(self, names: list[str]) -> SharePath:
        """Server, share, directories."""
        if len(names) < 2:
            raise self._refusal(f"a path on a server names a share of it too, as in {_LIKE}")
        place = self._place(names, lambda share: split(share.unc) if share.unc else None, str.lower)
        return place or self._not_here("\\\\" + "\\".join(names[:2]))

    def posix(self, names: list[str]) -> SharePath:
        """Directories from the top of a host of lackey's."""
        return self._place(names, lambda share: split(share.path)) or self._not_here("/" + "/".join(names))

    def drive(self, names: list[str]) -> SharePath:
        """A drive (`Z:`), directories."""
        place = self._place(names, lambda share: [share.drive] if share.drive else None, str.upper)
        return place or self._nowhere(f"no share here is drive {names[0].upper()}")

    def after_colon(self, head: str, rest: str) -> SharePath:
        """A drive with a path, or the name of a share with a directory. A name may be a single letter, too."""
        letter = f"{head}:" if _DRIVE.fullmatch(f"{head}:") else None
        drives = {share.drive for share in self._shares.values()}
        if letter and letter.upper() in drives and (not rest or rest.startswith("/")):
            return self.drive([letter, *split(rest)])
        for name in self._shares:
            if name.lower() == head.lower():
                return SharePath(name, relative_directory(rest, self._field))
        if letter is None:
            self._nowhere(f"there is no share {head[:80]!r} here, and no name on a share holds a colon")
        if letter.upper() in drives:
            full = f"{letter}\\" + "\\".join(split(rest))
            raise self._refusal(f"counts from wherever drive {letter} stands just now; did you mean {_legible(full)}?")
        return self.drive([letter])

    def device(self, path: str) -> SharePath:
        r"""What stands behind Windows' `\\?\`: a drive with a path, or UNC, server, share, directories."""
        first, _, rest = path.partition("/")
        if first.upper() == "UNC":
            return self.unc(split(rest))
        if _DRIVE.fullmatch(first):
            return self.drive([first, *split(rest)])
        self._not_here(f"\\\\?\\{first}")

    def address(self, scheme: str, rest: str) -> SharePath:
        """What stands behind `smb://` or `file://`, percent-encoded."""
        if scheme not in ("smb", "file"):
            raise self._refusal(f"{scheme}:// can not be followed here; write {_LIKE}")
        server, _, path = _USER.sub("", rest, count=1).replace("\\", "/").partition("/")
        names = [name for name in map(self._decoded, path.split("/")) if name not in ("", ".")]
        if scheme == "file" and server.lower() in ("", "localhost"):
            return self.drive(names) if names and _DRIVE.fullmatch(names[0]) else self.posix(names)
        host = _SERVER.fullmatch(server)
        if host is None:
            raise self._refusal(f"names no server; write {_LIKE}")
        return self.unc([self._decoded(host[1]), *names])

    def _decoded(self, name: str) -> str:
        if re.search(r"%(?![0-9A-Fa-f]{2})", name):
            raise self._refusal("holds a bare percent sign, which is written %25 in an address")
        try:
            return unquote(name, errors="strict")
        except UnicodeDecodeError:
            raise self._refusal("is percent-encoded, but not from UTF-8") from None

    def _place(
        self, names: list[str], root_of: Callable[[Share], list[str] | None], fold: Callable[[str], str] = str
    ) -> SharePath | None:
        """The directory on the share whose root the names begin with; None if there is none."""
        folded = [fold(name) for name in names]
        found: dict[str, int] = {}
        for share in self._shares.values():
            root = root_of(share)
            if root is not None and [fold(name) for name in root] == folded[: len(root)]:
                found[share.name] = len(root)
        if not found:
            return None
        expected = self._near.share if self._near else None
        name = expected if expected in found else max(found, key=lambda name: found[name])
        return SharePath(name, directory_of(names[found[name] :], self._field))

    def _not_here(self, path: str) -> NoReturn:
        self._nowhere(f"{_legible(path)} is on none of the shares here")

    def _nowhere(self, message: str) -> NoReturn:
        known = ", ".join(map(_described, self._shares.values()))
        raise self._refusal(f"{message}; there are: {known}")

    def _refusal(self, message: str) -> Invalid:
        return invalid(self._field, message)


def _described(share: Share) -> str:
    return f"{share.name} ({', '.join(filter(None, (share.path, share.unc, share.drive)))})"


def _legible(text: str) -> str:
    """Some of what was typed, fit to be shown."""
    return text[:80] if text.isprintable() else repr(text[:80])


def checked_unc(text: str) -> str:
    r"""A share's `unc` as it is kept: `\\server\share`, and directories on it. Raises ValueError in words."""
    if not text.startswith(("\\\\", "//")):
        raise ValueError(r"must begin with two backslashes, like '\\fileserver\lab' (in single quotes)")
    names = split(text)
    if len(names) < 2:
        raise ValueError(r"must name a server and a share on it, like '\\fileserver\lab'")
    if not _HOST.fullmatch(names[0]):
        raise ValueError(f"{names[0]!r} is no name of a server")
    for name in names[1:]:
        if problem := unfit(name):
            raise ValueError(f"{name!r} {problem}")
    return "\\\\" + "\\".join(names)


def checked_drive(text: str) -> str:
    """A share's `drive` as it is kept: `Z:`, which may be given as `Z`, `z` or `z:`. Raises ValueError in words."""
    if not re.fullmatch("[A-Za-z]:?", text):
        raise ValueError("must be a drive's letter, like 'Z:'")
    return f"{text[0].upper()}:"
