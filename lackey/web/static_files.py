"""The files that pages use: lackey's own, and what `scripts/assets` has brought of others, which may not be there.

Browsers keep them for ever, so an address stands for one content. What is of others lies in folders named by version.
Lackey's own have a digest in their address, of all of them together: so one finds the others beside it (a module its
parts, a stylesheet its images), and a change of any is a change for each.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from lackey.web.routes import Raw

_WEB = Path(__file__).parent
ROOT = _WEB / "static"
_VENDOR = "vendor/"
# By its name in templates: the npm package that it is of, the file that scripts/assets takes from it.
_BROUGHT = {
    "pico": ("@picocss/pico", "pico.min.css"),
    "uplot": ("uplot", "uPlot.iife.min.js"),
    "uplot.css": ("uplot", "uPlot.min.css"),
}
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"

# Of each file: its path below `static`, when it was changed (ns), its size (bytes).
Listing = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class _Own:
    digest: str
    contents: dict[str, bytes]


def asset_urls() -> Callable[[str], str | None]:
    """`asset_url` as of now, for a whole page: where many are asked for, the folder is looked at once."""
    own = _own(_listing())
    return lambda name: _brought_url(name) if name in _BROUGHT else _own_url(name, own)


def asset_url(name: str) -> str | None:
    """The address of a file for a page: `pico`, `uplot`, `uplot.css`, or the path of one of lackey's own.

    None for what is of others and has not been brought. Raises KeyError for a name that is none.
    """
    return asset_urls()(name)


def answer(path: str, if_none_match: str | None = None) -> Raw | None:
    """The file at `path`, which is what follows `/static/`; None if there is none.

    `if_none_match` is the request's header of this name (RFC 9110, 13.1.2).
    """
    if path.startswith(_VENDOR):
        # Only what the listing has is ever opened, wherever else a path may lead.
        known = any(path == name for name, _, _ in _listing())
        return _file(path, (ROOT / path).read_bytes(), _FOR_EVER, if_none_match) if known else None
    digest, _, name = path.partition("/")
    own = _own(_listing())
    if name not in own.contents:
        return None
    # A page from just before an update, or just after it, gets what there is; but not to keep it under that address.
    return _file(name, own.contents[name], _FOR_EVER if digest == own.digest else _ASK_AGAIN, if_none_match)


def _file(name: str, content: bytes, caching: str, if_none_match: str | None) -> Raw:
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"Cache-Control": caching, "ETag": etag}
    kind = _TYPES.get(Path(name).suffix, "text/plain; charset=utf-8")
    # A proxy that compresses has made the tag a weak one: W/"…".
    if etag in (if_none_match or ""):
        return Raw(kind, b"", 0, 304, headers)
    return Raw(kind, content, len(content), 200, headers)


def _brought_url(name: str) -> str | None:
    package, file = _BROUGHT[name]
    path = f"{_VENDOR}{package.rpartition('/')[2]}-{_versions()[package]}/{file}"
    return f"/static/{path}" if (ROOT / path).is_file() else None


def _own_url(name: str, own: _Own) -> str:
    if name not in own.contents:
        raise KeyError(name)
    return f"/static/{own.digest}/{name}"


def _listing() -> Listing:
    """What there is now: an edited stylesheet shows at the next request. Each page asks, so this is quick."""
    return tuple(sorted(_found_in(str(ROOT), "")))


def _found_in(directory: str, path: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _found_in(entry.path, f"{path}{entry.name}/")
            elif entry.is_file() and not entry.name.startswith("."):
                status = entry.stat()
                yield f"{path}{entry.name}", status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1)
def _own(listing: Listing) -> _Own:
    contents = {name: (ROOT / name).read_bytes() for name, _, _ in listing if not name.startswith(_VENDOR)}
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return _Own(digest.hexdigest()[:8], contents)


@cache
def _versions() -> dict[str, str]:
    """Of each npm package that pages use, its version."""
    versions: dict[str, str] = json.loads((_WEB / "package.json").read_text(encoding="utf-8"))["dependencies"]
    return versions
